"""DNS as a source: poll, confirm, report.

DNS has no watch, hence it is polled as often as the records' TTL allows. The loop knows neither the wire
(``resolver``), nor which questions there are (``query``), nor when an answer is accepted (``confirmation``). Each poll
reports one of these:

- All questions were answered, and the answers are accepted: ``Listed``, even if nothing changed.
- Otherwise ``Failed`` with the reason, after ``Applied`` for what an answered question about the other address family
  brought. A question that failed keeps its members.

DNS has no resourceVersion either: the answer of a server that is behind cannot be told from a newer one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import structlog

from sidecar.backoff import Backoff
from sidecar.membership.events import Applied, Listed
from sidecar.sources.dns.confirmation import ConfirmationPolicy, ConfirmedRecords, missing
from sidecar.sources.dns.query import ServiceQuery
from sidecar.sources.dns.records import Absent, Answered, Unknown
from sidecar.sources.health import Health

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
    """Between two polls, whatever the TTL: a TTL of 0 must not cause a busy loop."""
    longest: float = 30.0
    """Between two polls, whatever the TTL: kubeadm's TTL. A longer one would only make the members more stale."""
    jitter: float = 0.2
    """The part of the wait that is added at random, so that a fleet does not poll in step."""
    retry: float = 1.0
    retry_cap: float = 15.0
    """The wait after a failure grows from the one to the other (with jitter, twice that): no rarer than good polls."""


class Dns:
    """A source that polls DNS for the addresses of a Service.

    Args:
        resolver: asks DNS; may be shared.
        wanted: which addresses.
        metrics: where to count.
        clock: monotonic seconds.
        jitter: a random number in [0, 1).
        timing: the durations.
        confirmation: what it takes to accept that there are no members.
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
        self._wanted = wanted
        self._query = ServiceQuery(resolver, wanted)
        self._confirmed = ConfirmedRecords(self._query.questions, confirmation or ConfirmationPolicy())
        self._timing = timing = timing or Timing()
        self._backoff = Backoff(clock=clock, jitter=jitter, initial=timing.retry, cap=timing.retry_cap)
        self._health = Health(self.scope, metrics, clock)
        self._clock = clock
        self._jitter = jitter
        self._reports: dict[str, Report] = {}
        self._listed = False

    @property
    def active_at(self) -> float:
        """See ``sources``."""
        return self._health.active_at

    @property
    def heard_at(self) -> float:
        """See ``sources``."""
        return self._health.heard_at

    def confirm(self) -> None:
        """See ``sources``: there is nothing to do, because each poll is a complete answer.

        To poll before the TTL is over would only get a cache's copy of the answer that is doubted.
        """

    async def events(self) -> AsyncIterator[Event]:
        """See ``sources``: never ends."""
        while True:
            self._health.tried()
            outcomes = await self._query.ask()
            self._health.tried()
            arrived = self._clock()
            doubt = self._confirmed.take(outcomes, arrived)
            for event in self._report(outcomes, doubt, arrived):
                yield event
            delay = self._delay(outcomes.values(), doubt)
            if doubt:
                log.warning("source failing", source=self.scope, reason=doubt.message, retry_seconds=round(delay, 3))
            await asyncio.sleep(delay)

    def _report(self, outcomes: Mapping[str, Outcome], doubt: Unknown | None, arrived: float) -> Iterator[Event]:
        changed = self._update_reports(outcomes)
        if doubt is None:
            if self._health.failing:
                self._backoff.reset()
            self._health.recovered()
            self._health.received("LISTED")
            self._listed = True
            yield Listed(scope=self.scope, reports=tuple(self._reports.values()), resource_version="", arrived=arrived)
            return
        if self._listed:
            for report in changed:
                self._health.received("MODIFIED")
                yield Applied(scope=self.scope, report=report, resource_version="", arrived=arrived)
        yield self._health.failed(doubt.reason, doubt.message)

    def _update_reports(self, outcomes: Mapping[str, Outcome]) -> list[Report]:
        """Bring the reports up to date and return those that changed; the others stay the same objects."""
        empty = not any(self._confirmed.records.values())
        changed = []
        for question, outcome in outcomes.items():
            records = self._confirmed.records[question]
            if records is None or isinstance(outcome, Unknown):
                continue
            origin = f"{self.scope}/{question}"
            warning = missing(outcome) if empty and isinstance(outcome, Absent) else ""
            report = self._wanted.report(origin, records, warning)
            if report != self._reports.get(origin):
                self._reports[origin] = report
                changed.append(report)
        return changed

    def _delay(self, outcomes: Iterable[Outcome], doubt: Unknown | None) -> float:
        """Seconds until the next poll: what the TTL allows, or the backoff after a failure."""
        if doubt is not None and doubt.reason != "absent":
            return self._backoff.delay()
        timing = self._timing
        ttl = min((outcome.ttl for outcome in outcomes if isinstance(outcome, Answered | Absent)), default=0.0)
        return min(max(ttl, timing.shortest), timing.longest) * (1 + timing.jitter * self._jitter())
