"""Kubernetes objects as they come over the wire, and their projection onto members.

Pure: bytes and values in, values out. The only module that knows the shape of the objects. They are decoded into slim
types with msgspec, one object at a time: the generated model classes cost a second and 70 MB for 1,000 pods.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from sidecar.members import Group, Member
from sidecar.union import choose

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

SERVICE_NAME = "kubernetes.io/service-name"
"""The label by which an EndpointSlice says which Service it belongs to (discovery/v1, ``LabelServiceName``)."""


class _Wire(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What all wire types have in common."""


class Labels(_Wire, frozen=True, gc=False):
    """The one label that is read."""

    service: str = msgspec.field(name=SERVICE_NAME, default="")


class Metadata(_Wire, frozen=True, gc=False):
    """ObjectMeta and ListMeta in one, as far as they are read."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")
    labels: Labels = Labels()


class Port(_Wire, frozen=True, gc=False):
    """EndpointPort; a nil number means that the port is not restricted."""

    name: str | None = None
    port: int | None = None


class Conditions(_Wire, frozen=True, gc=False):
    """EndpointConditions; nil has a meaning of its own."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Target(_Wire, frozen=True, gc=False):
    """ObjectReference to the pod."""

    kind: str = ""
    name: str = ""
    uid: str = ""


class Endpoint(_Wire, frozen=True, gc=False):
    """Endpoint of an EndpointSlice."""

    addresses: list[str] | None = None
    conditions: Conditions | None = None
    hostname: str | None = None
    node_name: str | None = None
    zone: str | None = None
    target_ref: Target | None = None


class EndpointSlice(_Wire, frozen=True, gc=False):
    """discovery.k8s.io/v1 EndpointSlice."""

    metadata: Metadata
    address_type: str = ""
    endpoints: list[msgspec.Raw] | None = None
    ports: list[Port] | None = None


class Page(_Wire, frozen=True, gc=False):
    """A page of a LIST; its items stay bytes, so that only one of them is decoded at any time."""

    metadata: Metadata
    items: list[msgspec.Raw] | None = None


class WatchEvent(_Wire, frozen=True, gc=False):
    """One line of a WATCH."""

    type: str
    object: msgspec.Raw


class Cause(_Wire, frozen=True, gc=False):
    """StatusCause."""

    reason: str = ""


class Details(_Wire, frozen=True, gc=False):
    """StatusDetails."""

    causes: list[Cause] | None = None
    retry_after_seconds: int = 0


class Status(_Wire, frozen=True, gc=False):
    """meta/v1 Status: how the API server explains a refusal."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: Details | None = None


class _Object(_Wire, frozen=True, gc=False):
    metadata: Metadata


def _decoder(kind: type[T]) -> Callable[[bytes | msgspec.Raw], T]:
    """Decode *kind*, and raise nothing but MsgspecError: msgspec itself lets two more through."""
    decode = msgspec.json.Decoder(kind).decode

    def decode_or_say_why(body: bytes | msgspec.Raw) -> T:
        try:
            return decode(body)
        except (UnicodeDecodeError, RecursionError) as error:
            raise msgspec.DecodeError(str(error)) from error

    return decode_or_say_why


_decode_slice = _decoder(EndpointSlice)
_decode_endpoint = _decoder(Endpoint)
_decode_object = _decoder(_Object)
decode_page = _decoder(Page)
decode_watch_event = _decoder(WatchEvent)
_decode_status = _decoder(Status)


def decode_metadata(body: bytes | msgspec.Raw) -> Metadata:
    """The metadata of any object."""
    return _decode_object(body).metadata


def decode_status(body: bytes | msgspec.Raw) -> Status:
    """The Status in *body*, or an empty one: proxies and the API server's own filters answer with text."""
    try:
        return _decode_status(body)
    except msgspec.MsgspecError:
        return Status()


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """How an object becomes members.

    Args:
        port: the member port: a number, a port's name, or empty for the sole port.
        family: ``auto``, ``ipv4`` or ``ipv6``.
        pod_uid: UID of the pod that the sidecar runs in, if known.
        pod_name: its name, used where the UID is not known.
        namespace: its namespace.
    """

    port: str = ""
    family: str = "auto"
    pod_uid: str = ""
    pod_name: str = ""
    namespace: str = ""

    def is_self(self, name: str, namespace: str, uid: str) -> bool:
        """Whether these belong to the sidecar's own pod."""
        if self.pod_uid and uid:
            return uid == self.pod_uid
        return bool(name) and name == self.pod_name and namespace == self.namespace

    def endpoint(self, endpoint: Endpoint, meta: Metadata, port: int | None) -> Member:
        """What an endpoint of the EndpointSlice with *meta* says."""
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
            address=choose(addresses, self.family),
            addresses=addresses,
            port=port,
            hostname=endpoint.hostname or "",
            node=sys.intern(endpoint.node_name or ""),
            zone=sys.intern(endpoint.zone or ""),
            ready=ready,
            serving=ready if conditions.serving is None else conditions.serving,
            terminating=bool(conditions.terminating),
            is_self=self.is_self(target.name, meta.namespace, target.uid),
        )


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
            return Group(origin, _version(meta), {})
        port, problem = choose_port(found.ports or [], self._projection.port, origin)
        if found.address_type == "FQDN" or problem:  # FQDN is deprecated and names no address
            return Group(origin, _version(meta), {}, problem)
        return Group(origin, _version(meta), self._members(origin, found.endpoints, meta, port))

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
            member = before.members[key] if key else self._projection.endpoint(_decode_endpoint(raw), meta, port)
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
_NIL = Conditions()
_NOBODY = Target()


def endpoint_slice_origin(meta: Metadata) -> str:
    """The origin that an EndpointSlice is."""
    return f"endpointslice/{meta.namespace}/{meta.name}"


def choose_port(ports: list[Port], wanted: str, origin: str) -> tuple[int | None, str]:
    """The member port and an empty string, or None and the sentence that says why there is none.

    A number is taken as it is; a name must be among *ports*; without either the sole port is taken, and none if there
    are none (a headless Service may have no ports).
    """
    if wanted.isdecimal():
        return int(wanted), ""
    named = [port for port in ports if (port.name or "") == wanted] if wanted else ports
    listed = ", ".join(f"{port.name or 'unnamed'} ({port.port})" for port in ports) or "none"
    if len(named) == 1:
        return named[0].port, ""
    if not named and not wanted:
        return None, ""
    if wanted:
        return None, f"{origin} has no port named {wanted!r}; it has: {listed}. Correct --port."
    return None, f"{origin} has several ports: {listed}. Choose one with --port NAME or --port NUMBER."


LONGEST_REVISION = 40
"""Digits. etcd's are 64 bits, 20 digits; from 4,300 Python refuses to make a number of them."""


def revision_number(revision: str) -> int | None:
    """The resourceVersion as a number, if it is one; those of one resource type may be compared so (KEP-5504)."""
    return int(revision) if revision.isdecimal() and len(revision) <= LONGEST_REVISION else None


def is_older(revision: str, than: str) -> bool:
    """Whether *revision* is older; unknown, hence no, unless both are numbers."""
    number, floor = revision_number(revision), revision_number(than)
    return number is not None and floor is not None and number < floor


def _version(meta: Metadata) -> int:
    return revision_number(meta.resource_version) or 0
