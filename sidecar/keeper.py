"""Keeps the files true: decides when to publish, publishes, and tells the observers.

What the sources say is fed to the pipeline as it comes; one task publishes. Latest wins: while a publication is on its
way to the disk, or waits for quiet, further events only change what the next one will hold.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import structlog
from aiofiles.os import wrap

from sidecar.errors import PublishError, StartTimeoutError
from sidecar.members import Failed, Recovered
from sidecar.metrics import HELD_REASONS
from sidecar.policy.timing import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor

    from sidecar.members import Event, Member
    from sidecar.metrics import Metrics
    from sidecar.pipeline import Change, Pipeline, Track
    from sidecar.policy.timing import Gate, Pace
    from sidecar.publisher import Publication, Publisher
    from sidecar.sources.backoff import Backoff

log = structlog.get_logger(__name__)

NAMES_LOGGED = 10
"""Of members that joined or left; more would be a long line at each relist."""


class Keeper:
    """The loop.

    Args:
        pipeline: what to publish.
        publisher: where to.
        pace: how changes are collected.
        gate: what the first publication waits for.
        metrics: where to count.
        retry: backoff after a failed write.
        clock: seconds of the event loop's clock.
        executor: writes, one publication at a time: a thread of its own.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        publisher: Publisher,
        *,
        pace: Pace,
        gate: Gate,
        metrics: Metrics,
        retry: Backoff,
        clock: Callable[[], float],
        executor: Executor,
    ) -> None:
        self.held = ""
        """Why the newest set is not published, empty if nothing is in its way."""
        self.errors: tuple[PublishError, ...] = ()
        """What went wrong with the last publication."""
        self.published = publisher.complete
        """Whether every output has a complete content, be it a predecessor's."""
        self.first_publication = asyncio.Event()
        """Set when this keeper has published."""
        self._pipeline = pipeline
        self._publisher = publisher
        self._pace = pace
        self._gate = gate
        self._metrics = metrics
        self._retry = retry
        self._clock = clock
        self._started = clock()
        self._published_at = float("-inf")
        self._retry_at = float("-inf")
        self._changed = asyncio.Event()
        self._executor = executor
        self._publish_files = wrap(publisher.publish)
        self._held_by = ""
        self._measure_on_scrape()

    def take(self, event: Event) -> None:
        """Feed the pipeline."""
        self._pipeline.take(event)
        if self._held_by or not isinstance(event, Failed | Recovered):
            self._changed.set()  # what holds the first set back is told with the newest reason

    def activate(self, track: Track) -> None:
        """Believe *track* from now on."""
        self._pipeline.activate(track, self._clock())
        self._changed.set()

    async def publish_forever(self) -> None:
        """Publish whenever something is due.

        Raises:
            StartTimeoutError: if nothing can be published and the time for that is over.
        """
        while True:
            due = self._due()
            if due <= self._clock():
                await self._publish()
                continue
            try:
                async with asyncio.timeout_at(due if due != float("inf") else None):
                    await self._changed.wait()
                self._changed.clear()
            except TimeoutError:
                pass

    def _due(self) -> float:
        """When to publish next, or to look again."""
        self._held_by, self.held, until = self._hold()
        if self._held_by:
            return until
        if self.errors:
            return self._retry_at
        if not self.first_publication.is_set():
            return self._clock()
        pending = self._pipeline.pending
        return self._pace.due(pending, self._published_at) if pending else float("inf")

    def _hold(self) -> tuple[str, str, float]:
        """Which guard holds the newest set back, why in words, and until when; empty if none does."""
        limit = self._started + self._gate.start_timeout
        if not self._pipeline.state.synced:
            if not self.published and self._clock() >= limit:
                raise StartTimeoutError(f"No complete answer within --start-timeout: {self._failures()}")
            return (
                "not-synced",
                f"no complete answer yet: {self._failures()}",
                float("inf") if self.published else limit,
            )
        problems = " ".join(sorted(set(self._pipeline.active.problems.values())))
        if problems:
            if not self.published and self._clock() >= limit:
                raise StartTimeoutError(f"No usable answer within --start-timeout: {problems}")
            return "problem", problems, float("inf") if self.published else limit
        if self.published:
            return "", "", 0.0
        selected = len(self._pipeline.selected)
        if self._gate.verdict(selected, self._clock() - self._started) is not Verdict.HELD:
            return "", "", 0.0
        return "min-members", f"{selected} of at least {self._gate.min_members} members (--min-members)", limit

    def _failures(self) -> str:
        return " ".join(self._pipeline.failures) or "still listing"

    async def _publish(self) -> None:
        arrived = self._pipeline.pending.since if self._pipeline.pending else None
        change = self._pipeline.render()
        revisions = self._pipeline.revisions(self._publisher.floor.revisions)
        published = await self._publish_files(self._pipeline.bodies, revisions, executor=self._executor)
        self._published_at = self._clock()
        self.errors = published.errors
        if self.errors:
            self._retry_at = self._published_at + self._retry.delay()
        elif arrived is not None:
            self._metrics.change_to_write.observe(self._published_at - arrived)
        self._count(published)
        self._tell(change, published)
        self.published = self.published or not self.errors
        if not self.errors:
            self.first_publication.set()

    def _count(self, published: Publication) -> None:
        for output, outcome in zip(self._publisher.paths, published.outcomes, strict=True):
            self._metrics.writes.labels(output, outcome.value).inc()
            if outcome.value == "written":
                self._metrics.last_write.labels(output).set_to_current_time()
                self._metrics.generation.labels(output).set(published.generation)
        for error in published.errors:
            self._metrics.write_errors.labels(error.path, error.code).inc()

    def _measure_on_scrape(self) -> None:
        """Gauges that cost the whole set are computed when somebody asks, not at each change."""
        rendered = self._pipeline.rendered
        for state in ("ready", "serving", "terminating"):
            count = partial(lambda field: sum(getattr(member, field) for member in rendered.values()), state)
            self._metrics.members.labels(state).set_function(count)
        for reason in HELD_REASONS:
            self._metrics.guard_held.labels(reason).set_function(partial(lambda known: self._held_by == known, reason))

    def _tell(self, change: Change, published: Publication) -> None:
        for error in published.errors:
            log.error("file not written", path=error.path, reason=error.sentence)
        log.info(
            "published",
            generation=published.generation,
            members=len(self._pipeline.rendered),
            joined=_names(change.joined),
            left=_names(change.left),
            updated=len(change.updated),
            outcomes=[outcome.value for outcome in published.outcomes],
        )


def _names(members: Iterable[Member]) -> list[str]:
    names = [member.name or member.address for member in members]
    rest = len(names) - NAMES_LOGGED
    return [*names[:NAMES_LOGGED], f"and {rest} more"] if rest > 0 else names
