"""EndpointSlices (discovery.k8s.io/v1), and how they become members.

Pure. Conditions mean what the API says where they are absent (``EndpointConditions``): ready is true, serving is ready,
terminating is false. With publishNotReadyAddresses the controller says ready of everybody, hence terminating and
serving are read themselves.
"""

from __future__ import annotations

import sys
from itertools import takewhile
from operator import eq
from typing import TYPE_CHECKING, NamedTuple

import msgspec  # noqa: TC002 - it reads the annotations of the types

from sidecar.members import Group, Member
from sidecar.sources.collection import Collection
from sidecar.sources.objects import (
    SERVICE_NAME,
    Labels,
    Metadata,
    Object,
    Port,
    Target,
    Wire,
    choose_port,
    collection_path,
    decoder,
    version,
)
from sidecar.union import choose

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sidecar.sources.objects import Projection


class Conditions(Wire, frozen=True, gc=False):
    """EndpointConditions; nil has a meaning of its own."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(Wire, frozen=True, gc=False):
    """Endpoint of an EndpointSlice."""

    addresses: list[str] | None = None
    conditions: Conditions | None = None
    hostname: str | None = None
    node_name: str | None = None
    zone: str | None = None
    target_ref: Target | None = None


class SliceMetadata(Metadata, frozen=True, gc=False):
    """ObjectMeta with the one label that is read."""

    labels: Labels = Labels()


class EndpointSlice(Object, frozen=True, gc=False):
    """discovery.k8s.io/v1 EndpointSlice; its endpoints stay bytes, most of which were seen before."""

    metadata: SliceMetadata
    address_type: str = ""
    endpoints: list[msgspec.Raw] | None = None
    ports: list[Port] | None = None


_decode_endpoint = decoder(Endpoint)
_NIL = Conditions()
_NOBODY = Target()


def endpoint_slices(namespace: str, services: Sequence[str], projection: Projection) -> Collection[EndpointSlice]:
    """The EndpointSlices of some Services.

    Args:
        namespace: their namespace, or ``*`` for the Services of these names in all of them.
        services: their names, at least one.
        projection: how an endpoint becomes a member.
    """
    names = ",".join(services)
    slices = EndpointSlices(projection)
    return Collection(
        scope=f"endpointslice/{namespace}/{names}",
        path=collection_path("/apis/discovery.k8s.io/v1", namespace, "endpointslices"),
        query={"labelSelector": f"{SERVICE_NAME} in ({names})" if len(services) > 1 else f"{SERVICE_NAME}={names}"},
        kind=EndpointSlice,
        project=slices.project,
        origin=endpoint_slice_origin,
        forget=slices.forget,
    )


def endpoint_slice_origin(meta: Metadata) -> str:
    """The origin that an EndpointSlice is."""
    return f"endpointslice/{meta.namespace}/{meta.name}"


class EndpointSlices:
    """EndpointSlices become groups, an endpoint at a time: one that is the same bytes as before is the same member.

    A change of one endpoint comes with the hundred others of its slice, and to decode them again would be most of what
    the change costs.

    Args:
        projection: how an endpoint becomes a member.
    """

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self._known: dict[str, _Known] = {}

    def project(self, found: EndpointSlice) -> Group:
        """What an EndpointSlice says.

        Raises:
            msgspec.MsgspecError: if one of its endpoints is none.
        """
        meta = found.metadata
        origin = endpoint_slice_origin(meta)
        if not found.endpoints:  # the controller's placeholder has no ports either, hence none to miss
            return Group(origin, version(meta), {})
        port, problem = choose_port(found.ports or [], self._projection.port, origin)
        if found.address_type == "FQDN" or problem:  # FQDN is deprecated and names no address
            return Group(origin, version(meta), {}, problem)
        return Group(origin, version(meta), self._members(origin, found.endpoints, meta, port))

    def forget(self, origin: str) -> None:
        """The slice is gone."""
        self._known.pop(origin, None)

    def _members(
        self, origin: str, endpoints: list[msgspec.Raw], meta: SliceMetadata, port: int | None
    ) -> dict[str, Member]:
        context = meta.namespace, meta.labels.service, port
        known = self._known.get(origin)
        if known is None or known.context != context:
            known = _Known(context, [], [], [])
        texts = list(map(bytes, endpoints))
        same, rest = _ends(known.texts, texts)
        before, after = slice(same, len(known.texts) - rest), slice(same, len(texts) - rest)
        seen = dict(zip(known.texts[before], known.members[before], strict=True))
        changed = [
            seen.get(text) or _member(self._projection, _decode_endpoint(text), meta, port) for text in texts[after]
        ]
        known.texts[before] = texts[after]
        known.keys[before] = [member.key for member in changed]
        known.members[before] = changed
        self._known[origin] = known
        return dict(zip(known.keys, known.members, strict=True))


class _Known(NamedTuple):
    """A slice as it was last, in the order of its endpoints."""

    context: tuple[str, str, int | None]
    """What besides its own bytes makes an endpoint the member that it is."""
    texts: list[bytes]
    keys: list[str]
    members: list[Member]


def _ends(before: list[bytes], after: list[bytes]) -> tuple[int, int]:
    """How many are the same from the start on, and of the others from the end on."""
    shorter = min(len(before), len(after))
    same = _same(before, after)
    return same, min(_same(reversed(before), reversed(after)), shorter - same)


def _same(before: Iterable[bytes], after: Iterable[bytes]) -> int:
    """How many are the same, before the first that differ."""
    return sum(1 for _ in takewhile(bool, map(eq, before, after)))


def _member(projection: Projection, endpoint: Endpoint, meta: SliceMetadata, port: int | None) -> Member:
    conditions = endpoint.conditions or _NIL
    target = endpoint.target_ref or _NOBODY
    ready = conditions.ready is not False
    # Only the first address has a meaning (discovery/v1, Endpoint.addresses).
    addresses = tuple((endpoint.addresses or [])[:1])
    return Member(
        name=target.name,
        namespace=meta.namespace,
        service=meta.labels.service,
        uid=target.uid,
        address=choose(addresses, projection.family),
        addresses=addresses,
        port=port,
        hostname=target.name if endpoint.hostname == target.name else endpoint.hostname or "",
        node=sys.intern(endpoint.node_name or ""),
        zone=sys.intern(endpoint.zone or ""),
        ready=ready,
        serving=ready if conditions.serving is None else conditions.serving,
        terminating=bool(conditions.terminating),
        is_self=projection.is_self(target.name, meta.namespace, target.uid),
    )
