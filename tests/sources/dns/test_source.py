"""DNS as a source: what is asked, how often, and what is reported; in virtual time against scripted outcomes.

That the wire becomes these outcomes is in test_dns_resolver, when they are believed in test_dns_belief, that CoreDNS
behaves as the script does in tests/real/test_dns.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import pytest

from sidecar.membership.events import Applied, Failed, Listed
from sidecar.observability.metrics import Metrics
from sidecar.sources.dns.names import dashed
from sidecar.sources.dns.records import Absent, Answered, Outcome, Record, Unknown, Wanted
from sidecar.sources.dns.source import Dns
from tests.support.builders import following

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sidecar.membership.events import Event

pytestmark = pytest.mark.looptime

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
        """As ``Resolver.ask``."""
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


# --- what is asked


@pytest.mark.parametrize(
    ("family", "kinds"), [("auto", ["A", "AAAA"]), ("ipv4", ["A"]), ("ipv6", ["AAAA"])], ids=["auto", "ipv4", "ipv6"]
)
async def test_only_the_wanted_family_is_asked_for(family: str, kinds: list[str]) -> None:
    """Both at the same time."""
    resolver = script(addresses("10.0.0.1", "10.0.0.2"), v6=[addresses("fd00::1", "fd00::2")])
    (listed,) = await told(poll(resolver, port="8080", family=family), 1)
    assert resolver.questions == [(SERVICE, kind) for kind in kinds]
    assert {asked.at for asked in resolver.asked} == {0.0}
    assert isinstance(listed, Listed)
    assert [report.origin for report in listed.reports] == [f"dns/default/web/{kind}" for kind in kinds]
    assert listed.resource_version == ""


async def test_a_named_port_is_asked_for_as_srv_alone() -> None:
    """If the addresses come with it."""
    resolver = Script({(PORT, "SRV"): [targets(Record(f"web-0.{SERVICE}{ZONE}", ("10.0.0.1",), 8080))]})
    (listed,) = await told(poll(resolver, port="http"), 1)
    assert resolver.questions == [(PORT, "SRV")]
    assert isinstance(listed, Listed)
    (member,) = listed.reports[0].members.values()
    assert (member.name, member.address, member.port) == ("web-0", "10.0.0.1", 8080)


async def test_targets_without_addresses_are_found_by_the_services_own_or_one_by_one() -> None:
    """One question for those that are made of an address, one more for a hostname."""
    bare = [Record(f"{label}.{SERVICE}{ZONE}", (), 8080) for label in ("10-0-0-1", "fd00--1", "web-0")]
    resolver = Script(
        {
            (PORT, "SRV"): [targets(*bare)],
            (SERVICE, "A"): [addresses("10.0.0.1", "10.0.0.2")],
            (SERVICE, "AAAA"): [addresses("fd00::1", "fd00::2")],
            (bare[2].value, "A"): [addresses("10.0.0.2")],
            (bare[2].value, "AAAA"): [addresses("fd00::2")],
        }
    )
    (listed,) = await told(poll(resolver, port="http"), 1)
    assert isinstance(listed, Listed)
    members = listed.reports[0].members.values()
    assert sorted((member.name, member.addresses) for member in members) == [
        ("", ("10.0.0.1",)),
        ("", ("fd00::1",)),
        ("web-0", ("10.0.0.2", "fd00::2")),
    ]
    assert resolver.questions[1:3] == [(SERVICE, "A"), (SERVICE, "AAAA")]
    assert resolver.questions[3:] == [(bare[2].value, "A"), (bare[2].value, "AAAA")]


async def test_a_target_of_the_other_family_is_no_member() -> None:
    """It is there, but has no address that was asked for."""
    bare = [Record(f"{label}.{SERVICE}{ZONE}", (), 8080) for label in ("10-0-0-1", "fd00--1")]
    outcomes: dict[tuple[str, str], Sequence[Outcome]] = {
        (PORT, "SRV"): [targets(*bare)],
        (SERVICE, "A"): [addresses("10.0.0.1")],
        (bare[1].value, "A"): [NODATA],
    }
    (listed,) = await told(poll(Script(outcomes), port="http", family="ipv4"), 1)
    assert who(listed) == {"10.0.0.1"}


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(AWAY, "timeout"), (Absent(name="x", code="NXDOMAIN", ttl=5.0), "malformed")],
    ids=["unknown", "not there"],
)
async def test_a_target_without_an_answer_makes_all_of_it_none(outcome: Outcome, reason: str) -> None:
    """A part of the members is no answer."""
    bare = [Record(f"web-{number}.{SERVICE}{ZONE}", (), 8080) for number in range(40)]
    resolver = Script(
        {
            (PORT, "SRV"): [targets(*bare)],
            (SERVICE, "A"): [addresses("10.0.0.1")],
            **{(record.value, "A"): [addresses("10.0.0.1")] for record in bare},
            (bare[3].value, "A"): [outcome],
        }
    )
    events = await told(poll(resolver, port="http", family="ipv4"), 0.5)
    assert [type(event) for event in events] == [Failed]
    assert isinstance(events[0], Failed)
    assert events[0].reason == reason
    assert len(resolver.asked) < len(bare)  # it does not go on asking


async def test_a_port_that_the_service_does_not_have_is_named() -> None:
    """It has addresses; nobody left."""
    resolver = script(addresses("10.0.0.1"))
    events = await told(poll(resolver, port="http", family="ipv4"), 60)
    assert {type(event) for event in events} == {Failed}
    assert isinstance(events[0], Failed)
    assert events[0].reason == "no_port"
    assert "no port named 'http' for TCP (_http._tcp.web.default.svc is NXDOMAIN): correct --port" in events[0].message


async def test_a_service_that_is_not_there_is_told_by_its_own_name() -> None:
    """Not by that of the port."""
    events = await told(poll(script(GONE, v6=[GONE]), port="http"), 1)
    assert isinstance(events[0], Failed)
    assert events[0].reason == "absent"
    assert "There is no web.default.svc.cluster.local. in DNS (NXDOMAIN)" in events[0].message


# --- the address of a Service


def with_reverse(address: str, *reverse: Outcome) -> Script:
    """A Service with one address, and the answers to its reverse question."""
    pointer = ".".join(reversed(address.split("."))) + ".in-addr.arpa."
    return Script({(SERVICE, "A"): [addresses(address)], (pointer, "PTR"): reverse})


@pytest.mark.parametrize("other", [(), (f"10-0-0-9.other{ZONE}",)], ids=["alone", "among others"])
async def test_a_cluster_ip_is_no_member(other: tuple[str, ...]) -> None:
    """Its reverse name is the Service's own."""
    resolver = with_reverse("10.0.0.9", names(*other, SERVICE + ZONE))
    events = await told(poll(resolver, family="ipv4"), 60)
    assert {type(event) for event in events} == {Failed}
    assert isinstance(events[0], Failed)
    assert events[0].reason == "not_headless"
    assert "(10.0.0.9), not those of its members: the Service is not headless." in events[0].message


async def test_a_cluster_ip_as_the_target_of_a_port_is_no_member() -> None:
    """Its target is the Service itself."""
    resolver = Script({(PORT, "SRV"): [targets(Record(SERVICE + ZONE, ("10.0.0.9",), 8080))]})
    events = await told(poll(resolver, port="http"), 1)
    assert isinstance(events[0], Failed)
    assert events[0].reason == "not_headless"


@pytest.mark.parametrize(
    ("reverse", "asked"),
    [
        pytest.param(names(f"{dashed('10.0.0.1')}.{SERVICE}{ZONE}"), 1, id="an endpoint of it"),
        pytest.param(names(f"web-0.{SERVICE}{ZONE}"), 1, id="with a hostname"),
        pytest.param(Absent(name="x", code="NXDOMAIN", ttl=5.0), 1, id="without a reverse name"),
        pytest.param(AWAY, 3, id="nobody knows yet"),
    ],
)
async def test_a_single_pod_is_a_member(reverse: Outcome, asked: int) -> None:
    """What is known is not asked for again."""
    resolver = with_reverse("10.0.0.1", reverse)
    events = await told(poll(resolver, family="ipv4"), 12)
    assert [who(event) for event in events] == [{"10.0.0.1"}] * 3
    assert len(resolver.times("PTR")) == asked


# --- how often


@pytest.mark.parametrize(
    ("ttl", "rolled", "wait"),
    [
        pytest.param(0.0, 0.0, 2.0, id="a TTL of 0 does not spin"),
        pytest.param(5.0, 0.0, 5.0, id="TTL"),
        pytest.param(5.0, 0.5, 5.5, id="jitter"),
        pytest.param(3600.0, 0.0, 30.0, id="a long TTL is not waited for"),
    ],
)
async def test_polls_follow_the_ttl_within_limits(ttl: float, rolled: float, wait: float) -> None:
    """With up to a fifth of jitter."""
    resolver = script(addresses("10.0.0.1", "10.0.0.2", ttl=ttl))
    await told(poll(resolver, family="ipv4", jitter=lambda: rolled), 2.5 * wait)
    assert resolver.times("A") == pytest.approx([0.0, wait, 2 * wait])


async def test_the_shortest_ttl_of_all_answers_counts() -> None:
    """The family that changes first."""
    resolver = script(addresses("10.0.0.1", "10.0.0.2", ttl=20.0), v6=[NODATA])
    await told(poll(resolver), 12)
    assert resolver.times("A") == [0.0, 5.0, 10.0]


async def test_failures_are_repeated_with_backoff_which_an_answer_ends() -> None:
    """Up to 15 s, no rarer than good polls; then from the beginning."""
    resolver = script(*[AWAY] * 7, addresses("10.0.0.1", "10.0.0.2"), AWAY, AWAY, addresses("10.0.0.1", "10.0.0.2"))
    events = await told(poll(resolver, family="ipv4"), 70)
    waits = [after - before for before, after in pairwise(resolver.times("A"))]
    assert waits[:10] == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0, 5.0, 1.0, 2.0]
    assert [type(event).__name__ for event in events[6:11]] == ["Failed", "Listed", "Failed", "Failed", "Listed"]


# --- what is reported


async def test_nothing_is_listed_until_all_families_are_known() -> None:
    """IPv6 would be a part of the truth."""
    resolver = script(AWAY, AWAY, addresses("10.0.0.1", "10.0.0.2"), v6=[addresses("fd00::1", "fd00::2")])
    events = await told(poll(resolver), 5)
    assert [type(event).__name__ for event in events] == ["Failed", "Failed", "Listed"]
    assert who(events[2]) == {"10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"}


async def test_one_family_failing_does_not_hold_the_news_of_the_other() -> None:
    """And keeps its own members."""
    resolver = script(
        addresses("10.0.0.1", "10.0.0.2"),
        addresses("10.0.0.1", "10.0.0.3"),
        v6=[addresses("fd00::1", "fd00::2"), AWAY],
    )
    async with following(poll(resolver)) as seen:
        await asyncio.sleep(5.5)
    assert seen.kinds == ["Listed", "Applied", "Failed"]
    assert seen.reports["dns/default/web/A"].members.keys() == {
        "default\0web\x0010.0.0.1\0",
        "default\0web\x0010.0.0.3\0",
    }
    assert len(seen.reports["dns/default/web/AAAA"].members) == 2


async def test_unchanged_groups_stay_the_same_objects() -> None:
    """A poll without news costs nobody anything."""
    first, second, *_ = await told(poll(script(addresses("10.0.0.1", "10.0.0.2"))), 6)
    assert isinstance(first, Listed)
    assert isinstance(second, Listed)
    assert all(before is after for before, after in zip(first.reports, second.reports, strict=True))


async def test_the_last_member_leaves_when_three_answers_say_so() -> None:
    """Two failures, which keep the set, and an empty set, which says what that may mean."""
    events = await told(poll(script(addresses("10.0.0.1", "10.0.0.2"), GONE, v6=[NODATA])), 22)
    assert [type(event).__name__ for event in events[:4]] == ["Listed", "Failed", "Failed", "Listed"]
    assert isinstance(events[1], Failed)
    assert events[1].reason == "absent"
    assert "is gone (NXDOMAIN)" in events[1].message
    assert "until 3 answers in a row confirm it; this is number 1." in events[1].message
    assert isinstance(events[3], Listed)
    assert who(events[3]) == set()
    assert "There is no web.default.svc.cluster.local. in DNS" in events[3].reports[0].warning


async def test_a_name_that_never_was_is_not_an_empty_set_at_once() -> None:
    """It is one when it is certain; whether that may be published is decided elsewhere."""
    events = await told(poll(script(GONE, v6=[GONE])), 12)
    assert [type(event).__name__ for event in events] == ["Failed", "Failed", "Listed"]
    assert isinstance(events[0], Failed)
    assert "is misspelt or has no ready pod" in events[0].message
    assert who(events[2]) == set()


async def test_a_failure_changes_no_group_that_was_empty() -> None:
    """Not even its warning."""
    events = await told(poll(script(GONE, GONE, GONE, AWAY, v6=[GONE])), 16)
    assert [type(event).__name__ for event in events] == ["Failed", "Failed", "Listed", "Failed"]


async def test_the_warning_of_an_empty_set_ends_with_it() -> None:
    """In either family."""
    resolver = script(GONE, GONE, GONE, addresses("10.0.0.1", "10.0.0.2"), v6=[GONE, GONE, GONE, NODATA])
    events = await told(poll(resolver), 17)
    assert isinstance(events[-1], Listed)
    assert [report.warning for report in events[-1].reports] == ["", ""]


async def test_metrics_tell_of_answers_and_failures() -> None:
    """Up, down, and when it was last heard of."""
    metrics = Metrics([])
    resolver = script(addresses("10.0.0.1", "10.0.0.2"), AWAY)
    async with following(poll(resolver, family="ipv4", metrics=metrics)):
        await asyncio.sleep(1)
        up = metrics.registry.get_sample_value("membership_source_up", {"source": "dns/default/web"})
        await asyncio.sleep(5)
        down = metrics.registry.get_sample_value("membership_source_up", {"source": "dns/default/web"})
    labels = {"source": "dns/default/web", "type": "LISTED"}
    assert (up, down) == (1.0, 0.0)
    assert metrics.registry.get_sample_value("membership_watch_events_total", labels) == 1.0
    assert metrics.registry.get_sample_value("membership_last_sync_timestamp_seconds", {"source": "dns/default/web"})


async def test_progress_is_seen_while_nobody_answers() -> None:
    """It lives as long as it tries."""
    source = poll(script(AWAY), family="ipv4")
    async with following(source):
        for _ in range(10):
            await asyncio.sleep(20)
            assert asyncio.get_running_loop().time() - source.active_at <= 15.0


async def test_it_can_be_cancelled_while_it_asks() -> None:
    """And leaves no question behind."""
    resolver = Script({(SERVICE, "A"): [AWAY], (SERVICE, "AAAA"): [AWAY]}, late=100.0)
    async with following(poll(resolver)) as seen:
        await asyncio.sleep(1)
        assert resolver.asking == 2
    assert resolver.asking == 0
    assert seen.events == []
