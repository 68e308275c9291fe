"""EndpointSlices (discovery.k8s.io/v1), and how they become members.

Pure. Conditions mean what the API says where they are absent (``EndpointConditions``): ready is true, serving is ready,
terminating is false. With publishNotReadyAddresses the controller says ready of everybody, hence terminating and
serving are read themselves.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import msgspec  # noqa: TC002 - it reads the annotations of the types

from sidecar.members import Group, Member
from sidecar.sources.collection import Collection
from sidecar.sources.objects import (
    SERVICE_NAME,
    Metadata,
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
    from collections.abc import Sequence

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


class EndpointSlice(Wire, frozen=True, gc=False):
    """discovery.k8s.io/v1 EndpointSlice."""

    metadata: Metadata
    address_type: str = ""
    endpoints: list[msgspec.Raw] | None = None
    ports: list[Port] | None = None


_decode_slice = decoder(EndpointSlice)
_decode_endpoint = decoder(Endpoint)
_NIL = Conditions()
_NOBODY = Target()


def endpoint_slices(namespace: str, services: Sequence[str], projection: Projection) -> Collection:
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

    def project(self, body: bytes | msgspec.Raw) -> Group:
        """What an EndpointSlice says.

        Raises:
            msgspec.MsgspecError: if *body* is not an EndpointSlice.
        """
        found = _decode_slice(body)
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
        self, origin: str, endpoints: list[msgspec.Raw], meta: Metadata, port: int | None
    ) -> dict[str, Member]:
        context = meta.namespace, meta.labels.service, port
        before = self._known.get(origin, _NOTHING)
        keys = before.keys if before.context == context else {}
        now = _Known(context, {}, {})
        for raw in map(bytes, endpoints):
            key = keys.get(raw)
            member = before.members[key] if key else _member(self._projection, _decode_endpoint(raw), meta, port)
            now.keys[raw] = key = key or member.key
            now.members[key] = member
        self._known[origin] = now
        return now.members


class _Known(NamedTuple):
    """A slice as it was last."""

    context: tuple[str, str, int | None]
    """What besides its own bytes makes an endpoint the member that it is."""
    keys: dict[bytes, str]
    """Of the members, by the bytes of their endpoints."""
    members: dict[str, Member]


_NOTHING = _Known(("", "", None), {}, {})


def _member(projection: Projection, endpoint: Endpoint, meta: Metadata, port: int | None) -> Member:
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
        hostname=endpoint.hostname or "",
        node=sys.intern(endpoint.node_name or ""),
        zone=sys.intern(endpoint.zone or ""),
        ready=ready,
        serving=ready if conditions.serving is None else conditions.serving,
        terminating=bool(conditions.terminating),
        is_self=projection.is_self(target.name, meta.namespace, target.uid),
    )
