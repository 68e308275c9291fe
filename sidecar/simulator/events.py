"""Turns changes into the lines of a watch.

A watch is a filtered view of the history: an object that begins to match is ADDED, one that no longer matches is
DELETED although nobody deleted it. A DELETED event carries the last matching object with the resourceVersion of the
change. Pure.
"""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from sidecar.simulator.resources import Object, Resource
from sidecar.simulator.selectors import Selection
from sidecar.simulator.store import Change

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
"""The annotation of the bookmark that ends the initial events of a streaming list."""

_SHARED_LINES = 256
"""Encoded lines to keep, so that a change is encoded once for a thousand watches."""

encode = msgspec.json.encode


def typed(resource: Resource, obj: Object) -> Object:
    """The object with its kind and apiVersion, which only the items of a list lack."""
    return {"kind": resource.kind, "apiVersion": resource.api_version} | obj


def line(resource: Resource, change: Change, selection: Selection) -> bytes | None:
    """The line that a watch of the selection sends for a change; None if it sends none."""
    was = change.before is not None and change.before in selection
    now = change.after is not None and change.after in selection
    match was, now:
        case False, True:
            return _encoded("ADDED", resource, change)
        case True, True:
            return _encoded("MODIFIED", resource, change)
        case True, False:
            return _encoded("DELETED", resource, change)
    return None


@lru_cache(maxsize=_SHARED_LINES)
def _encoded(kind: str, resource: Resource, change: Change) -> bytes:
    if kind != "DELETED":
        return event(kind, typed(resource, change.after or {}))
    gone = change.before or {}
    metadata = gone["metadata"] | {"resourceVersion": str(change.revision)}
    return event(kind, typed(resource, gone | {"metadata": metadata}))


def bookmark(resource: Resource, revision: int, annotations: Mapping[str, str] | None = None) -> bytes:
    """A bookmark: the watch has seen everything up to this revision."""
    metadata: Object = {"resourceVersion": str(revision)}
    if annotations:
        metadata["annotations"] = annotations
    return event("BOOKMARK", typed(resource, {"metadata": metadata} | dict(resource.blank)))


def event(kind: str, obj: Object) -> bytes:
    """One line of a watch."""
    return encode({"type": kind, "object": obj}) + b"\n"
