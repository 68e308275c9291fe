"""From all facts to all findings, in the order in which a start would meet them. Pure."""

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
    """Every finding."""
    answers = facts.answers
    outputs = [finding for seen in facts.directories for finding in volumes.judge(seen, fsync)]
    names = [_of_name(name, asked, answers, requirements.source) for name, asked in facts.outcomes.items()]
    works = bool(names) and all(finding.level == "ok" for finding in names)
    if isinstance(answers, str):
        api: Iterable[Finding] = [_unreachable(answers, requirements, dns_works=works)]
    else:
        api = _of_api(answers, requirements, dns_works=works)
    return [*outputs, *api, *names, *_everywhere(facts.everywhere)]


def _everywhere(names: Iterable[str]) -> Iterator[Finding]:
    """About Services in all namespaces."""
    for name in names:
        yield not_checked(f"service */{name}", "it is followed in all namespaces, and no single Service can be judged")
        yield not_checked(f"dns */{name}", "DNS cannot be asked for all namespaces")


def _of_name(name: str, asked: Mapping[str, Outcome], answers: Answers | str, source: str) -> Finding:
    service, seen = (None, None) if isinstance(answers, str) else (answers.services.get(name), answers.seen.get(name))
    ready = sum(member.ready for member in seen.members) if isinstance(seen, Observed) else None
    cluster_ip = service.spec.cluster_ip if isinstance(service, Service) else ""
    return dns.judge(name, asked, source=source, ready=ready, cluster_ip=cluster_ip)


def _unreachable(message: str, requirements: Requirements, *, dns_works: bool) -> Finding:
    if requirements.source == "dns":
        return Finding("skipped", "api", f"{message} --source dns does not need the API server.")
    if requirements.source == "auto" and requirements.falls_back and dns_works:
        return Finding("warning", "api", f"{message} DNS is used instead.")
    return Finding("error", "api", message)


def _of_api(answers: Answers, requirements: Requirements, *, dns_works: bool) -> Iterator[Finding]:
    yield _identity(answers)
    yield from _of_permissions(answers, dns_instead=requirements.source == "auto" and dns_works)
    if answers.replicas is not None:
        yield _of_replicas(answers.replicas)
    for name, service in answers.services.items():
        yield from _of_service(name, service, answers, requirements)
    for name, seen in answers.seen.items():
        if isinstance(seen, SourceError):
            yield _unseen(name, seen, answers, requirements.source)
        else:
            found = services.judge_members(name, seen, requirements)
            yield from _once(found, answers.services.get(name), name, requirements)


def _of_permissions(answers: Answers, *, dns_instead: bool) -> Iterator[Finding]:
    """About the permissions of the preferred source; a missing one is less serious if another source takes over."""
    by_resource: dict[str, list[Finding]] = {}
    for permission, denied in answers.denied.items():
        by_resource.setdefault(permission.resource, []).append(_of_permission(permission, denied, answers.user))
    works = {resource for resource, found in by_resource.items() if all(one.level == "ok" for one in found)}
    instead = next((resource for resource in by_resource if resource in works), "dns" if dns_instead else "")
    for finding in next(iter(by_resource.values()), ()):
        if finding.level == "error" and instead:
            message = f"{finding.message} --source auto uses {instead} instead."
            yield finding._replace(level="warning", message=message)
        else:
            yield finding


def _of_replicas(replicas: int | SourceError) -> Finding:
    if isinstance(replicas, SourceError):
        return Finding("error", "replicas", replicas.message, "The Role that it needs is deploy/rbac/replicas.yaml.")
    return Finding(
        "ok", "replicas", f"The own pod's controller wants {replicas} replica{'' if replicas == 1 else 's'}."
    )


def _of_permission(permission: Permission, denied: Sequence[Question] | SourceError, user: str) -> Finding:
    if isinstance(denied, SourceError):
        return not_checked(permission.subject, f"the API server does not say: {denied.message.removesuffix('.')}")
    return roles.judge(permission, denied, user)


def _identity(answers: Answers) -> Finding:
    if not answers.user:
        return Finding("ok", "api", f"{answers.host} is reachable; it does not say which identity it sees.")
    message = f"{answers.host} is reachable; the identity that it sees is {subject(answers.user)}."
    if answers.user.startswith(SERVICE_ACCOUNT):
        return Finding("ok", "api", message)
    remedy = "The permissions below are this user's. In a pod the service account's count, so run check there as well."
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
        level: Level = "warning" if members.members else "error"  # endpoints can be created without a Service
        yield Finding(level, f"service {name}", "The Service does not exist.", remedy)
    elif service.reason == "forbidden":
        who = subject(answers.user) if answers.user else "this user"
        remedy = "The sidecar does not need this permission; grant get on services to have the Service checked."
        yield not_checked(f"service {name}", f"{who} may not get services", remedy)
    else:
        yield not_checked(f"service {name}", f"it cannot be read: {service.message.removesuffix('.')}")


def _unseen(name: str, error: SourceError, answers: Answers, source: str) -> Finding:
    """What it means that the members cannot be listed; a missing permission has its own finding."""
    known = any(denied and not isinstance(denied, SourceError) for denied in answers.denied.values())
    if error.reason == "forbidden" and (known or source == "dns"):
        return not_checked(f"members {name}", "they may not be listed")
    return Finding("skipped" if source == "dns" else "error", f"members {name}", error.message)


def _once(
    found: Iterable[Finding], service: Service | SourceError | None, name: str, requirements: Requirements
) -> Iterator[Finding]:
    """The findings without a problem of the port that the finding about the Service reports already."""
    reported = services.judge_service(name, service, Observed(), requirements) if isinstance(service, Service) else ()
    ports = {finding.subject for finding in reported if finding.level == "error"}
    return (finding for finding in found if finding.subject not in ports)
