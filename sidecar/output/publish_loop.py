"""The loop that publishes: feeds the pipeline, waits until something is due, and has it written.

One task publishes. The newest set wins: while a publication is on its way to the disk, or waits for quiet, further
events only change what the next one will hold. *When* is decided in ``schedule``, ``policy.guards`` and ``outputs``,
which are pure; what is shown is the business of ``observer``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from sidecar.errors import StartTimeoutError
from sidecar.membership.events import Failed, Recovered
from sidecar.membership.policy.timing import NEVER, Hold
from sidecar.output.outputs import Outputs
from sidecar.output.publication import Outcome
from sidecar.output.schedule import VERIFY_SECONDS, plan
from sidecar.output.situation import Replicas, situation
from sidecar.output.waiting import Waiting
from sidecar.output.writer import Writer
from sidecar.wakeup import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from sidecar.backoff import Backoff
    from sidecar.membership.events import Event
    from sidecar.membership.policy.guards import Guards
    from sidecar.membership.policy.timing import Pace
    from sidecar.membership.track import Track
    from sidecar.output.observer import Observer
    from sidecar.output.pipeline import Pipeline
    from sidecar.output.publication import Publication
    from sidecar.output.publisher import Publisher
    from sidecar.output.schedule import Step
    from sidecar.output.written import Written


class Demands(msgspec.Struct, frozen=True, kw_only=True):
    """What is demanded of a publication."""

    pace: Pace
    """How changes are collected."""
    guards: Guards
    """What the first publication waits for."""
    write_limit: float = 30.0
    """Seconds after which a write that has not ended is reported: memory answers in microseconds, a disk in seconds."""
    once: bool = False
    """Whether this run is about its own first publication, whatever a predecessor has published."""


class PublishLoop:
    """The loop.

    Args:
        pipeline: what to publish.
        publisher: where to.
        written: who is in the files.
        demands: when.
        observer: what is shown.
        backoff: makes the backoff after a failed write.
        clock: seconds of the event loop's clock.
        executor: writes, one publication at a time: a thread of its own.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        publisher: Publisher,
        written: Written,
        *,
        demands: Demands,
        observer: Observer,
        backoff: Callable[[], Backoff],
        clock: Callable[[], float],
        executor: Executor,
    ) -> None:
        self.confirm: Callable[[], None] = lambda: None
        """Called when an answer is hard to believe, to have the source asked again."""
        self.hold: Hold | None = None
        """Why the newest set is not published; None if nothing is in its way."""
        self.published = publisher.complete
        """Whether every output has a complete content, a predecessor's included."""
        self.first_publication = asyncio.Event()
        """Set when this run has published to every output."""
        self.outputs = Outputs(publisher.paths, backoff)
        self.written = written
        self.writer = Writer(publisher, executor, clock=clock, limit=demands.write_limit, stuck=observer.stuck)
        self._pipeline = pipeline
        self._publisher = publisher
        self._demands = demands
        self._observer = observer
        self._clock = clock
        self._started = clock()
        self._published_at = self._verify_at = -NEVER
        self._rendered = False
        self._replicas = Replicas()
        self._waiting = Waiting()
        self._changed = asyncio.Event()
        observer.measure_holds(lambda: self.held_by)
        observer.measure_predecessor(publisher.written(), publisher.checkpoint.generation)

    def take(self, event: Event) -> None:
        """Feed the pipeline."""
        self._pipeline.take(event)
        if self.hold or not isinstance(event, (Failed, Recovered)):
            self._changed.set()  # why nothing is published is shown with the newest reason

    def want(self, replicas: int) -> None:
        """There should be so many *replicas*."""
        self._replicas.desired = replicas
        self._changed.set()

    def replicas_unknown(self, reason: str) -> None:
        """How many there should be is not known, for this *reason*."""
        self._replicas.unknown = reason
        self._changed.set()

    def activate(self, track: Track) -> None:
        """Use *track* from now on."""
        self._pipeline.activate(track, self._clock())
        self._changed.set()

    def verify(self) -> None:
        """Look now whether the files are still what was written."""
        if self._rendered:
            self._verify_at = -NEVER
            self._changed.set()

    @property
    def held_by(self) -> str:
        """The reason why the files do not hold the newest set, one of ``guards.REASONS``; empty if they do."""
        if self.writer.stuck_seconds:
            return "write"
        return self.hold.reason if self.hold else ""

    @property
    def waiting_for(self) -> str:
        """The same in words."""
        if self.writer.stuck_seconds:
            return f"a write has not ended for {self.writer.stuck_seconds:.0f} s: the volume does not answer"
        return self.hold.message if self.hold else ""

    async def publish_forever(self) -> None:
        """Publish whenever something is due.

        Raises:
            StartTimeoutError: if the first publication is not possible within its time.
        """
        now = self._clock()
        while True:
            step = self._plan(now)
            if step.at <= now:
                await self._act(step, now)
                now = self._clock()
            else:
                now = await wait_for(self._changed, step.at, self._clock)
                self._changed.clear()

    def _plan(self, now: float) -> Step:
        """What to do next, and when."""
        pending = self._pipeline.pending(now)
        now_is = situation(
            self._pipeline, self._replicas, started=self._started, published=self.published, shrink=pending.hold
        )
        self._note(self._demands.guards.verdict(now_is, now), now)
        step = plan(
            pending,
            self.hold,
            self._demands.pace,
            now=now,
            published_at=self._published_at,
            first=not self._rendered,
            retry_at=min(self.outputs.retry_at, self._verify_at + VERIFY_SECONDS) if self._rendered else NEVER,
        )
        if step.at <= now:
            return step
        return step._replace(at=min(step.at, self._waiting.next_at, self._last_attempt(now)))

    def _note(self, hold: Hold | None, now: float) -> None:
        """Take in what holds the newest set back."""
        before, self.hold = self.hold, hold
        if hold and hold.reason == "shrink" and not (before and before.reason == "shrink"):
            self.confirm()
        if hold and hold.over:
            raise StartTimeoutError(hold.message)
        if self._waiting.is_due(hold, now) and hold:
            self._observer.waiting(hold, now)
        late = now >= self._started + self._demands.guards.start_timeout
        if before and hold is None and late and not self._rendered and not self.published:
            self._observer.gave_up_waiting(before.message)

    def _last_attempt(self, now: float) -> float:
        """When to give up on files that cannot be written; infinity if they can, or somebody has published before."""
        guards = self._demands.guards
        needless = self.first_publication.is_set() or (self.published and not self._demands.once)
        if needless or not self.outputs.errors or guards.start_outcome == "wait":
            return NEVER
        limit = self._started + guards.start_timeout
        if now >= limit:
            why = " ".join(error.message for error in self.outputs.errors)
            raise StartTimeoutError(f"The first files could not be written within --start-timeout: {why}")
        return limit

    async def _act(self, step: Step, now: float) -> None:
        """Render what is due, and write it to the outputs that are not waiting for a retry."""
        if step.render:
            self._rendered = True
            self.written.note_rendered(self._pipeline.render(now, leaves=step.leaves), step.since)
        verify = not step.render and now >= self._verify_at + VERIFY_SECONDS
        tried = self.outputs.due(now, healthy=step.render or verify)
        if step.render or verify:
            self._verify_at = now
        if tried:
            self._take(await self.writer.write(self._pipeline, tried, again=not step.render), again=not step.render)

    def _take(self, published: Publication, *, again: bool) -> None:
        """Note and show what became of a publication."""
        now = self._clock()
        healthy = {output.path for output in self.outputs.all if not output.error}
        recovered = [output.path for output in self.outputs.take(published, now)]
        outcomes = dict(zip(self._publisher.paths, published.outcomes, strict=True))
        self._observer.publication(published, again=again)
        self._observer.failures(
            (output.path, output.error, output.retry_at - now)
            for output in self.outputs.all
            if output.error and outcomes[output.path] is Outcome.ERROR
        )
        self._observer.recovered(recovered)
        if again:
            self._observer.restored(path for path in healthy if outcomes[path] is Outcome.WRITTEN)
        succeeded = any(outcome in {Outcome.WRITTEN, Outcome.UNCHANGED} for outcome in published.outcomes)
        if succeeded and (not again or recovered):
            self._published_at = now
            self._observer.published(self.written.confirm(), published, now)
        if not self.outputs.errors:
            self.published = True
            self.first_publication.set()
