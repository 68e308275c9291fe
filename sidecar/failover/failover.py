"""Follows the sources that are needed, and believes those of the best way that works.

A *way* is a track of the pipeline and what makes its sources. Which ways run, and which of them is believed, is decided
in ``policy.preference``; here it is done. Sources of a way that is not needed any more are ended and what they knew is
forgotten: it would be old when they are needed again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import structlog

from sidecar.failover.choice import FOREVER, choose
from sidecar.membership.events import Failed, Listed, Recovered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sidecar.membership.track import Track
    from sidecar.observability.metrics import Metrics
    from sidecar.output.publish_loop import PublishLoop
    from sidecar.sources import Source

log = structlog.get_logger(__name__)


class Candidate(NamedTuple):
    """One way to find members."""

    track: Track
    sources: Callable[[], Sequence[Source]]
    """Makes the sources of the track's scopes."""


class Failover:
    """The sources of a run.

    Args:
        ways: the most preferred first.
        keeper: told of every event, and which track to believe.
        fallback_after: seconds of failure after which a way is given up.
        clock: seconds of the event loop's clock.
        metrics: where to show it.
    """

    def __init__(
        self,
        ways: Sequence[Candidate],
        keeper: PublishLoop,
        *,
        fallback_after: float,
        clock: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self.active = 0
        """The index of the way that is believed."""
        self._ways = tuple(ways)
        self._keeper = keeper
        self._fallback_after = fallback_after
        self._clock = clock
        self._metrics = metrics
        self._news = asyncio.Event()
        self._running: list[tuple[Sequence[Source], list[asyncio.Task[None]]]] = []
        self._warned: set[str] = set()
        self._show()

    @property
    def sources(self) -> list[Source]:
        """Those that run, believed or not."""
        return [source for sources, _ in self._running for source in sources]

    @property
    def instead(self) -> str:
        """Why the first way is not believed; empty if it is."""
        scopes = self._ways[0].track.state.scopes.values()
        return " ".join(scope.failing or "not synced yet" for scope in scopes) if self.active else ""

    def confirm(self) -> None:
        """Ask the sources that are believed for a complete answer."""
        for source in self._running[self.active][0]:
            source.confirm()

    async def run(self) -> None:
        """Follow and choose, for ever."""
        async with asyncio.TaskGroup() as tasks:
            now = self._clock()
            while True:
                self._news.clear()
                states = [way.track.state for way in self._ways]
                choice = choose(states, self.active, self._fallback_after, now)
                self._start(choice.running, tasks)
                self._believe(choice.active)
                self._stop(choice.running)
                self._warn()
                now = await self._wait(choice.until)

    def _start(self, count: int, tasks: asyncio.TaskGroup) -> None:
        for way in self._ways[len(self._running) : count]:
            sources = way.sources()
            followed = [tasks.create_task(self._follow(source, way.track), name=source.scope) for source in sources]
            self._running.append((sources, followed))

    def _stop(self, count: int) -> None:
        while len(self._running) > count:
            for task in self._running.pop()[1]:
                task.cancel()
            self._ways[len(self._running)].track.forget()

    def _believe(self, index: int) -> None:
        if index == self.active:
            return
        self.active = index
        self._keeper.activate(self._ways[index].track)
        self._show()
        log.warning("source changed", source=self._ways[index].track.source, reason=self.instead or "it works again")

    def _show(self) -> None:
        for at, way in enumerate(self._ways):
            self._metrics.source_active.labels(way.track.source).set(at == self.active)

    def _warn(self) -> None:
        warnings = set(self._ways[self.active].track.warnings.values())
        for message in sorted(warnings - self._warned):
            log.warning("source incomplete", source=self._ways[self.active].track.source, reason=message)
        self._warned = warnings
        self._metrics.source_warnings.set(len(warnings))

    async def _follow(self, source: Source, track: Track) -> None:
        async for event in source.events():
            self._keeper.take(event)
            # A change of members is no reason to choose again, and a fleet has many of them.
            if isinstance(event, (Listed, Failed, Recovered)) or self._warned or track.warnings:
                self._news.set()

    async def _wait(self, until: float) -> float:
        """Wait for news or *until* then, and return the time that it is."""
        try:
            async with asyncio.timeout_at(None if until == FOREVER else until):
                await self._news.wait()
        except TimeoutError:
            return max(until, self._clock())  # a loop may wake up the resolution of its clock too early
        return self._clock()
