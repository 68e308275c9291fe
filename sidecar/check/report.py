"""From what was seen of everything to the findings, in the order in which a start would meet them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.check import directories, dns, roles, services
from sidecar.check.findings import Finding, Level, not_checked
from sidecar.check.services import Seen, Service
from sidecar.errors import SourceError
from sidecar.sources.kubernetes.explanations import SERVICE_ACCOUNT, subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sidecar.check.facts import Answers, Facts
    from sidecar.check.permissions import Question, Right
    from sidecar.check.services import Wishes
    from sidecar.sources.dns.records import Outcome


def findings(facts: Facts, wishes: Wishes, fsync: str) -> list[Finding]:
    """Everything there is to say."""
    answers = facts.answers
    volumes = [finding for seen in facts.directories for finding in directories.judge(seen, fsync)]
    names = [_of_name(name, said, answers, wishes.source) for name, said in facts.outcomes.items()]
    works = bool(names) and all(finding.level == "ok" for finding in names)
    if isinstance(answers, str):
        return [*volumes, _unreachable(answers, wishes, dns_works=works), *names]
    return [*volumes, *_of_api(answers, wishes, dns_works=works), *names]


def _of_name(name: str, said: Mapping[str, Outcome], answers: Answers | str, source: str) -> Finding:
    service, seen = (None, None) if isinstance(answers, str) else (answers.services.get(name), answers.seen.get(name))
    ready = sum(member.ready for member in seen.members) if isinstance(seen, Seen) else None
    cluster_ip = service.spec.cluster_ip if isinstance(service, Service) else ""
    return dns.judge(name, said, source=source, ready=ready, cluster_ip=cluster_ip)


def _unreachable(sentence: str, wishes: Wishes, *, dns_works: bool) -> Finding:
    if wishes.source == "dns":
        return Finding("ok", "api", f"{sentence} --source dns does not need it.")
    if wishes.source == "auto" and wishes.falls_back and dns_works:
        return Finding("warning", "api", f"{sentence} DNS is asked instead.")
    return Finding("error", "api", sentence)


def _of_api(answers: Answers, wishes: Wishes, *, dns_works: bool) -> Iterator[Finding]:
    yield _who(answers)
    yield from _of_rights(answers, dns_instead=wishes.source == "auto" and dns_works)
    if answers.replicas is not None:
        yield _of_replicas(answers.replicas)
    for name, service in answers.services.items():
        yield from _of_service(name, service, answers, wishes)
    for name, seen in answers.seen.items():
        if isinstance(seen, SourceError):
            yield _unseen(name, seen, answers, wishes.source)
        else:
            told = services.judge_members(name, seen, wishes)
            yield from _once(told, answers.services.get(name), name, wishes)


def _of_rights(answers: Answers, *, dns_instead: bool) -> Iterator[Finding]:
    """About the rights of the most preferred resource; what another one would do in its place makes it less grave."""
    by_resource: dict[str, list[Finding]] = {}
    for right, denied in answers.denied.items():
        by_resource.setdefault(right.resource, []).append(_of_right(right, denied, answers.user))
    works = {resource for resource, found in by_resource.items() if all(one.level == "ok" for one in found)}
    instead = next((resource for resource in by_resource if resource in works), "dns" if dns_instead else "")
    for finding in next(iter(by_resource.values()), ()):
        if finding.level == "error" and instead:
            sentence = f"{finding.sentence} --source auto follows {instead} instead."
            yield finding._replace(level="warning", sentence=sentence)
        else:
            yield finding


def _of_replicas(replicas: int | SourceError) -> Finding:
    if isinstance(replicas, SourceError):
        return Finding("error", "replicas", replicas.sentence, "The Role for it is deploy/rbac/replicas.yaml.")
    return Finding("ok", "replicas", f"The controller of the own pod wants {replicas}.")


def _of_right(right: Right, denied: Sequence[Question] | SourceError, user: str) -> Finding:
    if isinstance(denied, SourceError):
        return not_checked(right.subject, f"the API server does not say: {denied.sentence.removesuffix('.')}")
    return roles.judge(right, denied, user)


def _who(answers: Answers) -> Finding:
    if not answers.user:
        return Finding("ok", "api", f"{answers.host} answers; as whom it takes us, it does not say.")
    sentence = f"{answers.host} answers, and takes us for {subject(answers.user)}."
    if answers.user.startswith(SERVICE_ACCOUNT):
        return Finding("ok", "api", sentence)
    cure = "What follows is what that one may: in a pod it is the service account that counts, so check there, too."
    resource = next((right.resource for right in answers.denied), "")
    needed = [roles.role(right, "") for right in answers.denied if right.resource == resource]
    return Finding("warning", "api", sentence, cure, "".join(needed))


def _of_service(name: str, service: Service | SourceError, answers: Answers, wishes: Wishes) -> Iterator[Finding]:
    seen = answers.seen.get(name)
    members = seen if isinstance(seen, Seen) else Seen()
    if isinstance(service, Service):
        yield from services.judge_service(name, service, members, wishes)
    elif service.reason == "not_found":
        cure = "Create it, or correct --service and --namespace."
        level: Level = "warning" if members.members else "error"  # endpoints can be written without a Service
        yield Finding(level, f"service {name}", "There is no such Service.", cure)
    elif service.reason == "forbidden":
        who = subject(answers.user) if answers.user else "this user"
        cure = "The sidecar does not need it; grant get on services to have it checked."
        yield not_checked(f"service {name}", f"{who} may not get services", cure)
    else:
        yield not_checked(f"service {name}", f"it cannot be read: {service.sentence.removesuffix('.')}")


def _unseen(name: str, error: SourceError, answers: Answers, source: str) -> Finding:
    """What it means that the members cannot be listed; that a right is missing has been said."""
    known = any(denied and not isinstance(denied, SourceError) for denied in answers.denied.values())
    if error.reason == "forbidden" and (known or source == "dns"):
        return not_checked(f"members {name}", "they may not be listed")
    return Finding("ok" if source == "dns" else "error", f"members {name}", error.sentence)


def _once(
    told: Iterable[Finding], service: Service | SourceError | None, name: str, wishes: Wishes
) -> Iterator[Finding]:
    """Without the problem of the port, if the Service has told it already."""
    said = services.judge_service(name, service, Seen(), wishes) if isinstance(service, Service) else ()
    ports = {finding.subject for finding in said if finding.level == "error"}
    return (finding for finding in told if finding.subject not in ports)
