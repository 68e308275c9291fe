"""The pure part of DNS: names, what records say about members, and when an answer is accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.sources.dns.confirmation import ConfirmationPolicy, ConfirmedRecords
from sidecar.sources.dns.names import host_of, port_name, reverse_name, service_name, zone_of
from sidecar.sources.dns.records import Absent, Answered, Outcome, Record, Unknown, Wanted

if TYPE_CHECKING:
    import random

NAME = "web.default.svc.cluster.local."
WANTED = Wanted(service="web", namespace="default", own_addresses=frozenset({"10.0.0.2", "fd00::2"}))

# --- names


def test_names_are_those_of_the_specification() -> None:
    """Relative to the zone."""
    assert service_name("web", "default") == "web.default.svc"
    assert port_name("http", "web", "default") == "_http._tcp.web.default.svc"
    assert reverse_name("10.0.0.1") == "1.0.0.10.in-addr.arpa."
    assert reverse_name("fd00::1") == "1" + ".0" * 27 + ".0.0.d.f.ip6.arpa."


@pytest.mark.parametrize(
    ("search", "zone"),
    [
        pytest.param(["a.svc.corp.example.", "svc.corp.example.", "corp.example."], "corp.example", id="of a pod"),
        pytest.param(["SVC.Cluster.Local"], "cluster.local", id="capitals"),
        pytest.param(["svc.", "example.org"], "cluster.local", id="svc alone"),
        pytest.param([], "cluster.local", id="none"),
    ],
)
def test_the_zone_is_in_the_search_list(search: list[str], zone: str) -> None:
    """After svc."""
    assert zone_of(search) == zone


@pytest.mark.parametrize(
    ("label", "address", "host"),
    [
        ("web-0", "10.0.0.1", "web-0"),
        ("10-0-0-1", "10.0.0.1", ""),
        ("fd00-2--2", "fd00:2::2", ""),
        ("db--1", "10.0.0.1", "db--1"),
        ("10-0-0-1", "10.0.0.2", "10-0-0-1"),
    ],
)
def test_a_label_made_from_the_address_is_not_a_hostname(label: str, address: str, host: str) -> None:
    """Even if another label looks like an address."""
    assert host_of(f"{label}.{NAME}", [address]) == host


# --- members


def address_records(*addresses: str) -> tuple[Record, ...]:
    """A or AAAA records."""
    return tuple(sorted(Record(address, (address,)) for address in addresses))


def test_an_address_is_a_ready_member_without_a_name() -> None:
    """Its port is the given number, and it is self if the address belongs to the sidecar's own pod."""
    members = WANTED.report("o", address_records("10.0.0.1", "10.0.0.2")).members
    told = [(m.name, m.address, m.port, m.ready, m.serving, m.terminating, m.is_self) for m in members.values()]
    assert sorted(told) == [
        ("", "10.0.0.1", None, True, True, False, False),
        ("", "10.0.0.2", None, True, True, False, True),
    ]
    numbered = Wanted(service="web", namespace="default", port="5701").report("o", address_records("10.0.0.1"))
    assert [member.port for member in numbered.members.values()] == [5701]


@pytest.mark.parametrize(("family", "address"), [("auto", "10.0.0.2"), ("ipv4", "10.0.0.2"), ("ipv6", "fd00::2")])
def test_a_hostname_joins_the_addresses_of_both_families(family: str, address: str) -> None:
    """It is the member's name, and the port is the record's."""
    wanted = Wanted(service="web", namespace="default", port="http", family=family)
    report = wanted.report("o", [Record(f"web-0.{NAME}", ("10.0.0.2", "fd00::2"), 8080)])
    (member,) = report.members.values()
    assert (member.name, member.hostname, member.address, member.port) == ("web-0", "web-0", address, 8080)
    assert member.addresses == ("10.0.0.2", "fd00::2")


def test_pods_that_share_a_hostname_are_separate_members() -> None:
    """Each is known by its address, and none is lost."""
    report = WANTED.report("o", [Record(f"same.{NAME}", ("10.0.0.1", "10.0.0.3"), 8080)])
    assert sorted((m.name, m.hostname, m.address) for m in report.members.values()) == [
        ("", "same", "10.0.0.1"),
        ("", "same", "10.0.0.3"),
    ]


def test_of_two_ports_of_one_target_the_lower_one_is_used() -> None:
    """Whatever their order."""
    both = [Record(f"web-0.{NAME}", ("10.0.0.1",), port) for port in (8081, 8080)]
    for records in (both, both[::-1]):
        assert [member.port for member in WANTED.report("o", records).members.values()] == [8080]


def test_a_target_without_a_hostname_is_known_by_its_address() -> None:
    """With the label that CoreDNS makes from it."""
    report = WANTED.report("o", [Record(f"10-0-0-1.{NAME}", ("10.0.0.1",), 8080)])
    assert [(m.name, m.hostname, m.address) for m in report.members.values()] == [("", "", "10.0.0.1")]


_SRV = st.builds(
    Record,
    st.sampled_from([f"web-0.{NAME}", f"web-1.{NAME}", f"10-0-0-1.{NAME}"]),
    st.sampled_from([("10.0.0.1",), ("10.0.0.2", "fd00::2"), ("10.0.0.1", "10.0.0.3")]),
    st.sampled_from([8080, 8081]),
)


@given(st.lists(_SRV, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_the_records_does_not_matter(records: list[Record], jitter: random.Random) -> None:
    """Nor how often a record is repeated."""
    shuffled = records + records[:2]
    jitter.shuffle(shuffled)
    assert WANTED.report("o", shuffled) == WANTED.report("o", records)


# --- When an answer is accepted

A = Answered(name=NAME, records=address_records("10.0.0.1", "10.0.0.2"), ttl=5.0)
GONE = Absent(name=NAME, code="NXDOMAIN", ttl=5.0)
AWAY = Unknown(reason="timeout", message="away")


def taken(*steps: tuple[float, Outcome]) -> tuple[list[bool], object]:
    """After which of the answers to one question there was no doubt, and what is accepted in the end."""
    confirmed = ConfirmedRecords(["A"], ConfirmationPolicy())
    certain = [confirmed.take({"A": outcome}, now) is None for now, outcome in steps]
    return certain, confirmed.records["A"]


def test_records_are_accepted_at_once() -> None:
    """And so is the next set."""
    other = Answered(name=NAME, records=address_records("10.0.0.3"), ttl=5.0)
    assert taken((0, A), (1, other)) == ([True, True], other.records)


@pytest.mark.parametrize("first", [(A,), ()], ids=["after records", "as the first answer"])
def test_an_absence_needs_three_answers_and_the_negative_ttl(first: tuple[Answered, ...]) -> None:
    """Three answers within the time that a cache may repeat the first one are not enough."""
    before = A.records if first else None
    start: list[tuple[float, Outcome]] = [(0.0, outcome) for outcome in first]
    said = [True] * len(first)
    assert taken(*start, (1, GONE), (7, GONE)) == ([*said, False, False], before)
    assert taken(*start, (1, GONE), (3, GONE), (5, GONE), (6, GONE)) == ([*said, *[False] * 4], before)
    assert taken(*start, (1, GONE), (3, GONE), (6.1, GONE), (6.2, GONE)) == ([*said, False, False, True, True], ())


@pytest.mark.parametrize("between", [A, AWAY])
def test_any_other_outcome_restarts_the_count(between: Outcome) -> None:
    """The three answers must come in a row."""
    row = [(10.0 * number, GONE) for number in (1, 2)]
    certain, records = taken((0, A), *row, (30, between), (40, GONE), (50, GONE))
    assert certain[4:] == [False, False]
    assert records == A.records


def test_a_negative_ttl_of_a_day_is_capped() -> None:
    """Some zones have one in their SOA."""
    day = Absent(name=NAME, code="NXDOMAIN", ttl=86_400)
    certain, records = taken((0, A), (1, day), (31, day), (300, day), (302, day))
    assert (certain, records) == ([True, False, False, False, True], ())


def test_a_family_that_the_service_does_not_have_needs_no_confirmation() -> None:
    """An IPv4 cluster answers AAAA with NODATA from the first moment."""
    confirmed = ConfirmedRecords(["A", "AAAA"], ConfirmationPolicy())
    nodata = Absent(name=NAME, code="NODATA", ttl=5.0)
    assert confirmed.take({"A": A, "AAAA": nodata}, 0.0) is None
    assert confirmed.records == {"A": A.records, "AAAA": ()}


def test_a_family_that_had_members_needs_confirmation() -> None:
    """Even while the other one has records."""
    confirmed = ConfirmedRecords(["A", "AAAA"], ConfirmationPolicy())
    both = Answered(name=NAME, records=address_records("fd00::1"), ttl=5.0)
    assert confirmed.take({"A": A, "AAAA": both}, 0.0) is None
    doubt = confirmed.take({"A": A, "AAAA": GONE}, 10.0)
    assert doubt
    assert doubt.reason == "absent"
    assert confirmed.records["AAAA"] == both.records


@pytest.mark.parametrize(
    ("code", "advice"), [("NXDOMAIN", "is misspelt or has no ready pod"), ("NODATA", "check the Service's ipFamilies")]
)
def test_the_message_for_a_first_absence_says_what_to_check(code: str, advice: str) -> None:
    """A name without addresses is a different mistake from a name that does not exist."""
    doubt = ConfirmedRecords(["A"], ConfirmationPolicy()).take({"A": Absent(name=NAME, code=code, ttl=5.0)}, 0.0)
    assert doubt
    assert doubt.reason == "absent"
    assert NAME in doubt.message
    assert advice in doubt.message


def test_a_failure_is_reported_before_an_absence() -> None:
    """It explains more."""
    confirmed = ConfirmedRecords(["A", "AAAA"], ConfirmationPolicy())
    assert confirmed.take({"A": GONE, "AAAA": AWAY}, 0.0) == AWAY
    assert not confirmed.complete


_OUTCOMES = st.one_of(
    st.builds(
        Answered,
        name=st.just(NAME),
        records=st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3"]), min_size=1, unique=True).map(
            lambda addresses: address_records(*addresses)
        ),
        ttl=st.sampled_from([0.0, 5.0, 30.0]),
    ),
    st.builds(Absent, name=st.just(NAME), code=st.just("NXDOMAIN"), ttl=st.sampled_from([0.0, 5.0, 30.0, 900.0])),
    st.just(AWAY),
)
_HISTORY = st.lists(st.tuples(st.sampled_from([0.5, 2.0, 5.0, 30.0]), _OUTCOMES), max_size=12)


@given(_HISTORY)
def test_an_empty_set_is_always_confirmed(history: list[tuple[float, Outcome]]) -> None:
    """Whatever came before: the last three answers were absences, and no cache can still repeat the first of them."""
    confirmed, now = ConfirmedRecords(["A"], ConfirmationPolicy()), 0.0
    row: list[tuple[float, Absent]] = []
    for wait, outcome in history:
        now += wait
        before = confirmed.records["A"]
        confirmed.take({"A": outcome}, now)
        row = [*row, (now, outcome)] if isinstance(outcome, Absent) else []
        if confirmed.records["A"] == () and before != ():
            assert len(row) >= 3
            assert now > row[0][0] + min(row[0][1].ttl, 300)
        if isinstance(outcome, Unknown):
            assert confirmed.records["A"] == before
        if isinstance(outcome, Answered):
            assert confirmed.records["A"] == outcome.records


@given(_HISTORY)
def test_every_lasting_absence_is_confirmed_in_the_end(history: list[tuple[float, Outcome]]) -> None:
    """However it began, ten minutes of absence are accepted."""
    confirmed, now = ConfirmedRecords(["A"], ConfirmationPolicy()), 0.0
    for wait, outcome in history:
        now += wait
        confirmed.take({"A": outcome}, now)
    doubts = [confirmed.take({"A": GONE}, now + 30.0 * number) for number in range(1, 21)]
    assert doubts[-1] is None
    assert confirmed.records["A"] == ()
