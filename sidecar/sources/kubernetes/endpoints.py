"""Endpoints (core/v1): the object that named a Service's addresses before there were EndpointSlices.

Deprecated since Kubernetes 1.33 (KEP-4974), and poorer: one address family, no zone, nothing about pods that terminate
or serve, and never more than 1,000 addresses. Its one advantage is its name, which is the Service's, so that a Role can
grant this one object (``resourceNames``; list and watch are then allowed with ``fieldSelector=metadata.name=NAME``).

A subset means each of its addresses with each of its ports. An address that is not ready in one subset is not ready,
even if another subset says that it is, as in the controller's own ``RepackSubsets`` (pkg/api/v1/endpoints/util.go).
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from sidecar.membership.addresses import choose
from sidecar.membership.events import Report
from sidecar.membership.member import Member
from sidecar.sources.kubernetes.collection import Collection
from sidecar.sources.kubernetes.objects import (
    Metadata,
    Object,
    Target,
    Wire,
    collection_path,
)
from sidecar.sources.kubernetes.ports import Port, choose_port, no_such_port, several_ports
from sidecar.sources.kubernetes.resource_versions import order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sidecar.sources.kubernetes.objects import Projection

OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
"""The annotation whose value ``truncated`` means that addresses are missing (core/v1, ``EndpointsOverCapacity``)."""


class Annotations(Wire, frozen=True, gc=False):
    """The one annotation that is read."""

    over_capacity: str = msgspec.field(name=OVER_CAPACITY, default="")


class EndpointsMetadata(Metadata, frozen=True, gc=False):
    """ObjectMeta with that annotation."""

    annotations: Annotations = Annotations()


class Address(Wire, frozen=True, gc=False):
    """EndpointAddress."""

    ip: str = ""
    hostname: str = ""
    node_name: str | None = None
    target_ref: Target | None = None


class Subset(Wire, frozen=True, gc=False):
    """EndpointSubset: each of the addresses has each of the ports."""

    addresses: list[Address] | None = None
    not_ready_addresses: list[Address] | None = None
    ports: list[Port] | None = None


class Endpoints(Object, frozen=True, gc=False):
    """core/v1 Endpoints."""

    metadata: EndpointsMetadata
    subsets: list[Subset] | None = None


_NOBODY = Target()


def endpoints(namespace: str, name: str, projection: Projection) -> Collection[Endpoints]:
    """The Endpoints of one Service, by its name.

    Args:
        namespace: its namespace, or ``*`` for the Services of that name in all of them.
        name: its name. A Role that names objects allows no more than one in a request.
        projection: how it becomes members.
    """
    return Collection(
        scope=f"endpoints/{namespace}/{name}",
        path=collection_path("/api/v1", namespace, "endpoints"),
        query={"fieldSelector": f"metadata.name={name}"},
        kind=Endpoints,
        project=partial(endpoints_report, projection),
        origin=endpoints_origin,
    )


def endpoints_origin(meta: Metadata) -> str:
    """The origin that an Endpoints object is."""
    return f"endpoints/{meta.namespace}/{meta.name}"


def endpoints_report(projection: Projection, found: Endpoints) -> Report:
    """What an Endpoints object says."""
    meta = found.metadata
    origin = endpoints_origin(meta)
    subsets = [subset for subset in found.subsets or () if subset.addresses or subset.not_ready_addresses]
    all_ports = [port for subset in subsets for port in subset.ports or ()]
    chosen = [choose_port(subset.ports or [], projection.port, origin) for subset in subsets]
    if any(port.ambiguous for port in chosen) or not _is_one_port(subsets, projection.port):
        return Report(origin, order(meta.resource_version), {}, problem=several_ports(all_ports, origin))
    members: dict[str, Member] = {}
    without: set[str] = set()
    for subset, port in zip(subsets, chosen, strict=True):
        for address, ready in _sightings(subset):
            member = _member(projection, meta, address, port.number, ready=ready)
            if port.missing:
                without.add(member.key)
            elif member.key not in members or not ready:
                members[member.key] = member
    missing = no_such_port(all_ports, projection.port, origin) if without - members.keys() else ""
    warning = " ".join(filter(None, (_truncation(meta, origin), missing)))
    return Report(origin, order(meta.resource_version), members, warning=warning)


def _is_one_port(subsets: list[Subset], wanted: str) -> bool:
    """Whether the ports of all subsets are the same one, by number or by name.

    The same name may have another number in another subset: a Service's named targetPort is resolved for each pod.
    """
    ports = [subset.ports for subset in subsets if subset.ports]
    if wanted or not ports:
        return True
    numbers = {port.port for each in ports for port in each}
    names = set.intersection(*({port.name or "" for port in each} for each in ports))
    return len(numbers) == 1 or bool(names)


def _sightings(subset: Subset) -> Iterator[tuple[Address, bool]]:
    """The addresses of a subset, and whether each is ready."""
    for address in subset.addresses or ():
        yield address, True
    for address in subset.not_ready_addresses or ():
        yield address, False


def _member(projection: Projection, meta: Metadata, address: Address, port: int | None, *, ready: bool) -> Member:
    target = address.target_ref or _NOBODY
    addresses = (address.ip,) if address.ip else ()
    return Member(
        name=target.name,
        namespace=meta.namespace,
        service=meta.name,
        uid=target.uid,
        address=choose(addresses, projection.family),
        addresses=addresses,
        port=port,
        hostname=address.hostname,
        node=sys.intern(address.node_name or ""),
        zone="",
        ready=ready,
        serving=ready,  # nothing more is known; the controller leaves terminating pods out
        terminating=False,
        is_self=projection.is_self(target.name, meta.namespace, target.uid),
    )


def _truncation(meta: EndpointsMetadata, origin: str) -> str:
    if meta.annotations.over_capacity != "truncated":
        return ""
    return f"{origin} is truncated: it names 1,000 addresses, and there are more. Use --source endpointslice."
