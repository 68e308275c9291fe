"""WATCH: a stream of lines that follows the store until its time-out.

Every watch has a queue of its own that receives every change, so that a running watch is not affected when the history
is forgotten. A watch that begins too late gets what a real server sends: 200 and an ERROR event.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from sidecar.simulator import events, status
from sidecar.simulator.exchange import Exchange
from sidecar.simulator.listing import number, revision_of, selection_of
from sidecar.simulator.resources import Object
from sidecar.simulator.routing import Target, is_true
from sidecar.simulator.selectors import Selection
from sidecar.simulator.status import RefusedError
from sidecar.simulator.store import Change, ExpiredError, Store

_STREAM = "sendInitialEvents"
_MATCH = "resourceVersionMatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When a watch sends bookmarks and when it ends.

    A bookmark is sent only after a revision, of any resource, that is newer than the beginning of the watch. So an idle
    server never sends one.
    """

    bookmark_interval: float = 60.0
    """Seconds; a real server says "roughly every minute"."""

    bookmark_before_end: float = 2.0
    """Seconds between the last bookmark and the end of a watch; a real server's figure."""

    longest: float = 1800.0
    """Seconds that a watch without timeoutSeconds lasts; a real server picks between this and twice this."""

    def next_bookmark(self, now: float, end: float) -> float:
        """When the next bookmark is due; never, if the last one before the end has been sent."""
        due = min(now + self.bookmark_interval, end - self.bookmark_before_end)
        return due if due > now else float("inf")


class Watch:
    """One open watch.

    Args:
        exchange: The request.
        selection: The objects to watch.
        watch_list: Mark the end of the initial events if bookmarks are requested, as servers from 1.34 do.
    """

    def __init__(self, exchange: Exchange, selection: Selection, *, watch_list: bool) -> None:
        self.resource = exchange.target.resource
        self._exchange = exchange
        self._selection = selection
        self._bookmarks = is_true(exchange.target.query, "allowWatchBookmarks")
        self._watch_list = watch_list
        self._since = 0
        self._coming: deque[bytes] = deque()
        self._woken = asyncio.Event()
        self._ended = False

    def begin(self, store: Store) -> None:
        """Queue what has to be sent first: the current state, or the changes since the requested revision."""
        query = self._exchange.target.query
        since = revision_of(query)
        self._since = since or store.revision
        if is_true(query, _STREAM) or (since == 0 and _STREAM not in query):
            self._begin_with_state(store)
        elif since != 0:
            self._begin_with_history(store, since)

    def _begin_with_history(self, store: Store, since: int) -> None:
        try:
            for change in store.watchable(self.resource.name, since):
                self.offer(change)
                self._since = change.revision
        except ExpiredError as error:
            self.refuse(status.expired(str(error)))

    def refuse(self, refusal: Object) -> None:
        """Send the refusal as an event, as a real server does once the stream has begun, and end."""
        self._coming.append(events.event("ERROR", refusal))
        self.end()

    def _begin_with_state(self, store: Store) -> None:
        for _, obj in store.objects(self.resource.name):
            if obj in self._selection:
                self._coming.append(events.event("ADDED", events.typed(self.resource, obj)))
        if self._bookmarks and self._watch_list:
            self._coming.append(events.bookmark(self.resource, store.revision, {events.INITIAL_EVENTS_END: "true"}))

    def offer(self, change: Change) -> None:
        """Queue a change, unless it is not newer than the revision that the watch begins with."""
        if change.revision <= self._since:
            return
        line = events.line(self.resource, change, self._selection)
        if line is not None:
            self._coming.append(line)
            self._woken.set()

    def end(self) -> None:
        """End cleanly after what is queued."""
        self._ended = True
        self._woken.set()

    def cut(self, *, reset: bool) -> None:
        """Close the connection, whatever is queued."""
        self._exchange.cut(reset=reset)

    async def follow(self, store: Store, pace: Pace) -> None:
        """Write lines until the watch is over."""
        clock = asyncio.get_running_loop().time
        end = clock() + (max(number(self._exchange.target.query, "timeoutSeconds"), 0) or pace.longest)
        due = pace.next_bookmark(clock(), end) if self._bookmarks else float("inf")
        while clock() < end:
            while self._coming:
                await self._exchange.write(self._coming.popleft())
            if self._ended:
                return
            self._woken.clear()
            try:
                async with asyncio.timeout_at(min(due, end)):
                    await self._woken.wait()
            except TimeoutError:
                if due < end:
                    await self._bookmark(store.revision)
                    due = pace.next_bookmark(clock(), end)

    async def _bookmark(self, revision: int) -> None:
        if revision > self._since:
            await self._exchange.write(events.bookmark(self.resource, revision))


def understand(target: Target, *, watch_list: bool) -> Selection:
    """Read the parameters of a WATCH.

    Raises:
        RefusedError: They are invalid, or request a streaming list from a server that does not support it.
    """
    query = target.query
    number(query, "timeoutSeconds")
    if _STREAM in query:
        _refuse_streaming_list(query, watch_list=watch_list)
    elif query.get(_MATCH):
        _refuse(_MATCH, f"{_MATCH} is forbidden for watch unless {_STREAM} is provided")
    selection = selection_of(target.resource, target.namespace, query)
    try:
        revision_of(query)
    except ValueError as error:
        raise RefusedError(status.failure(status.INTERNAL_ERROR, "", str(error))) from None
    return selection


def minimum_revision(target: Target) -> int:
    """The revision that the server must have reached before a streaming list begins; 0 for other watches."""
    return revision_of(target.query) if is_true(target.query, _STREAM) else 0


def _refuse_streaming_list(query: Mapping[str, str], *, watch_list: bool) -> None:
    if not watch_list:
        _refuse(_STREAM, f"{_STREAM} is forbidden for watch unless the WatchList feature gate is enabled")
    if query.get(_MATCH) != "NotOlderThan":
        _refuse(_MATCH, f"{_STREAM} requires setting {_MATCH} to NotOlderThan")


def _refuse(name: str, why: str) -> NoReturn:
    raise RefusedError(status.invalid_list_options(name, why))
