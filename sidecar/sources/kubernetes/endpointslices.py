"""EndpointSlices (discovery.k8s.io/v1), and how they become members.

Pure. An absent condition means what the API says (``EndpointConditions``): ready is true, serving is as ready,
terminating is false. With publishNotReadyAddresses the controller marks every endpoint as ready, hence serving and
terminating are read as well.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

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
    decoder,
)
from sidecar.sources.kubernetes.ports import Port, choose_port
from sidecar.sources.kubernetes.resource_versions import order

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from sidecar.sources.kubernetes.objects import Projection


SERVICE_NAME = "kubernetes.io/service-name"
"""The label that names the Service of an EndpointSlice (discovery/v1, ``LabelServiceName``)."""


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


_NULL = msgspec.Raw(b"null")


class Labels(Wire, frozen=True, gc=False):
    """The one label that is read."""

    service: str = msgspec.field(name=SERVICE_NAME, default="")


class SliceMetadata(Metadata, frozen=True, gc=False):
    """ObjectMeta with the one label that is read."""

    labels: Labels = Labels()


class EndpointSlice(Object, frozen=True, gc=False):
    """discovery.k8s.io/v1 EndpointSlice; its endpoints stay bytes, because most of them were seen before."""

    metadata: SliceMetadata
    address_type: str = ""
    endpoints: msgspec.Raw = _NULL
    ports: list[Port] | None = None


_split = decoder(list[msgspec.Raw])
_decode_endpoint = decoder(Endpoint)
_decode_endpoints = decoder(list[Endpoint])
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
        retain=slices.retain,
    )


def endpoint_slice_origin(meta: Metadata) -> str:
    """The origin that an EndpointSlice is."""
    return f"endpointslice/{meta.namespace}/{meta.name}"


class EndpointSlices:
    """Turns EndpointSlices into reports, one endpoint at a time: the same bytes as before are the same member.

    A change of one endpoint comes with the hundred others of its slice, and decoding them again would be most of what
    the change costs. A member that joins comes last, because the controller appends; then the others need not even be
    compared one by one.

    Args:
        projection: how an endpoint becomes a member.
    """

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self._known: dict[str, _Known] = {}

    def project(self, found: EndpointSlice) -> Report:
        """What an EndpointSlice says.

        Raises:
            msgspec.MsgspecError: if its endpoints are malformed.
        """
        meta, text = found.metadata, bytes(found.endpoints)
        origin = endpoint_slice_origin(meta)
        if text in (b"null", b"[]"):  # the controller's placeholder has no ports either
            return Report(origin, order(meta.resource_version), {})
        if found.address_type == "FQDN":  # deprecated, and names no address
            return Report(origin, order(meta.resource_version), {})
        port = choose_port(found.ports or [], self._projection.port, origin)
        if port.ambiguous or port.missing:
            return Report(origin, order(meta.resource_version), {}, problem=port.ambiguous, warning=port.missing)
        context = meta.namespace, meta.labels.service, port.number
        known = self._known.get(origin)
        if known is None or known.context != context:
            known = _Known(context, b"[]", {})
        members = self._joined(known, text) or self._changed(known, text)
        self._known[origin] = _Known(context, text, members)
        return Report(origin, order(meta.resource_version), members)

    def forget(self, origin: str) -> None:
        """The slice is gone."""
        self._known.pop(origin, None)

    def retain(self, origins: Container[str]) -> None:
        """Only these slices are left."""
        self._known = {origin: known for origin, known in self._known.items() if origin in origins}

    def _joined(self, known: _Known, text: bytes) -> dict[str, Member]:
        """The members, if the only change is new endpoints after the known ones; otherwise nothing."""
        before = memoryview(known.text)[:-1]
        if not text.startswith(before):
            return {}
        joined = _decode_endpoints(b"[" + text[len(before) :].lstrip(b", \t\r\n"))
        members = [_member(self._projection, endpoint, known.context) for endpoint in joined]
        return known.members | {member.key: member for member in members}

    def _changed(self, known: _Known, text: bytes) -> dict[str, Member]:
        """The members, whatever has changed."""
        before = _split(known.text)
        keys = dict(zip(map(bytes, before), known.members, strict=True)) if len(before) == len(known.members) else {}
        members: dict[str, Member] = {}
        for endpoint in map(bytes, _split(text)):
            key = keys.get(endpoint)
            if key is not None:
                members[key] = known.members[key]
            else:
                member = _member(self._projection, _decode_endpoint(endpoint), known.context)
                members[member.key] = member
        return members


class _Known(NamedTuple):
    """A slice as it was last."""

    context: tuple[str, str, int | None]
    """What a member depends on besides the bytes of its endpoint: namespace, Service and port."""
    text: bytes
    """Its endpoints."""
    members: dict[str, Member]
    """In the order of the endpoints; of two with the same key, the last one counts."""


def _member(projection: Projection, endpoint: Endpoint, context: tuple[str, str, int | None]) -> Member:
    namespace, service, port = context
    conditions = endpoint.conditions or _NIL
    target = endpoint.target_ref or _NOBODY
    ready = conditions.ready is not False
    # Only the first address has a meaning (discovery/v1, Endpoint.addresses).
    addresses = tuple((endpoint.addresses or [])[:1])
    return Member(
        name=target.name,
        namespace=namespace,
        service=service,
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
        is_self=projection.is_self(target.name, namespace, target.uid),
    )
