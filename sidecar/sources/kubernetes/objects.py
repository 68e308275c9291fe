"""What all kinds of Kubernetes objects have in common, as they come over the wire.

Pure: bytes and values in, values out. Objects are decoded into slim types with msgspec, one object at a time: the
generated model classes cost a second and 70 MB for 1,000 pods. Each kind has a module of its own (``endpointslices``,
``endpoints``, ``pods``), which alone knows its shape and how it becomes members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

EVERYWHERE = "*"
"""The namespace that stands for all of them."""


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


class Target(Wire, frozen=True, gc=False):
    """ObjectReference to the pod."""

    kind: str = ""
    name: str = ""
    uid: str = ""


def decoder(kind: type[T]) -> Callable[[bytes | msgspec.Raw], T]:
    """Decode *kind*, and raise nothing but MsgspecError: msgspec itself lets two other errors through."""
    decode = msgspec.json.Decoder(kind).decode

    def decode_or_say_why(body: bytes | msgspec.Raw) -> T:
        try:
            return decode(body)
        except (UnicodeDecodeError, RecursionError) as error:
            raise msgspec.DecodeError(str(error)) from error

    return decode_or_say_why


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


def collection_path(root: str, namespace: str, plural: str) -> str:
    """The path of a collection, for example ``/api/v1/namespaces/default/pods``."""
    return f"{root}/{plural}" if namespace == EVERYWHERE else f"{root}/namespaces/{namespace}/{plural}"
