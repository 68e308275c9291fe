"""One WATCH, from the request to its end.

It decides nothing about what comes next: ``WatchEnded`` says how it ended, and the reflector decides.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from sidecar.errors import SourceError
from sidecar.sources.kubernetes.stream import Lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from sidecar.membership.events import Event, Recovered
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
    """Nothing arrived for too long. Perhaps there was nothing to say; if the peer is dead, the next request tells."""
    CONFIRM = "confirm"
    """A complete list was asked for."""
    FAILED = "failed"
    """An error ended it, or kept it from being opened."""


class WatchEnded(NamedTuple):
    """How a watch ended."""

    end: End
    error: SourceError | None = None
    """The failure, if it was one."""
    worked: bool = False
    """Whether it had told something, or been open for a while."""

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
        accepted: called when the server has accepted the request.
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
        accepted: Callable[[], Recovered | None],
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
        self._accepted = accepted
        self._stream: WatchStream | None = None
        self._wanted = False
        self._overdue = False
        self._eventful = False

    def confirm(self) -> None:
        """End it now, for a complete list is wanted."""
        self._wanted = True
        if self._stream:
            self._stream.interrupt()

    async def events(self) -> AsyncIterator[Event]:
        """What the watch says; it ends for whatever reason, which is then in ``ended``."""
        loop = asyncio.get_running_loop()
        self._health.tried()
        started = loop.time()
        overdue = loop.call_later(self._seconds + self._timing.watch_grace, self._interrupt)
        established = False
        try:
            async with self._connection.watch(self._collection.path, self._query()) as self._stream:
                established = True
                if recovered := self._accepted():
                    yield recovered
                lines = Lines()
                while chunk := await self._stream.read():
                    for event in self._read(lines.feed(chunk)):
                        yield event
            self.ended = self._ended_without_error(loop.time() - started)
        except TimeoutError:
            self.ended = WatchEnded(End.SILENT)
        except SourceError as error:
            lasted = loop.time() - started >= self._timing.short_watch
            self.ended = WatchEnded(End.FAILED, error, worked=established and (self._eventful or lasted))
        finally:
            overdue.cancel()
            self._stream = None

    def _query(self) -> dict[str, str]:
        return {
            **self._collection.query,
            "watch": "1",
            "resourceVersion": self._position.resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(round(self._seconds)),
        }

    def _read(self, lines: list[bytes]) -> Iterator[Event]:
        self._health.tried()
        arrived = self._health.active_at
        for line in lines:
            self._eventful = True
            event = self._events.read(line, arrived)
            if event:
                yield event

    def _interrupt(self) -> None:
        """The server should have ended it."""
        self._overdue = True
        if self._stream:
            self._stream.interrupt()

    def _ended_without_error(self, seconds: float) -> WatchEnded:
        if self._wanted:
            return WatchEnded(End.CONFIRM)
        if self._overdue:
            error = SourceError("timeout", "The watch did not end when it should have.")
            return WatchEnded(End.FAILED, error, worked=True)
        if not self._eventful and seconds < self._timing.short_watch:
            error = SourceError("short_watch", "The API server ended a watch at once and without an event.")
            return WatchEnded(End.FAILED, error)
        return WatchEnded(End.SERVER)
