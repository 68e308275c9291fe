"""WATCH: a stream of lines that follows the store until its time is up.

A watch has a queue of its own, fed at every change, so that history which is forgotten while it runs does not hurt it:
only a watch that begins too late is told so, as a real server tells it, by an ERROR event in a 200.
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
    """When a watch says what nobody asked for at that moment.

    A bookmark is sent only once there is a revision newer than what the watch began with, of any resource. So an idle
    server sends none, however long one waits.
    """

    bookmark_interval: float = 60.0
    """Seconds; a real server says "roughly every minute"."""

    bookmark_before_end: float = 2.0
    """Seconds before the end of a watch at which a last bookmark comes; a real server's figure."""

    longest: float = 1800.0
    """Seconds that a watch without timeoutSeconds lasts; a real server picks between this and twice this."""

    def next_bookmark(self, now: float, end: float) -> float:
        """When the next bookmark is due; never, if the last one before the end is behind us."""
        due = min(now + self.bookmark_interval, end - self.bookmark_before_end)
        return due if due > now else float("inf")


class Watch:
    """One open watch.

    Args:
        exchange: The request.
        selection: What it is about.
        watch_list: Mark the end of the initial events for all who asked for bookmarks, as servers from 1.34 do.
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
        """Queue what has to be said first: the state, or what happened since the revision asked for."""
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
        """Say no in the stream, where a watch that has got so far is told, and end."""
        self._coming.append(events.event("ERROR", refusal))
        self.end()

    def _begin_with_state(self, store: Store) -> None:
        for _, obj in store.objects(self.resource.name):
            if obj in self._selection:
                self._coming.append(events.event("ADDED", events.typed(self.resource, obj)))
        if self._bookmarks and self._watch_list:
            self._coming.append(events.bookmark(self.resource, store.revision, {events.INITIAL_EVENTS_END: "true"}))

    def offer(self, change: Change) -> None:
        """Something has changed; a watch from the future does not hear of it."""
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
        """End the connection, whatever is queued."""
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
        RefusedError: They make no sense, or ask for a streaming list from a server that has none.
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


def fresh_enough_from(target: Target) -> int:
    """The revision that the server must have reached before this watch begins; other watches wait as they go."""
    return revision_of(target.query) if is_true(target.query, _STREAM) else 0


def _refuse_streaming_list(query: Mapping[str, str], *, watch_list: bool) -> None:
    if not watch_list:
        _refuse(_STREAM, f"{_STREAM} is forbidden for watch unless the WatchList feature gate is enabled")
    if query.get(_MATCH) != "NotOlderThan":
        _refuse(_MATCH, f"{_STREAM} requires setting {_MATCH} to NotOlderThan")


def _refuse(name: str, why: str) -> NoReturn:
    raise RefusedError(status.invalid_list_options(name, why))
