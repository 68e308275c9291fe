"""List, watch, relist: how a collection of the API server is followed, to client-go's specification.

The loops are split by how they end. ``events`` never ends. ``_list`` ends with a complete list. ``_watch`` ends when
only a list can help. One LIST is in ``listing``, one WATCH in ``watch``; what comes next is decided here.

- 410 means relist. 429, a lost connection and every other error mean watch again from the same resourceVersion.
- No answer changes a member unless it is complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from sidecar.errors import SourceError
from sidecar.membership.events import Listed
from sidecar.sources.health import Health
from sidecar.sources.kubernetes.collection import reader
from sidecar.sources.kubernetes.listing import list_all
from sidecar.sources.kubernetes.position import Position
from sidecar.sources.kubernetes.retries import Retries
from sidecar.sources.kubernetes.watch import End, Watch
from sidecar.sources.kubernetes.watch_events import WatchEvents

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sidecar.membership.events import Event, Recovered
    from sidecar.observability.metrics import Metrics
    from sidecar.sources.kubernetes.collection import Collection
    from sidecar.sources.kubernetes.connection import Connection
    from sidecar.sources.kubernetes.timing import Timing
    from sidecar.sources.kubernetes.watch import WatchEnded

log = structlog.get_logger(__name__)


class Reflector:
    """A source that follows a collection.

    Args:
        connection: the API server.
        collection: what to follow.
        metrics: where to count.
        not_older_than: the resourceVersion of the checkpoint, empty if there is none.
        clock: monotonic seconds.
        jitter: a random number in [0, 1).
        timing: the durations.
    """

    def __init__(
        self,
        connection: Connection,
        collection: Collection[Any],
        *,
        metrics: Metrics,
        not_older_than: str,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        timing: Timing,
    ) -> None:
        self.scope = collection.scope
        self._connection = connection
        self._collection = collection
        self._metrics = metrics
        self._clock = clock
        self._jitter = jitter
        self._timing = timing
        self._read = reader(collection)
        self._health = Health(self.scope, metrics, clock)
        self._position = Position(not_older_than, timing.too_large_tries)
        self._events = WatchEvents(collection, self._position, self._health)
        self._retries = Retries(self.scope, connection.credentials, clock=clock, jitter=jitter, timing=timing)
        self._listed_at = float("-inf")
        self._watching: Watch | None = None

    @property
    def active_at(self) -> float:
        """See ``sources``."""
        return self._health.active_at

    @property
    def heard_at(self) -> float:
        """See ``sources``."""
        return self._health.heard_at

    def confirm(self) -> None:
        """See ``sources``: ends the watch, and lists."""
        if self._watching:
            self._watching.confirm()

    async def events(self) -> AsyncIterator[Event]:
        """See ``sources``: never ends."""
        while True:
            async for event in self._list():
                yield event
            async for event in self._watch():
                yield event

    async def _list(self) -> AsyncIterator[Event]:
        """Ask until there is a complete list; yield the failures and then the list."""
        while True:
            try:
                listed = await self._list_once()
            except SourceError as error:
                self._position.list_failed(error)
                yield self._health.failed(error.reason, error.message)
                await self._pause(error)
            else:
                yield listed
                return

    async def _list_once(self) -> Listed:
        start = self._position.list_query(paged="limit" in self._collection.query)
        found = await list_all(self._connection, self._collection, self._read, start, self._health)
        self._position.listed(found.resource_version)
        self._listed_at = found.arrived
        self._retries.accepted()
        self._health.received("LISTED")
        self._health.recovered()
        return Listed(
            scope=self.scope,
            reports=found.reports,
            resource_version=found.resource_version,
            arrived=found.arrived,
        )

    async def _watch(self) -> AsyncIterator[Event]:
        """Watch again and again from the last resourceVersion, until that is of no use."""
        while True:
            watch = self._watching = self._new_watch()
            async for event in watch.events():
                yield event
            self._watching = None
            ended = watch.ended
            self._metrics.restarts.labels(self.scope, ended.reason).inc()
            if ended.error:
                self._position.watch_failed(ended.error)
            if self._must_list(ended):
                self._metrics.relists.labels(ended.reason).inc()
                log.info("relist", source=self.scope, reason=ended.reason)
                if ended.error and self._clock() - self._listed_at < self._timing.short_watch:
                    await self._pause(ended.error)  # the list is out of date as soon as it comes: do not spin
                return
            if ended.error:
                if ended.error.reason == "connection" and ended.worked:
                    self._retries.reset()  # a load balancer that cuts every watch is no server that fails
                yield self._health.failed(ended.error.reason, ended.error.message)
                await self._pause(ended.error)

    def _new_watch(self) -> Watch:
        timing = self._timing
        return Watch(
            self._connection,
            self._collection,
            self._events,
            position=self._position,
            health=self._health,
            seconds=timing.watch_min + (timing.watch_max - timing.watch_min) * self._jitter(),
            timing=timing,
            accepted=self._accepted,
        )

    def _must_list(self, ended: WatchEnded) -> bool:
        return ended.end is End.CONFIRM or ended.reason == "expired" or self._position.consistent

    def _accepted(self) -> Recovered | None:
        """The server accepted a watch: whatever failed before is over."""
        self._position.accepted()
        self._retries.accepted()
        was_failing = self._health.failing
        recovered = self._health.recovered()
        return recovered if was_failing else None

    async def _pause(self, error: SourceError) -> None:
        """Wait before the next attempt."""
        self._health.tried()
        await self._retries.wait(error)
