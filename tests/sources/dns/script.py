"""A scripted resolver, and a source that polls it in virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from sidecar.membership.events import Applied, Listed
from sidecar.observability.metrics import Metrics
from sidecar.sources.dns.records import Absent, Answered, Outcome, Record, Unknown, Wanted
from sidecar.sources.dns.source import Dns
from tests.support.builders import following

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sidecar.membership.events import Event

ZONE = ".cluster.local."
SERVICE = "web.default.svc"
PORT = "_http._tcp.web.default.svc"
GONE = Absent(name=SERVICE + ZONE, code="NXDOMAIN", ttl=5.0)
NODATA = Absent(name=SERVICE + ZONE, code="NODATA", ttl=5.0)
AWAY = Unknown(reason="timeout", message="Nobody answers.")


class Asked(NamedTuple):
    """A question, and when."""

    at: float
    name: str
    kind: str


class Script:
    """A resolver that answers each question with the next of its outcomes, and then with the last for ever."""

    def __init__(self, outcomes: dict[tuple[str, str], Sequence[Outcome]], *, late: float = 0.0) -> None:
        self.asked: list[Asked] = []
        self.asking = 0
        self._outcomes = {question: list(sequence) for question, sequence in outcomes.items()}
        self._late = late

    async def ask(self, name: str, kind: str, *, once: bool = False) -> Outcome:
        """The whole response."""
        assert once is (kind == "PTR")
        self.asked.append(Asked(asyncio.get_running_loop().time(), name, kind))
        self.asking += 1
        try:
            await asyncio.sleep(self._late)
        finally:
            self.asking -= 1
        rest = self._outcomes.get((name, kind), [Absent(name=name, code="NXDOMAIN", ttl=5.0)])
        return rest.pop(0) if len(rest) > 1 else rest[0]

    def times(self, kind: str) -> list[float]:
        """When a type was asked for."""
        return [round(asked.at, 3) for asked in self.asked if asked.kind == kind]

    @property
    def questions(self) -> list[tuple[str, str]]:
        """All, without the times."""
        return [(asked.name, asked.kind) for asked in self.asked]


def addresses(*values: str, ttl: float = 5.0) -> Answered:
    """An answer with these."""
    records = tuple(sorted(Record(value, (value,)) for value in values))
    return Answered(name=SERVICE + ZONE, records=records, ttl=ttl)


def targets(*records: Record) -> Answered:
    """An answer to the question for the port."""
    return Answered(name=PORT + ZONE, records=tuple(sorted(records)), ttl=5.0)


def names(*values: str) -> Answered:
    """An answer to a reverse question."""
    return Answered(name="x", records=tuple(Record(value, ()) for value in values), ttl=5.0)


def script(*outcomes: Outcome, v6: Sequence[Outcome] = (NODATA,)) -> Script:
    """Answers to A and AAAA of the Service."""
    return Script({(SERVICE, "A"): outcomes, (SERVICE, "AAAA"): v6})


def poll(
    resolver: Script,
    *,
    port: str = "",
    family: str = "auto",
    metrics: Metrics | None = None,
    jitter: Callable[[], float] = lambda: 0.0,
) -> Dns:
    """A source of the script, without jitter."""
    metrics = metrics or Metrics([])
    wanted = Wanted(service="web", namespace="default", port=port, family=family)
    metrics.expect("dns/default/web")
    return Dns(resolver, wanted, metrics=metrics, clock=asyncio.get_running_loop().time, jitter=jitter)


async def told(source: Dns, seconds: float) -> list[Event]:
    """What it reports in that time."""
    async with following(source) as seen:
        await asyncio.sleep(seconds)
    return seen.events


def who(event: Event) -> set[str]:
    """The addresses in an event."""
    match event:
        case Listed():
            return {member.address for report in event.reports for member in report.members.values()}
        case Applied():
            return {member.address for member in event.report.members.values()}
        case _:
            raise AssertionError(event)
