"""Whether a Service and its members give the sidecar something to publish.

Pure: a Service, and the members as the sidecar's own projections see them, in; findings out. The Service may be hidden,
since the sidecar needs no permission to read it; then its members show what they can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from sidecar.check.findings.finding import Finding
from sidecar.sources.kubernetes.ports import Port, choose_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sidecar.membership.member import Member


class ServicePort(msgspec.Struct, frozen=True, rename="camel"):
    """ServicePort."""

    name: str = ""
    port: int = 0
    protocol: str = "TCP"
    target_port: int | str | None = None

    @property
    def seen(self) -> Port:
        """As members have it: with the port number of the pods, if the Service says it."""
        number = self.target_port if isinstance(self.target_port, int) else self.port
        return Port(name=self.name, port=number, protocol=self.protocol)


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
    """What the source finds for one Service, or for one selector."""

    members: tuple[Member, ...] = ()
    problems: tuple[str, ...] = ()
    """Why some of it cannot be used."""
    warnings: tuple[str, ...] = ()


class Requirements(NamedTuple):
    """What the configuration demands of Services and members."""

    source: str
    port: str
    not_ready: str
    min_members: int
    """How many members the first file must have."""
    falls_back: bool = True
    """Whether ``auto`` falls back to DNS when the API server is unavailable."""


def judge_service(name: str, service: Service, seen: Observed, requirements: Requirements) -> Iterator[Finding]:
    """The findings about a Service that can be read.

    Args:
        name: ``NAMESPACE/NAME``.
        service: the object.
        seen: its members.
        requirements: the configuration.
    """
    subject, spec = f"service {name}", service.spec
    if spec.type == "ExternalName":
        remedy = "Use a Service that selects the members themselves."
        yield Finding("error", subject, "It is an alias for a DNS name (ExternalName) and has no endpoints.", remedy)
        return
    yield _headless(subject, spec, requirements.source)
    yield _selector(subject, spec, seen)
    if finding := _readiness(subject, spec, requirements):
        yield finding
    port = choose_port([port.seen for port in spec.ports or ()], requirements.port, f"Service {name}")
    if problem := port.ambiguous or port.missing:
        yield problem_of(f"port {name}", problem)


def _headless(subject: str, spec: Spec, source: str) -> Finding:
    if spec.cluster_ip == "None":
        return Finding("ok", subject, "It is headless.")
    message = f"It is not headless: its cluster IP is {spec.cluster_ip}"
    remedy = "Create a Service with clusterIP: None; the cluster IP of an existing one cannot be removed."
    match source:
        case "dns":
            return Finding("error", subject, f"{message}, which DNS returns instead of the members' addresses.", remedy)
        case "auto":
            return Finding(
                "warning", subject, f"{message}, so DNS cannot take over when the API server is unavailable.", remedy
            )
        case _:
            return Finding("ok", subject, f"{message}, which does not matter to --source {source}.")


def _selector(subject: str, spec: Spec, seen: Observed) -> Finding:
    if spec.selector:
        words = ",".join(f"{key}={value}" for key, value in sorted(spec.selector.items()))
        return Finding("ok", subject, f"It selects the pods with {words}.")
    if seen.members:
        return Finding("ok", subject, "It has no selector; its endpoints are written by something else.")
    remedy = "Give it a selector with the labels of the pods, or create its EndpointSlices yourself."
    return Finding("error", subject, "It has no selector and no endpoints, so it will never have a member.", remedy)


def _readiness(subject: str, spec: Spec, requirements: Requirements) -> Finding | None:
    if (
        spec.publish_not_ready_addresses
        and requirements.source not in {"dns", "pods"}
        and requirements.not_ready != "include"
    ):
        message = (
            "publishNotReadyAddresses is set, so every member counts as ready and"
            f" --not-ready {requirements.not_ready} has no effect."
        )
        if requirements.not_ready == "prefer-ready":
            return Finding("ok", subject, f"{message} This suits members that become ready only together.")
        remedy = "Unset it: the sidecar sees the members that are not ready without it."
        return Finding("warning", subject, message, remedy)
    if not spec.publish_not_ready_addresses and requirements.source == "dns":
        message = "publishNotReadyAddresses is not set, so DNS returns ready members only."
        remedy = "Set it if members become ready only after they have found each other."
        return Finding("warning", subject, message, remedy)
    return None


def judge_members(name: str, seen: Observed, requirements: Requirements) -> Iterator[Finding]:
    """The findings about the members.

    Args:
        name: ``NAMESPACE/NAME``, or a selector.
        seen: the members.
        requirements: the configuration.
    """
    subject = f"members {name}"
    for problem in seen.problems:
        yield problem_of(f"port {name}", problem)
    for warning in seen.warnings:
        # A port that no member has is only a warning to a running sidecar, but here it says why there are no members.
        yield Finding("warning", subject, warning) if seen.members else problem_of(f"port {name}", warning)
    if not seen.problems and (seen.members or not seen.warnings):
        yield _count(subject, seen, requirements)


def _count(subject: str, seen: Observed, requirements: Requirements) -> Finding:
    staying = [member for member in seen.members if member.address and not member.terminating]
    ready = sum(member.ready for member in staying)
    usable = ready if requirements.not_ready == "exclude" else len(staying)
    ports = sorted({str(member.port) for member in staying if member.port is not None})
    on = f", on port{'s' if len(ports) > 1 else ''} {', '.join(ports)}" if ports else ""
    counted = f"{_members(len(staying))}, {ready} of them ready{on}."
    if not staying and not requirements.min_members:
        return Finding("ok", subject, "There are no members yet; --min-members 0 publishes an empty file.")
    if not staying:
        remedy = "Check that pods with its labels are running, or wait for them."
        return Finding("warning", subject, "There are no members yet, so there is nothing to publish.", remedy)
    if usable < requirements.min_members:
        remedy = f"The first file waits for {_members(requirements.min_members)}: see --min-members and --not-ready."
        return Finding("warning", subject, counted, remedy)
    return Finding("ok", subject, counted)


def _members(count: int) -> str:
    return f"{count} member{'' if count == 1 else 's'}"


def problem_of(subject: str, problem: str) -> Finding:
    """A problem as ``choose_port`` words it, as a finding: its last sentence is the remedy."""
    message, _, remedy = problem.removesuffix(".").rpartition(". ")
    return Finding("error", subject, f"{message or remedy}.", f"{remedy}." if message else "")
