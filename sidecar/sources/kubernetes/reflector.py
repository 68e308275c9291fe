"""List, watch, relist: how a collection of the API server is followed, to client-go's specification.

The loops are split by how they end. ``events`` never ends. ``_list`` ends with a complete answer. ``_watch`` ends when
the resourceVersion is of no use any more. ``_connection_events`` is one WATCH and ends for any reason, which ``_watch``
turns into what to do next.

Rules (client-go tools/cache/reflector.go, KEP-5504), each with a test:

- The first LIST takes what the watch cache has (resourceVersion 0); a later one, also of a restarted sidecar, nothing
  older than what was seen (NotOlderThan). Only where that has become impossible, it is a consistent read ("").
- The resourceVersion comes from the list and from watch events and bookmarks, never from listed items.
- 410 means relist. 429, a lost connection and every other error mean watch again from the same resourceVersion.
- No answer changes a member unless it is complete.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
import structlog

from sidecar.backoff import Backoff
from sidecar.errors import SourceError
from sidecar.membership.events import Applied, Deleted, Failed, Listed, Recovered
from sidecar.observability.metrics import EVENT_TYPES
from sidecar.sources.kubernetes.collection import reader
from sidecar.sources.kubernetes.objects import decode_page, decode_status, event_decoder, is_older
from sidecar.sources.kubernetes.stream import Lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sidecar.membership.events import Event, Report
    from sidecar.observability.metrics import Metrics
    from sidecar.sources.kubernetes.collection import Collection
    from sidecar.sources.kubernetes.connection import Connection
    from sidecar.sources.kubernetes.objects import Object

log = structlog.get_logger(__name__)


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in seconds; the defaults are client-go's."""

    watch_min: float = 300.0
    watch_max: float = 600.0
    """The server ends a watch after a random time between these, so that a fleet does not reconnect at once."""
    watch_grace: float = 30.0
    """Beyond that the client ends it: the server's end never came."""
    short_watch: float = 1.0
    """A watch that ends sooner and without an event is a failure, not an end (VeryShortWatchError)."""
    too_large_tries: int = 3
    """How often a server that is behind is asked again before a consistent read (it waits 3 s itself each time)."""
    retry: float = 0.8
    retry_cap: float = 30.0
    """The wait after a failure grows from the one to the other (with jitter, twice that)."""
    refused_cap: float = 2.0
    """Between attempts while nobody listens (with jitter, twice that): cheap to find out, and good to be back soon."""


class Reflector:
    """A source that follows a collection.

    Args:
        connection: the API server.
        collection: what to follow.
        metrics: where to count.
        not_older_than: the resourceVersion that a predecessor published, empty if there is none.
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
        self.active_at = clock()
        """When it last did anything at all, retries included: for liveness."""
        self._connection = connection
        self._collection = collection
        self._read = reader(collection)
        self._decode_event = event_decoder(collection.kind)
        self._metrics = metrics
        self._events = {kind: metrics.events.labels(self.scope, kind) for kind in EVENT_TYPES}
        self._last_sync = metrics.last_sync.labels(self.scope)
        self._up = metrics.source_up.labels(self.scope)
        self._failing = Backoff(clock=clock, jitter=jitter, initial=timing.retry, cap=timing.retry_cap)
        self._refused = Backoff(clock=clock, jitter=jitter, initial=timing.retry, cap=timing.refused_cap)
        self._clock = clock
        self._jitter = jitter
        self._timing = timing
        self._resource_version = not_older_than
        self._consistent = False
        self._healthy = False
        self._retried_401 = False
        self._tries_too_large = 0
        self._listed_at = float("-inf")
        self._deadline: asyncio.Timeout | None = None
        self._doubted = False

    def confirm(self) -> None:
        """See ``sources``: ends the watch, and lists."""
        if self._deadline and not self._doubted:
            self._doubted = True
            self._deadline.reschedule(asyncio.get_running_loop().time())

    async def events(self) -> AsyncIterator[Event]:
        """See ``sources``: never ends."""
        while True:
            async for event in self._list():
                yield event
            async for event in self._watch():
                yield event

    async def _list(self) -> AsyncIterator[Event]:
        """Ask until there is a complete answer; yield the failures and then the answer."""
        while True:
            try:
                listed = await self._list_once()
            except SourceError as error:
                self._consistent |= error.reason == "expired" or self._too_large_for_good(error)
                yield self._failed(error)
                await self._pause(error)
                continue
            self._resource_version, self._consistent, self._listed_at = listed.resource_version, False, listed.arrived
            self._doubted = False
            self._answered("LISTED")
            yield listed
            return

    async def _list_once(self) -> Listed:
        reports: list[Report] = []
        query = {**self._collection.query, **self._list_revision()}
        while True:
            self.active_at = self._clock()
            body = await self._connection.list(self._collection.path, query)
            arrived = self._clock()
            try:
                page = decode_page(body)
                reports.extend(self._read(item) for item in page.items or ())
            except msgspec.MsgspecError as error:
                raise SourceError("malformed", f"The list of {self._collection.path} is malformed: {error}.") from error
            if not page.metadata.continue_:
                break
            query = {**self._collection.query, "continue": page.metadata.continue_}
        resource_version = page.metadata.resource_version
        if not resource_version:
            raise SourceError("malformed", f"The list of {self._collection.path} has no resourceVersion.")
        if not self._consistent and is_older(resource_version, self._resource_version):
            raise SourceError(
                "older", f"The API server listed {resource_version}, older than {self._resource_version} seen before."
            )
        return Listed(scope=self.scope, reports=tuple(reports), resource_version=resource_version, arrived=arrived)

    def _list_revision(self) -> dict[str, str]:
        if self._consistent:
            return {}
        if not self._resource_version and "limit" in self._collection.query:
            return {}  # the watch cache would ignore the limit at 0; it answers a consistent LIST too, since 1.31
        if not self._resource_version:
            return {"resourceVersion": "0"}
        return {"resourceVersion": self._resource_version, "resourceVersionMatch": "NotOlderThan"}

    async def _watch(self) -> AsyncIterator[Event]:
        """Watch again and again from the last resourceVersion, until that is of no use."""
        while True:
            try:
                async for event in self._connection_events():
                    yield event
            except SourceError as error:
                self._metrics.restarts.labels(self.scope, error.reason).inc()
                self._consistent = self._too_large_for_good(error)
                if error.reason in {"expired", "confirm"} or self._consistent:
                    self._metrics.relists.labels(error.reason).inc()
                    log.info("relist", source=self.scope, reason=error.reason)
                    if self._clock() - self._listed_at < self._timing.short_watch:
                        await self._pause(error)  # the list is out of date as soon as it comes: do not spin
                    return
                if error.reason == "silent":
                    continue  # it may well have had nothing to say; if it is dead, the next request tells
                yield self._failed(error)
                await self._pause(error)
            else:
                self._metrics.restarts.labels(self.scope, "ended").inc()

    async def _connection_events(self) -> AsyncIterator[Event]:
        """One WATCH. Ends with the server's time-out; everything else is a SourceError."""
        self.active_at = started = self._clock()
        seconds = self._timing.watch_min + (self._timing.watch_max - self._timing.watch_min) * self._jitter()
        query = {
            **self._collection.query,
            "watch": "1",
            "resourceVersion": self._resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(round(seconds)),
        }
        deadline = asyncio.timeout(seconds + self._timing.watch_grace)
        eventful = established = False
        try:
            async with deadline, self._connection.watch(self._collection.path, query) as chunks:
                established, self._deadline = True, deadline
                recovered = self._established()
                if recovered:
                    yield recovered
                lines = Lines()
                async for chunk in chunks:
                    arrived = self.active_at = self._clock()
                    for line in lines.feed(chunk):
                        eventful = True
                        event = self._decode(line, arrived)
                        if event:
                            yield event
        except TimeoutError as error:
            if self._doubted:
                raise SourceError("confirm", "A complete answer was asked for.") from error
            raise SourceError("timeout", "The watch did not end when it should have.") from error
        except SourceError as error:
            worked = established and (eventful or self._clock() - started >= self._timing.short_watch)
            if error.reason == "connection" and worked:
                self._failing.reset()  # a load balancer that cuts every watch is no server that fails
            raise
        finally:
            self._deadline = None
        if not eventful and self._clock() - started < self._timing.short_watch:
            raise SourceError("short_watch", "The API server ended a watch at once and without an event.")

    def _decode(self, line: bytes, arrived: float) -> Event | None:
        """What a line says; None for a bookmark."""
        try:
            said = self._decode_event(line)
            if isinstance(said.object, msgspec.Raw):
                self._raise_for(said.object)
            resource_version = said.object.metadata.resource_version
            self._check(resource_version)
            event = self._event(said.type, said.object, resource_version, arrived)
        except msgspec.MsgspecError as error:
            raise SourceError("malformed", f"A line of the watch is malformed: {error}.") from error
        self._resource_version = resource_version
        self._answered(said.type)
        return event

    def _check(self, resource_version: str) -> None:
        if not resource_version:
            raise SourceError("malformed", "An event of the watch has no resourceVersion.")
        if is_older(resource_version, self._resource_version):
            raise SourceError(
                "older", f"The watch went back to {resource_version}, older than {self._resource_version} seen before."
            )

    def _event(self, kind: str, found: Object, resource_version: str, arrived: float) -> Event | None:
        match kind:
            case "ADDED" | "MODIFIED":
                report = self._collection.project(found)
                return Applied(scope=self.scope, report=report, resource_version=resource_version, arrived=arrived)
            case "DELETED":
                origin = self._collection.origin(found.metadata)
                self._collection.forget(origin)
                return Deleted(scope=self.scope, origin=origin, resource_version=resource_version, arrived=arrived)
            case "BOOKMARK":
                return None
            case _:
                raise SourceError("malformed", f"The watch has an event of the unknown type {kind!r}.")

    def _raise_for(self, explanation: msgspec.Raw) -> NoReturn:
        self._events["ERROR"].inc()
        status = decode_status(explanation)
        if status.code == 410 or status.reason in {"Expired", "Gone"}:  # noqa: PLR2004 - HTTP's own number
            raise SourceError("expired", f"The resourceVersion is too old: {status.message}.")
        retry_after = status.details.retry_after_seconds if status.details else 0
        raise SourceError("server_error", f"The API server ended the watch: {status.message}.", retry_after)

    def _answered(self, kind: str) -> None:
        self._accepted()
        self._events[kind].inc()
        self._last_sync.set_to_current_time()

    def _established(self) -> Recovered | None:
        """The server accepted the watch: whatever failed before is over."""
        healthy = self._healthy
        self._accepted()
        if healthy:
            return None
        log.info("source answers", source=self.scope)
        return Recovered(scope=self.scope)

    def _accepted(self) -> None:
        if not self._healthy:
            self._healthy = True
            self._up.set(1)
        self._retried_401 = False
        self._tries_too_large = 0

    def _failed(self, error: SourceError) -> Failed:
        self._healthy = False
        self._up.set(0)
        return Failed(scope=self.scope, reason=error.reason, message=error.message, arrived=self._clock())

    def _too_large_for_good(self, error: SourceError) -> bool:
        """Whether the server was behind so often that it will not catch up."""
        if error.reason == "too_large_resource_version":
            self._tries_too_large += 1
        return self._tries_too_large >= self._timing.too_large_tries

    async def _pause(self, error: SourceError) -> None:
        """Wait before the next attempt, as long as *error* calls for."""
        self.active_at = self._clock()
        if error.reason == "unauthorized":
            self._connection.credentials.invalidate()
            if not self._retried_401:
                self._retried_401 = True
                log.info("credentials read again", source=self.scope, reason=error.message)
                return
        backoff = self._refused if error.reason == "refused" else self._failing
        delay = backoff.delay(error.retry_after)
        log.warning("source failing", source=self.scope, reason=error.message, retry_seconds=round(delay, 3))
        await asyncio.sleep(delay)
