"""Kubernetes objects as they come over the wire: what all kinds have in common.

Pure: bytes and values in, values out. Objects are decoded into slim types with msgspec, one object at a time: the
generated model classes cost a second and 70 MB for 1,000 pods. Each kind has a module of its own (``endpointslices``,
``endpoints``, ``pods``), which alone knows its shape and how it becomes members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Wire(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What all wire types have in common."""


class Metadata(Wire, frozen=True, gc=False):
    """ObjectMeta, as far as it is read of every object."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""


class Object(Wire, frozen=True, gc=False):
    """What every object is."""

    metadata: Metadata


K = TypeVar("K", bound=Object)


class Port(Wire, frozen=True, gc=False):
    """EndpointPort; a nil number means that the port is not restricted."""

    name: str | None = None
    port: int | None = None


class Target(Wire, frozen=True, gc=False):
    """ObjectReference to the pod."""

    kind: str = ""
    name: str = ""
    uid: str = ""


class ListMetadata(Wire, frozen=True, gc=False):
    """ListMeta."""

    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class Page(Wire, frozen=True, gc=False):
    """A page of a LIST; its items stay bytes, so that only one of them is decoded at any time."""

    metadata: ListMetadata
    items: list[msgspec.Raw] | None = None


class WatchEvent(Wire, Generic[T], frozen=True, gc=False):
    """One line of a WATCH."""

    type: str
    object: T


class Cause(Wire, frozen=True, gc=False):
    """StatusCause."""

    reason: str = ""


class Details(Wire, frozen=True, gc=False):
    """StatusDetails."""

    causes: list[Cause] | None = None
    retry_after_seconds: int = 0


class Status(Wire, frozen=True, gc=False):
    """meta/v1 Status: how the API server explains a refusal."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: Details | None = None


def decoder(kind: type[T]) -> Callable[[bytes | msgspec.Raw], T]:
    """Decode *kind*, and raise nothing but MsgspecError: msgspec itself lets two more through."""
    decode = msgspec.json.Decoder(kind).decode

    def decode_or_say_why(body: bytes | msgspec.Raw) -> T:
        try:
            return decode(body)
        except (UnicodeDecodeError, RecursionError) as error:
            raise msgspec.DecodeError(str(error)) from error

    return decode_or_say_why


decode_page = decoder(Page)
decode_any_event = decoder(WatchEvent[msgspec.Raw])
_decode_status = decoder(Status)


def event_decoder(kind: type[K]) -> Callable[[bytes], WatchEvent[K] | WatchEvent[msgspec.Raw]]:
    """Decode a line of a WATCH on objects of *kind* in one go; only the object of an ERROR stays as it is."""
    decode = decoder(WatchEvent[kind])  # type: ignore[valid-type]

    def decode_event(line: bytes) -> WatchEvent[K] | WatchEvent[msgspec.Raw]:
        try:
            said = decode(line)
        except msgspec.ValidationError:  # a Status need not look like *kind*
            error = decode_any_event(line)
            if error.type == "ERROR":
                return error
            raise
        return decode_any_event(line) if said.type == "ERROR" else said

    return decode_event


def decode_status(body: bytes | msgspec.Raw) -> Status:
    """The Status in *body*, or an empty one: proxies and the API server's own filters answer with text."""
    try:
        return _decode_status(body)
    except msgspec.MsgspecError:
        return Status()


class Projection(msgspec.Struct, frozen=True, kw_only=True):
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


def choose_port(ports: list[Port], wanted: str, origin: str) -> tuple[int | None, str]:
    """The member port and an empty string, or None and the message that says why there is none.

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


def revision_number(resource_version: str) -> int | None:
    """The resourceVersion as a number, if it is one; those of one resource type may be compared so (KEP-5504)."""
    return int(resource_version) if resource_version.isdecimal() and len(resource_version) <= LONGEST_REVISION else None


def is_older(resource_version: str, than: str) -> bool:
    """Whether *resource_version* is older; unknown, hence no, unless both are numbers."""
    number, minimum = revision_number(resource_version), revision_number(than)
    return number is not None and minimum is not None and number < minimum


def version(meta: Metadata) -> int:
    """What orders two origins that disagree; 0 if the resourceVersion is no number."""
    return revision_number(meta.resource_version) or 0


EVERYWHERE = "*"
"""The namespace that stands for all of them."""


def collection_path(root: str, namespace: str, plural: str) -> str:
    """The path of a collection, for example ``/api/v1/namespaces/default/pods``."""
    return f"{root}/{plural}" if namespace == EVERYWHERE else f"{root}/namespaces/{namespace}/{plural}"
