"""What the lines of a WATCH say: they become events, move the position, or end the watch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from sidecar.errors import SourceError
from sidecar.membership.events import Applied, Deleted
from sidecar.sources.kubernetes.responses import decode_status, event_decoder

if TYPE_CHECKING:
    from sidecar.membership.events import Event
    from sidecar.sources.health import Health
    from sidecar.sources.kubernetes.collection import Collection
    from sidecar.sources.kubernetes.objects import Object
    from sidecar.sources.kubernetes.position import Position

GONE = 410
"""HTTP's code for a resourceVersion that the server has forgotten."""

TOO_MANY_REQUESTS = 429
"""HTTP's code for a server that is overloaded, which is no reason to list."""


class WatchEvents:
    """Reads the lines of a collection's watches.

    Args:
        collection: the collection.
        position: moved on with each line.
        health: told of each line.
    """

    def __init__(self, collection: Collection[Any], position: Position, health: Health) -> None:
        self._collection = collection
        self._position = position
        self._health = health
        self._decode = event_decoder(collection.kind)

    def read(self, line: bytes, arrived: float) -> Event | None:
        """The event in *line*; None for a bookmark, which only moves the position.

        Raises:
            SourceError: if the line is an ERROR or cannot be used.
        """
        try:
            decoded = self._decode(line)
            if isinstance(decoded.object, msgspec.Raw):
                self._raise_for(decoded.object)
            resource_version = decoded.object.metadata.resource_version
            self._position.check(resource_version)
            event = self._event(decoded.type, decoded.object, arrived)
        except msgspec.MsgspecError as error:
            raise SourceError("malformed", f"A line of the watch is malformed: {error}.") from error
        self._position.advance(resource_version)
        self._health.received(decoded.type)
        return event

    def _event(self, kind: str, found: Object, arrived: float) -> Event | None:
        scope, resource_version = self._collection.scope, found.metadata.resource_version
        match kind:
            case "ADDED" | "MODIFIED":
                report = self._collection.project(found)
                return Applied(scope=scope, report=report, resource_version=resource_version, arrived=arrived)
            case "DELETED":
                origin = self._collection.origin(found.metadata)
                self._collection.forget(origin)
                return Deleted(scope=scope, origin=origin, resource_version=resource_version, arrived=arrived)
            case "BOOKMARK":
                return None
            case _:
                raise SourceError("malformed", f"The watch has an event of the unknown type {kind!r}.")

    def _raise_for(self, explanation: msgspec.Raw) -> NoReturn:
        """Raise what an ERROR event says."""
        self._health.refused()
        status = decode_status(explanation)
        if status.code == GONE or status.reason in {"Expired", "Gone"}:
            raise SourceError("expired", f"The resourceVersion is too old: {status.message}.")
        reason = "too_many_requests" if status.code == TOO_MANY_REQUESTS else "server_error"
        retry_after = status.details.retry_after_seconds if status.details else 0
        raise SourceError(reason, f"The API server ended the watch: {status.message}.", retry_after)
