"""Follows the sources that are needed, and uses those of the best candidate that works.

Which candidates run, and which of them is used, is decided in ``choice``; here it is done. The sources of a candidate
that is no longer needed are ended and what they knew is forgotten: it would be old when they are needed again. One that
was given up for another is asked for a complete list, and counts as working only once that is there: until then its
members are those from before the failure.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import structlog

from sidecar.failover.choice import choose
from sidecar.membership.events import Failed, Listed, Recovered
from sidecar.wakeup import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sidecar.failover.candidates import Candidate
    from sidecar.membership.track import Track
    from sidecar.observability.metrics import Metrics
    from sidecar.output.publish_loop import PublishLoop
    from sidecar.sources import Source

log = structlog.get_logger(__name__)


class _Running(NamedTuple):
    sources: Sequence[Source]
    tasks: Sequence[asyncio.Task[None]]


class Failover:
    """The sources of a run.

    Args:
        candidates: the most preferred first.
        publish_loop: gets every event, and the track to use.
        fallback_after: seconds of failure after which a candidate is given up.
        clock: seconds of the event loop's clock.
        metrics: where to show it.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        publish_loop: PublishLoop,
        *,
        fallback_after: float,
        clock: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self.active = 0
        """The index of the candidate that is used."""
        self._candidates = tuple(candidates)
        self._publish_loop = publish_loop
        self._fallback_after = fallback_after
        self._clock = clock
        self._metrics = metrics
        self._news = asyncio.Event()
        self._running: list[_Running] = []
        self._outdated: dict[int, set[str]] = {}
        """The candidates that were given up, and the scopes of each that have not been listed since."""
        self._warned: set[str] = set()
        self._show_active()

    @property
    def sources(self) -> list[Source]:
        """Those that run, used or not."""
        return [source for running in self._running for source in running.sources]

    @property
    def fallback_reason(self) -> str:
        """Why the first candidate is not used; empty if it is."""
        if not self.active:
            return ""
        scopes = self._candidates[0].track.state.scopes.values()
        return " ".join(scope.failing or "It has given no complete answer yet." for scope in scopes)

    def confirm(self) -> None:
        """Ask the sources that are used for a complete list."""
        if self._running:
            self._confirm(self.active)

    def _confirm(self, index: int) -> None:
        for source in self._running[index].sources:
            source.confirm()

    async def run(self) -> None:
        """Follow and choose, for ever."""
        async with asyncio.TaskGroup() as tasks:
            now = self._clock()
            while True:
                self._news.clear()
                states = [candidate.track.state for candidate in self._candidates]
                choice = choose(states, self.active, self._fallback_after, now, outdated=self._outdated)
                self._start(choice.running, tasks)
                self._use(choice.active)
                self._stop(choice.running)
                self._warn()
                now = await wait_for(self._news, choice.until, self._clock)

    def _start(self, count: int, tasks: asyncio.TaskGroup) -> None:
        for candidate in self._candidates[len(self._running) : count]:
            sources = candidate.make_sources()
            followed = [
                tasks.create_task(self._follow(source, candidate.track), name=source.scope) for source in sources
            ]
            self._running.append(_Running(sources, followed))

    def _stop(self, count: int) -> None:
        while len(self._running) > count:
            for task in self._running.pop().tasks:
                task.cancel()
            self._outdated.pop(len(self._running), None)
            self._candidates[len(self._running)].track.forget()

    def _use(self, index: int) -> None:
        if index == self.active:
            return
        for before in range(index):
            self._give_up(before)
        self.active = index
        track = self._candidates[index].track
        self._publish_loop.activate(track)
        self._show_active()
        log.warning("source changed", source=track.source, reason=self.fallback_reason or "It works again.")

    def _give_up(self, index: int) -> None:
        if index not in self._outdated:
            self._outdated[index] = set(self._candidates[index].track.scopes)
            self._confirm(index)

    def _show_active(self) -> None:
        for at, candidate in enumerate(self._candidates):
            self._metrics.source_active.labels(candidate.track.source).set(at == self.active)

    def _warn(self) -> None:
        track = self._candidates[self.active].track
        warnings = set(track.warnings.values())
        for message in sorted(warnings - self._warned):
            log.warning("source incomplete", source=track.source, reason=message)
        self._warned = warnings
        self._metrics.source_warnings.set(len(warnings))

    async def _follow(self, source: Source, track: Track) -> None:
        async for event in source.events():
            self._publish_loop.take(event)
            if isinstance(event, Listed) and self._outdated:
                self._note_list(event.scope)
            # A change of members is no reason to choose again, and a fleet has many of them.
            if isinstance(event, (Listed, Failed, Recovered)) or self._warned or track.warnings:
                self._news.set()

    def _note_list(self, scope: str) -> None:
        """A complete list: what is known of this scope is no longer as old as the failure."""
        for index, scopes in tuple(self._outdated.items()):
            scopes.discard(scope)
            if not scopes:
                del self._outdated[index]
