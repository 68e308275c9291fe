"""One WATCH, from the request to its end.

It decides nothing about what comes next: ``WatchEnded`` says how it ended, and the reflector decides.

The response's head proves nothing: what the server has missed, or that it has forgotten the resourceVersion, comes in
the body. Hence a source that was failing has recovered with the first event or bookmark, or once the watch has stayed
open for a while (``Timing.proof``).
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from sidecar.errors import SourceError
from sidecar.sources.kubernetes.stream import Lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sidecar.membership.events import Event
    from sidecar.sources.health import Health
    from sidecar.sources.kubernetes.collection import Collection
    from sidecar.sources.kubernetes.connection import Connection, WatchStream
    from sidecar.sources.kubernetes.position import Position
    from sidecar.sources.kubernetes.timing import Timing
    from sidecar.sources.kubernetes.watch_events import WatchEvents


class End(Enum):
    """Why a watch ended. The values label ``membership_watch_restarts_total``, as the reasons of failures do."""

    SERVER = "ended"
    """The server ended it, as it does after the time that it was given."""
    SILENT = "silent"
    """Nothing arrived for too long, not even a bookmark."""
    CONFIRM = "confirm"
    """A complete list was asked for."""
    FAILED = "failed"
    """An error ended it, or kept it from being opened."""


class WatchEnded(NamedTuple):
    """How a watch ended."""

    end: End
    error: SourceError | None = None
    """The failure, if it was one."""
    opened: bool = False
    """Whether the server had accepted the request."""
    worked: bool = False
    """Whether an event or a bookmark had come, or it had been open for longer than ``Timing.short_watch``."""
    proven: bool = False
    """Whether an event or a bookmark had come, or it had been open for ``Timing.proof``."""

    @property
    def reason(self) -> str:
        """The label of the metric."""
        return self.error.reason if self.error else self.end.value


class Watch:
    """One watch of a collection.

    Args:
        connection: the API server.
        collection: what to watch.
        events: reads the lines.
        position: from where.
        health: told of all that arrives.
        seconds: after which the server is to end it.
        timing: other durations.
    """

    def __init__(
        self,
        connection: Connection,
        collection: Collection[Any],
        events: WatchEvents,
        *,
        position: Position,
        health: Health,
        seconds: float,
        timing: Timing,
    ) -> None:
        self.ended = WatchEnded(End.SERVER)
        """How it ended, once ``events`` has."""
        self._connection = connection
        self._collection = collection
        self._events = events
        self._position = position
        self._health = health
        self._seconds = seconds
        self._timing = timing
        self._stream: WatchStream | None = None
        self._opened_at = float("inf")
        self._confirm = False
        self._overdue = False
        self._eventful = False

    def confirm(self) -> None:
        """End it now, because a complete list was asked for."""
        self._confirm = True
        if self._stream:
            self._stream.interrupt()

    async def events(self) -> AsyncIterator[Event]:
        """What the watch says; it ends for whatever reason, which is then in ``ended``."""
        loop = asyncio.get_running_loop()
        overdue = loop.call_later(self._seconds + self._timing.watch_grace, self._end_overdue)
        self._health.tried()
        error: SourceError | None = None
        end = End.SERVER
        try:
            async with self._connection.watch(self._collection.path, self._query()) as self._stream:
                self._opened_at = loop.time()
                lines = Lines()
                while not self._confirm and (chunk := await self._read(self._stream)) != b"":
                    for event in self._take(lines.feed(chunk) if chunk else []):
                        yield event
                    if self._health.failing and (self._eventful or chunk is None) and not self._confirm:
                        yield self._health.recovered()
        except TimeoutError:
            end = End.SILENT
        except SourceError as failure:
            error = failure
        finally:
            overdue.cancel()
            self._stream = None
        self.ended = self._ended(end, error, loop.time() - self._opened_at)

    def _query(self) -> dict[str, str]:
        return {
            **self._collection.query,
            "watch": "1",
            "resourceVersion": self._position.resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(round(self._seconds)),
        }

    async def _read(self, stream: WatchStream) -> bytes | None:
        """The next chunk, empty at the end; None if the source was failing and the watch has stayed open since.

        Raises:
            TimeoutError: if nothing has arrived for too long.
            SourceError: if the connection broke.
        """
        if not self._health.failing:
            return await stream.read()
        proof = asyncio.timeout(self._timing.proof)
        try:
            async with proof:
                return await stream.read()
        except TimeoutError:
            if proof.expired():
                return None
            raise

    def _take(self, lines: list[bytes]) -> Iterator[Event]:
        self._health.tried()
        arrived = self._health.active_at
        for line in lines:
            if self._confirm:
                return
            event = self._events.read(line, arrived)
            self._eventful = True
            if event:
                yield event

    def _end_overdue(self) -> None:
        """The server should have ended it by now."""
        self._overdue = True
        if self._stream:
            self._stream.interrupt()

    def _ended(self, end: End, error: SourceError | None, seconds: float) -> WatchEnded:
        """How it ended, *seconds* after it was opened."""
        worked = self._eventful or seconds >= self._timing.short_watch
        if error is None and end is End.SERVER:
            if self._confirm:
                end = End.CONFIRM
            elif self._overdue:
                error = SourceError("timeout", "The API server did not end the watch when it should have.")
            elif not worked:
                error = SourceError("short_watch", "The API server ended a watch at once and without an event.")
        return WatchEnded(
            end=End.FAILED if error else end,
            error=error,
            opened=seconds > float("-inf"),
            worked=worked,
            proven=self._eventful or seconds >= self._timing.proof,
        )
