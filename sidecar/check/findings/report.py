"""From what was seen of everything to the findings, in the order in which a start would meet them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.check.findings import dns, roles, services, volumes
from sidecar.check.findings.finding import Finding, Level, not_checked
from sidecar.check.findings.services import Observed, Service
from sidecar.errors import SourceError
from sidecar.sources.kubernetes.explanations import SERVICE_ACCOUNT, subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sidecar.check.findings.facts import Answers, Facts
    from sidecar.check.findings.permissions import Permission, Question
    from sidecar.check.findings.services import Requirements
    from sidecar.sources.dns.records import Outcome


def findings(facts: Facts, requirements: Requirements, fsync: str) -> list[Finding]:
    """Everything there is to say."""
    answers = facts.answers
    outputs = [finding for seen in facts.directories for finding in volumes.judge(seen, fsync)]
    names = [_of_name(name, said, answers, requirements.source) for name, said in facts.outcomes.items()]
    works = bool(names) and all(finding.level == "ok" for finding in names)
    if isinstance(answers, str):
        return [*outputs, _unreachable(answers, requirements, dns_works=works), *names]
    return [*outputs, *_of_api(answers, requirements, dns_works=works), *names]


def _of_name(name: str, said: Mapping[str, Outcome], answers: Answers | str, source: str) -> Finding:
    service, seen = (None, None) if isinstance(answers, str) else (answers.services.get(name), answers.seen.get(name))
    ready = sum(member.ready for member in seen.members) if isinstance(seen, Observed) else None
    cluster_ip = service.spec.cluster_ip if isinstance(service, Service) else ""
    return dns.judge(name, said, source=source, ready=ready, cluster_ip=cluster_ip)


def _unreachable(message: str, requirements: Requirements, *, dns_works: bool) -> Finding:
    if requirements.source == "dns":
        return Finding("ok", "api", f"{message} --source dns does not need it.")
    if requirements.source == "auto" and requirements.falls_back and dns_works:
        return Finding("warning", "api", f"{message} DNS is asked instead.")
    return Finding("error", "api", message)


def _of_api(answers: Answers, requirements: Requirements, *, dns_works: bool) -> Iterator[Finding]:
    yield _who(answers)
    yield from _of_permissions(answers, dns_instead=requirements.source == "auto" and dns_works)
    if answers.replicas is not None:
        yield _of_replicas(answers.replicas)
    for name, service in answers.services.items():
        yield from _of_service(name, service, answers, requirements)
    for name, seen in answers.seen.items():
        if isinstance(seen, SourceError):
            yield _unseen(name, seen, answers, requirements.source)
        else:
            told = services.judge_members(name, seen, requirements)
            yield from _once(told, answers.services.get(name), name, requirements)


def _of_permissions(answers: Answers, *, dns_instead: bool) -> Iterator[Finding]:
    """About the rights of the most preferred resource; what another one would do in its place makes it less grave."""
    by_resource: dict[str, list[Finding]] = {}
    for permission, denied in answers.denied.items():
        by_resource.setdefault(permission.resource, []).append(_of_permission(permission, denied, answers.user))
    works = {resource for resource, found in by_resource.items() if all(one.level == "ok" for one in found)}
    instead = next((resource for resource in by_resource if resource in works), "dns" if dns_instead else "")
    for finding in next(iter(by_resource.values()), ()):
        if finding.level == "error" and instead:
            message = f"{finding.message} --source auto follows {instead} instead."
            yield finding._replace(level="warning", message=message)
        else:
            yield finding


def _of_replicas(replicas: int | SourceError) -> Finding:
    if isinstance(replicas, SourceError):
        return Finding("error", "replicas", replicas.message, "The Role for it is deploy/rbac/replicas.yaml.")
    return Finding("ok", "replicas", f"The controller of the own pod wants {replicas}.")


def _of_permission(permission: Permission, denied: Sequence[Question] | SourceError, user: str) -> Finding:
    if isinstance(denied, SourceError):
        return not_checked(permission.subject, f"the API server does not say: {denied.message.removesuffix('.')}")
    return roles.judge(permission, denied, user)


def _who(answers: Answers) -> Finding:
    if not answers.user:
        return Finding("ok", "api", f"{answers.host} answers; as whom it takes us, it does not say.")
    message = f"{answers.host} answers, and takes us for {subject(answers.user)}."
    if answers.user.startswith(SERVICE_ACCOUNT):
        return Finding("ok", "api", message)
    remedy = "What follows is what that one may: in a pod it is the service account that counts, so check there, too."
    resource = next((permission.resource for permission in answers.denied), "")
    needed = [roles.role(permission, "") for permission in answers.denied if permission.resource == resource]
    return Finding("warning", "api", message, remedy, "".join(needed))


def _of_service(
    name: str, service: Service | SourceError, answers: Answers, requirements: Requirements
) -> Iterator[Finding]:
    seen = answers.seen.get(name)
    members = seen if isinstance(seen, Observed) else Observed()
    if isinstance(service, Service):
        yield from services.judge_service(name, service, members, requirements)
    elif service.reason == "not_found":
        remedy = "Create it, or correct --service and --namespace."
        level: Level = "warning" if members.members else "error"  # endpoints can be written without a Service
        yield Finding(level, f"service {name}", "There is no such Service.", remedy)
    elif service.reason == "forbidden":
        who = subject(answers.user) if answers.user else "this user"
        remedy = "The sidecar does not need it; grant get on services to have it checked."
        yield not_checked(f"service {name}", f"{who} may not get services", remedy)
    else:
        yield not_checked(f"service {name}", f"it cannot be read: {service.message.removesuffix('.')}")


def _unseen(name: str, error: SourceError, answers: Answers, source: str) -> Finding:
    """What it means that the members cannot be listed; that a right is missing has been said."""
    known = any(denied and not isinstance(denied, SourceError) for denied in answers.denied.values())
    if error.reason == "forbidden" and (known or source == "dns"):
        return not_checked(f"members {name}", "they may not be listed")
    return Finding("ok" if source == "dns" else "error", f"members {name}", error.message)


def _once(
    told: Iterable[Finding], service: Service | SourceError | None, name: str, requirements: Requirements
) -> Iterator[Finding]:
    """Without the problem of the port, if the Service has told it already."""
    said = services.judge_service(name, service, Observed(), requirements) if isinstance(service, Service) else ()
    ports = {finding.subject for finding in said if finding.level == "error"}
    return (finding for finding in told if finding.subject not in ports)
