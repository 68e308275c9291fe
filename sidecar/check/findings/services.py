"""What a Service and its members say about whether the sidecar will have something to publish.

Pure: a Service as JSON, and the members as the sidecar's own projections see them, in; findings out. The Service may be
out of sight, since the sidecar needs no right to it; then its members tell what they can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from sidecar.check.findings.finding import Finding
from sidecar.sources.kubernetes.objects import Port, choose_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sidecar.membership.member import Member


class ServicePort(msgspec.Struct, frozen=True, rename="camel"):
    """ServicePort."""

    name: str = ""
    port: int = 0
    target_port: int | str | None = None

    @property
    def seen(self) -> Port:
        """As members have it: the number is that of the pods, where the Service says it."""
        return Port(name=self.name, port=self.target_port if isinstance(self.target_port, int) else self.port)


class Spec(msgspec.Struct, frozen=True, rename="camel"):
    """ServiceSpec."""

    type: str = "ClusterIP"
    cluster_ip: str = msgspec.field(name="clusterIP", default="")
    selector: dict[str, str] | None = None
    ports: list[ServicePort] | None = None
    publish_not_ready_addresses: bool = False


class Service(msgspec.Struct, frozen=True):
    """core/v1 Service."""

    spec: Spec = Spec()


decode_service = msgspec.json.Decoder(Service).decode


class Observed(NamedTuple):
    """What the source says of one Service, or of the pods of a selector."""

    members: tuple[Member, ...] = ()
    problems: tuple[str, ...] = ()
    """Why some of what it says cannot be used."""
    warnings: tuple[str, ...] = ()


class Requirements(NamedTuple):
    """What the configuration says about that."""

    source: str
    port: str
    not_ready: str
    min_members: int
    """The least number of members of the first publication."""
    falls_back: bool = True
    """Whether DNS is asked where the API cannot be (with ``auto``)."""


def judge_service(name: str, service: Service, seen: Observed, requirements: Requirements) -> Iterator[Finding]:
    """What there is to say of a Service that can be seen.

    Args:
        name: ``NAMESPACE/NAME``.
        service: the object.
        seen: its members.
        requirements: the configuration.
    """
    subject, spec = f"service {name}", service.spec
    if spec.type == "ExternalName":
        remedy = "Name a Service of the members themselves."
        yield Finding("error", subject, "It is an alias of a name (ExternalName) and has no endpoints.", remedy)
        return
    yield _headless(subject, spec, requirements.source)
    yield _selector(subject, spec, seen)
    if finding := _readiness(subject, spec, requirements):
        yield finding
    _, problem = choose_port([port.seen for port in spec.ports or ()], requirements.port, f"Service {name}")
    if problem:
        yield problem_of(f"port {name}", problem)


def _headless(subject: str, spec: Spec, source: str) -> Finding:
    if spec.cluster_ip == "None":
        return Finding("ok", subject, "It is headless.")
    message = f"It is not headless: its cluster IP is {spec.cluster_ip}"
    remedy = "Make a Service with clusterIP: None; that of an existing one cannot be changed."
    match source:
        case "dns":
            return Finding("error", subject, f"{message}, and DNS tells that one instead of the members.", remedy)
        case "auto":
            return Finding("warning", subject, f"{message}; DNS is of no use where the API cannot be asked.", remedy)
        case _:
            return Finding("ok", subject, f"{message}, which is all the same to --source {source}.")


def _selector(subject: str, spec: Spec, seen: Observed) -> Finding:
    if spec.selector:
        words = ",".join(f"{key}={value}" for key, value in sorted(spec.selector.items()))
        return Finding("ok", subject, f"It selects the pods with {words}.")
    if seen.members:
        return Finding("ok", subject, "It has no selector: somebody else writes its endpoints.")
    remedy = "Give it the labels of the pods as its selector, or write its EndpointSlices yourself."
    return Finding("error", subject, "It has no selector and no endpoints: it will never have a member.", remedy)


def _readiness(subject: str, spec: Spec, requirements: Requirements) -> Finding | None:
    if (
        spec.publish_not_ready_addresses
        and requirements.source not in {"dns", "pods"}
        and requirements.not_ready != "include"
    ):
        message = (
            f"With publishNotReadyAddresses every member counts as ready: --not-ready {requirements.not_ready} is idle."
        )
        if requirements.not_ready == "prefer-ready":
            return Finding("ok", subject, f"{message} For members that become ready only together that is permission.")
        remedy = "Leave it off, for the members that are not ready are known without it."
        return Finding("warning", subject, message, remedy)
    if not spec.publish_not_ready_addresses and requirements.source == "dns":
        message = "Without publishNotReadyAddresses, DNS tells ready members only."
        remedy = "Set it if the members become ready only once they have found each other."
        return Finding("warning", subject, message, remedy)
    return None


def judge_members(name: str, seen: Observed, requirements: Requirements) -> Iterator[Finding]:
    """What there is to say of the members.

    Args:
        name: ``NAMESPACE/NAME``, or a selector.
        seen: the members.
        requirements: the configuration.
    """
    subject = f"members {name}"
    for problem in seen.problems:
        yield problem_of(f"port {name}", problem)
    for warning in seen.warnings:
        yield Finding("warning", subject, warning)
    if not seen.problems:
        yield _count(subject, seen, requirements)


def _count(subject: str, seen: Observed, requirements: Requirements) -> Finding:
    staying = [member for member in seen.members if member.address and not member.terminating]
    ready = sum(member.ready for member in staying)
    usable = ready if requirements.not_ready == "exclude" else len(staying)
    ports = sorted({str(member.port) for member in staying if member.port is not None})
    told = f"{_members(len(staying))}, {ready} of them ready" + (f", at port {', '.join(ports)}" if ports else "") + "."
    if not staying:
        remedy = "See that pods with its labels run, or wait for them."
        return Finding("warning", subject, "There are none yet, hence nothing to publish.", remedy)
    if usable < requirements.min_members:
        remedy = f"The first file waits for {requirements.min_members}, see --min-members and --not-ready, or for --start-timeout."
        return Finding("warning", subject, told, remedy)
    return Finding("ok", subject, told)


def _members(count: int) -> str:
    return f"{count} member{'' if count == 1 else 's'}"


def problem_of(subject: str, problem: str) -> Finding:
    """A problem that ``choose_port`` has told, as a finding: its last message is the remedy."""
    message, _, remedy = problem.removesuffix(".").rpartition(". ")
    return Finding("error", subject, f"{message or remedy}.", f"{remedy}." if message else "")
