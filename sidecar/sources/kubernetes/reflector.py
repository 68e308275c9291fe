"""List, watch, relist: how a collection of the API server is followed, to client-go's specification.

The loops are split by how they end. ``events`` never ends. ``_list`` ends with a complete list. ``_watch`` ends when
only a list can help. One LIST is in ``listing``, one WATCH in ``watch``; what comes next is decided here:

- A watch that the server ends, a connection that breaks after it worked, 429, a timeout and a refused request: watch
  again from the same resourceVersion.
- 410, and whatever the same watch would only repeat (an event that cannot be read, an ERROR, an older event, an end at
  once): list. Silence as well, if there was a failure since anything was heard; else it is watched again, for a server
  on which nothing happens may send nothing, not even bookmarks.
- ``confirm`` is a request that stays until it is served; it ends an open watch at once.
- No answer changes a member unless it is complete.

An etcd that was restored from a backup has revisions that start again lower. A restarted API server then accepts a
watch from the future and stays silent, and refuses a list from there. So the members are right again after one silence
(150 s) and three refused lists (some 15 s). Without a restart, the API server itself knows only its old cache.
"""

from __future__ import annotations

import asyncio
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

    from sidecar.membership.events import Event
    from sidecar.observability.metrics import Metrics
    from sidecar.sources.kubernetes.collection import Collection
    from sidecar.sources.kubernetes.connection import Connection
    from sidecar.sources.kubernetes.timing import Timing
    from sidecar.sources.kubernetes.watch import WatchEnded

log = structlog.get_logger(__name__)

REPEATED = frozenset({"malformed", "older", "server_error", "short_watch"})
"""Why an open watch failed in a way that the same watch would repeat."""


class Reflector:
    """A source that follows a collection.

    Args:
        connection: the API server.
        collection: what to follow.
        metrics: where to count.
        not_older_than: the resourceVersion of the checkpoint; ignored if it is not a number.
        clock: seconds of the event loop's clock.
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
        self._watching: Watch | None = None
        self._confirm = False
        self._confirmed_at = float("-inf")
        self._listed_at = float("-inf")

    @property
    def active_at(self) -> float:
        """See ``sources``."""
        return self._health.active_at

    @property
    def heard_at(self) -> float:
        """See ``sources``."""
        return self._health.heard_at

    def confirm(self) -> None:
        """See ``sources``: the next ``Listed`` or ``Recovered`` is of a list that was started after this call."""
        self._confirm = True
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
        """List until there is a complete list; yield the failures and then the list."""
        confirming = False
        while True:
            confirming |= await self._start_confirming()
            try:
                listed = await self._list_once()
            except SourceError as error:
                self._position.list_failed(error)
                yield self._health.failed(error.reason, error.message)
                await self._pause(error)
                continue
            if self._confirm and not confirming:
                continue  # it was asked for after this list had started
            self._health.recovered()
            yield listed
            return

    async def _start_confirming(self) -> bool:
        """Whether the list that now starts serves ``confirm``."""
        if not self._confirm:
            return False
        await asyncio.sleep(self._confirmed_at + self._timing.confirm - self._clock())
        self._confirm, self._confirmed_at = False, self._clock()
        return True

    async def _list_once(self) -> Listed:
        start = self._position.list_query(paged="limit" in self._collection.query)
        try:
            async with asyncio.timeout(self._timing.complete_list):
                found = await list_all(self._connection, self._collection, self._read, start, self._health)
        except TimeoutError as error:
            message = f"The list of {self._collection.path} was not complete after {self._timing.complete_list:g} s."
            raise SourceError("timeout", message) from error
        self._position.listed(found.resource_version)
        self._collection.retain({report.origin for report in found.reports})
        self._listed_at = found.arrived
        self._retries.accepted()
        self._health.received("LISTED")
        return Listed(
            scope=self.scope,
            reports=found.reports,
            resource_version=found.resource_version,
            arrived=found.arrived,
        )

    async def _watch(self) -> AsyncIterator[Event]:
        """Watch again and again from the last resourceVersion, until only a list can help."""
        while not self._confirm:
            watch = self._watching = self._new_watch()
            async for event in watch.events():
                yield event
            self._watching = None
            ended = watch.ended
            self._metrics.restarts.labels(self.scope, ended.reason).inc()
            if ended.opened:
                self._position.accepted()
                self._retries.accepted()
            if ended.error and self._position.watch_failed(ended.error):
                if self._clock() - self._listed_at < self._timing.short_watch:
                    await self._pause(ended.error)  # the list was out of date as soon as it came: do not spin
                self._relist(ended.reason)
                return
            if ended.error:
                if ended.error.reason == "connection" and ended.proven:
                    self._retries.reset()  # a load balancer that cuts every watch is no server that fails
                yield self._health.failed(ended.error.reason, ended.error.message)
                await self._pause(ended.error)
            if must_list(ended, unheard=self._health.unheard):
                self._relist(ended.reason)
                return
        self._relist(End.CONFIRM.value)

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
        )

    def _relist(self, reason: str) -> None:
        self._metrics.relists.labels(reason).inc()
        log.info("relist", source=self.scope, reason=reason)

    async def _pause(self, error: SourceError) -> None:
        """Wait before the next attempt."""
        self._health.tried()
        await self._retries.wait(error)


def must_list(ended: WatchEnded, *, unheard: bool) -> bool:
    """Whether the same watch would only end the same way.

    Args:
        ended: how it ended.
        unheard: whether an attempt has failed since anything usable arrived.
    """
    if ended.error is None:
        return ended.end is End.SILENT and unheard
    at_once = ended.error.reason == "connection" and not ended.worked
    return ended.opened and (ended.error.reason in REPEATED or at_once)
