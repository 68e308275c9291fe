"""DNS as a source: poll, believe, report.

DNS has no watch, hence a poll as often as the records' TTL allows. The loop knows neither the wire (``resolver``), nor
which questions there are (``inquiry``), nor when an answer is the truth (``belief``). Each poll says one of two things:

- All questions were answered and believed: ``Listed``, even if nothing changed.
- Not all were: ``Failed`` with the reason, after ``Applied`` for what another question, of the other address family,
  did bring. What failed keeps its members.

DNS has no resource_version either: an answer of a server that is behind cannot be told from news.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import structlog

from sidecar.backoff import Backoff
from sidecar.membership.events import Applied, Failed, Listed
from sidecar.sources.dns.confirmation import ConfirmationPolicy, ConfirmedRecords, missing
from sidecar.sources.dns.query import ServiceQuery
from sidecar.sources.dns.records import Absent, Answered, Unknown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

    from sidecar.membership.events import Event, Report
    from sidecar.observability.metrics import Metrics
    from sidecar.sources.dns.query import Asks
    from sidecar.sources.dns.records import Outcome, Wanted

log = structlog.get_logger(__name__)


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in seconds."""

    shortest: float = 2.0
    """Between two polls, whatever the TTL: a TTL of 0 must not spin."""
    longest: float = 30.0
    """Kubeadm's TTL; a longer one would be a longer lie."""
    jitter: float = 0.2
    """Of the wait, added at random, so that a fleet does not poll in step."""
    retry: float = 1.0
    retry_cap: float = 15.0
    """The wait after a failure grows from the one to the other (with jitter, twice that): no rarer than good polls."""


class Dns:
    """A source that polls DNS for the addresses of a Service.

    Args:
        resolver: asks DNS; may be shared.
        wanted: says whose addresses.
        metrics: where to count.
        clock: monotonic seconds.
        jitter: a random number in [0, 1).
        timing: the durations.
        confirmation: what it takes to believe that nobody is there.
    """

    def __init__(
        self,
        resolver: Asks,
        wanted: Wanted,
        *,
        metrics: Metrics,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        timing: Timing | None = None,
        confirmation: ConfirmationPolicy | None = None,
    ) -> None:
        self.scope = f"dns/{wanted.namespace}/{wanted.service}"
        self.active_at = clock()
        """When it last did anything at all, retries included: for liveness."""
        self._wanted = wanted
        self._inquiry = ServiceQuery(resolver, wanted)
        self._belief = ConfirmedRecords(self._inquiry.questions, confirmation or ConfirmationPolicy())
        self._timing = timing = timing or Timing()
        self._backoff = Backoff(clock=clock, jitter=jitter, initial=timing.retry, cap=timing.retry_cap)
        self._metrics = metrics
        self._clock = clock
        self._jitter = jitter
        self._reports: dict[str, Report] = {}
        self._listed = False
        self._failing = False

    def confirm(self) -> None:
        """See ``sources``: nothing to do, each poll is a complete answer."""

    async def events(self) -> AsyncIterator[Event]:
        """See ``sources``: never ends."""
        while True:
            self.active_at = self._clock()
            outcomes = await self._inquiry.ask()
            self.active_at = arrived = self._clock()
            doubt = self._belief.take(outcomes, arrived)
            for event in self._report(outcomes, doubt, arrived):
                yield event
            delay = self._delay(outcomes.values(), doubt)
            if doubt:
                log.warning("source failing", source=self.scope, reason=doubt.message, retry_seconds=round(delay, 3))
            await asyncio.sleep(delay)

    def _report(self, outcomes: Mapping[str, Outcome], doubt: Unknown | None, arrived: float) -> Iterator[Event]:
        changed = self._update_reports(outcomes)
        if doubt is None:
            self._recovered()
            self._heard("LISTED")
            self._listed = True
            yield Listed(scope=self.scope, reports=tuple(self._reports.values()), resource_version="", arrived=arrived)
            return
        if self._listed:
            for report in changed:
                self._heard("MODIFIED")
                yield Applied(scope=self.scope, report=report, resource_version="", arrived=arrived)
        self._failing = True
        self._metrics.source_up.labels(self.scope).set(0)
        yield Failed(scope=self.scope, reason=doubt.reason, message=doubt.message)

    def _update_reports(self, outcomes: Mapping[str, Outcome]) -> list[Report]:
        """Bring the reports up to date and return those that changed; the others stay the same objects."""
        nobody = not any(self._belief.records.values())
        changed = []
        for question, outcome in outcomes.items():
            records = self._belief.records[question]
            if records is None or isinstance(outcome, Unknown):
                continue
            origin = f"{self.scope}/{question}"
            warning = missing(outcome) if nobody and isinstance(outcome, Absent) else ""
            report = self._wanted.report(origin, records, warning)
            if report != self._reports.get(origin):
                self._reports[origin] = report
                changed.append(report)
        return changed

    def _heard(self, kind: str) -> None:
        self._metrics.events.labels(self.scope, kind).inc()
        self._metrics.last_sync.labels(self.scope).set_to_current_time()

    def _recovered(self) -> None:
        self._metrics.source_up.labels(self.scope).set(1)
        if self._failing:
            self._failing = False
            self._backoff.reset()
            log.info("source answers", source=self.scope)

    def _delay(self, outcomes: Iterable[Outcome], doubt: Unknown | None) -> float:
        """Seconds until the next poll: what the TTL allows, or after a failure the backoff."""
        if doubt is not None and doubt.reason != "absent":
            return self._backoff.delay()
        timing = self._timing
        ttl = min((outcome.ttl for outcome in outcomes if isinstance(outcome, Answered | Absent)), default=0.0)
        return min(max(ttl, timing.shortest), timing.longest) * (1 + timing.jitter * self._jitter())
