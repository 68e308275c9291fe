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
from sidecar.membership.events import Failed, Recovered
from sidecar.membership.policy.guards import REASONS, Situation
from sidecar.output.publisher import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor

    from sidecar.backoff import Backoff
    from sidecar.membership.events import Event
    from sidecar.membership.member import Member
    from sidecar.membership.policy.guards import Guards
    from sidecar.membership.policy.timing import Hold, Pace, Window
    from sidecar.membership.track import Track
    from sidecar.observability.metrics import Metrics
    from sidecar.output.pipeline import Change, Pipeline
    from sidecar.output.publisher import Publication, Publisher

log = structlog.get_logger(__name__)

NAMES_LOGGED = 10
"""Of members that joined or left; more would be a long line at each relist."""


class PublishLoop:
    """The loop.

    Args:
        pipeline: what to publish.
        publisher: where to.
        pace: how changes are collected.
        guards: what a publication waits for.
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
        guards: Guards,
        metrics: Metrics,
        retry: Backoff,
        clock: Callable[[], float],
        executor: Executor,
    ) -> None:
        self.held = ""
        """Why the newest set is not published, empty if nothing is in its way."""
        self._desired: int | None = None
        self._replicas_unknown = ""
        self.confirm: Callable[[], None] = _nothing
        """Called when an answer is hard to believe, to have the sources asked again."""
        self.errors: tuple[PublishError, ...] = ()
        """What went wrong with the last publication."""
        self.published = publisher.complete
        """Whether every output has a complete content, be it a predecessor's."""
        self.first_publication = asyncio.Event()
        """Set when this keeper has published."""
        self._pipeline = pipeline
        self._publisher = publisher
        self._pace = pace
        self._guards = guards
        self._metrics = metrics
        self._writes = {
            (path, outcome): metrics.writes.labels(path, outcome.value)
            for path in publisher.paths
            for outcome in Outcome
        }
        self._last_writes = {path: metrics.last_write.labels(path) for path in publisher.paths}
        self._generations = {path: metrics.generation.labels(path) for path in publisher.paths}
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
        self._measure_predecessor()

    def take(self, event: Event) -> None:
        """Feed the pipeline."""
        self._pipeline.take(event)
        if self._held_by or not isinstance(event, (Failed, Recovered)):
            self._changed.set()  # what holds the first set back is told with the newest reason

    def want(self, replicas: int) -> None:
        """So many replicas there should be."""
        self._desired = replicas
        self._changed.set()

    def replicas_unknown(self, message: str) -> None:
        """How many there should be is not known, and why."""
        self._replicas_unknown = message
        self._changed.set()

    def activate(self, track: Track) -> None:
        """Believe *track* from now on."""
        self._pipeline.activate(track, self._clock())
        self._changed.set()

    async def publish_forever(self) -> None:
        """Publish whenever something is due.

        Raises:
            StartTimeoutError: if a guard holds the first publication and its time is over.
        """
        now = self._clock()
        while True:
            due, pending = self._due(now)
            if due <= now:
                await self._publish(now, pending)
                now = self._clock()
                continue
            try:
                async with asyncio.timeout_at(due if due != float("inf") else None):
                    await self._changed.wait()
                self._changed.clear()
                now = self._clock()
            except TimeoutError:
                now = max(due, self._clock())  # a loop may wake up the resolution of its clock too early

    def _due(self, now: float) -> tuple[float, Window | None]:
        """When to publish next, or to look again; and what there would be to publish."""
        pending, shrink, until = self._pipeline.outlook(now)
        hold = self._guards.verdict(self._situation(shrink), now)
        before, self._held_by, self.held = self._held_by, *((hold.reason, hold.message) if hold else ("", ""))
        if self._held_by == "shrink" != before:
            self.confirm()
        if hold and hold.over:
            raise StartTimeoutError(hold.message)
        if hold and not hold.leaves_only:
            return hold.until, pending
        if self.errors:
            return self._retry_at, pending
        if not self.first_publication.is_set():
            return now, pending
        if pending:
            until = min(until, self._pace.due(pending, self._published_at))
        return until, pending

    def _situation(self, shrink: Hold | None) -> Situation:
        """What the guards look at now."""
        selection = self._pipeline.selection
        return Situation(
            started=self._started,
            published=self.published,
            unanswered="" if self._pipeline.state.synced else self._failures(),
            problem=" ".join(sorted(set(self._pipeline.active.problems.values()))),
            failing=" ".join(self._pipeline.failures),
            cluster_known=selection.cluster_known,
            rollout_known=selection.rollout_known,
            has_self=selection.has_self,
            selected=len(self._pipeline.selected),
            desired=self._desired,
            replicas_unknown=self._replicas_unknown,
            changed_at=self._pipeline.changed_at,
            shrink=shrink,
        )

    def _failures(self) -> str:
        return " ".join(self._pipeline.failures) or "still listing"

    async def _publish(self, now: float, pending: Window | None) -> None:
        change = self._pipeline.render(now)
        resource_versions = self._pipeline.resource_versions(self._publisher.checkpoint.resource_versions)
        published = await self._publish_files(self._pipeline.bodies, resource_versions, executor=self._executor)
        self._published_at = self._clock()
        self.errors = published.errors
        if self.errors:
            self._retry_at = self._published_at + self._retry.delay()
        elif pending:
            self._metrics.change_to_write.observe(self._published_at - pending.since)
        self._count(published)
        self._tell(change, published)
        self.published = self.published or not self.errors
        if not self.errors:
            self.first_publication.set()

    def _count(self, published: Publication) -> None:
        for output, outcome in zip(self._publisher.paths, published.outcomes, strict=True):
            self._writes[output, outcome].inc()
            if outcome is Outcome.WRITTEN:
                self._last_writes[output].set_to_current_time()
                self._generations[output].set(published.generation)
        for error in published.errors:
            self._metrics.write_errors.labels(error.path, error.code).inc()

    def _measure_predecessor(self) -> None:
        """A restart that finds its files true writes nothing, and they are as old as they are."""
        for output, written in self._publisher.written().items():
            self._last_writes[output].set(written)
            self._generations[output].set(self._publisher.checkpoint.generation)

    def _measure_on_scrape(self) -> None:
        """Gauges that cost the whole set are computed when somebody asks, not at each change."""
        rendered = self._pipeline.rendered
        for state in ("ready", "serving", "terminating"):
            count = partial(lambda field: sum(getattr(member, field) for member in rendered.values()), state)
            self._metrics.members.labels(state).set_function(count)
        for reason in REASONS:
            self._metrics.guard_held.labels(reason).set_function(partial(lambda known: self._held_by == known, reason))

    def _tell(self, change: Change, published: Publication) -> None:
        for error in published.errors:
            log.error("file not written", path=error.path, reason=error.message)
        log.info(
            "published",
            generation=published.generation,
            members=len(self._pipeline.rendered),
            joined=_names(change.joined),
            left=_names(change.left),
            updated=len(change.updated),
            outcomes=[outcome.value for outcome in published.outcomes],
        )


def _nothing() -> None:
    pass


def _names(members: Iterable[Member]) -> list[str]:
    names = [member.name or member.address for member in members]
    rest = len(names) - NAMES_LOGGED
    return [*names[:NAMES_LOGGED], f"and {rest} more"] if rest > 0 else names
