"""What the API server answers around the objects: a page of a LIST, a line of a WATCH, and the Status of a refusal.

Pure. The items of a page and the object of an ERROR stay bytes until somebody needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from sidecar.sources.kubernetes.objects import K, Wire, decoder

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


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


decode_page = decoder(Page)
_decode_any_event = decoder(WatchEvent[msgspec.Raw])
_decode_status = decoder(Status)


def event_decoder(kind: type[K]) -> Callable[[bytes], WatchEvent[K] | WatchEvent[msgspec.Raw]]:
    """Decode a line of a WATCH on objects of *kind* in one go; only the object of an ERROR stays as it is."""
    decode = decoder(WatchEvent[kind])  # type: ignore[valid-type]

    def decode_event(line: bytes) -> WatchEvent[K] | WatchEvent[msgspec.Raw]:
        try:
            event = decode(line)
        except msgspec.ValidationError:  # a Status need not look like *kind*
            error = _decode_any_event(line)
            if error.type == "ERROR":
                return error
            raise
        return _decode_any_event(line) if event.type == "ERROR" else event

    return decode_event


def decode_status(body: bytes | msgspec.Raw) -> Status:
    """The Status in *body*, or an empty one: proxies and the API server's own filters answer with text."""
    try:
        return _decode_status(body)
    except msgspec.MsgspecError:
        return Status()
