"""What is asked about a Service, and what is no list of members; in virtual time against scripted outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sidecar.membership.events import Failed, Listed
from sidecar.sources.dns.names import dashed
from sidecar.sources.dns.records import Absent, Outcome, Record
from tests.sources.dns.script import (
    AWAY,
    GONE,
    NODATA,
    PORT,
    SERVICE,
    ZONE,
    Script,
    addresses,
    names,
    poll,
    script,
    targets,
    told,
    who,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.looptime


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


async def test_a_named_port_needs_only_the_srv_question() -> None:
    """If the addresses come with the answer."""
    resolver = Script({(PORT, "SRV"): [targets(Record(f"web-0.{SERVICE}{ZONE}", ("10.0.0.1",), 8080))]})
    (listed,) = await told(poll(resolver, port="http"), 1)
    assert resolver.questions == [(PORT, "SRV")]
    assert isinstance(listed, Listed)
    (member,) = listed.reports[0].members.values()
    assert (member.name, member.address, member.port) == ("web-0", "10.0.0.1", 8080)


async def test_targets_without_addresses_are_looked_up() -> None:
    """Those whose label is made from an address all at once, those with a hostname one by one."""
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


async def test_a_target_of_the_other_family_is_not_a_member() -> None:
    """It exists, but has no address of the wanted family."""
    bare = [Record(f"{label}.{SERVICE}{ZONE}", (), 8080) for label in ("10-0-0-1", "fd00--1")]
    outcomes: dict[tuple[str, str], Sequence[Outcome]] = {
        (PORT, "SRV"): [targets(*bare)],
        (SERVICE, "A"): [addresses("10.0.0.1")],
        (bare[1].value, "A"): [NODATA],
    }
    (listed,) = await told(poll(Script(outcomes), port="http", family="ipv4"), 1)
    assert who(listed) == {"10.0.0.1"}


async def test_targets_of_the_other_family_alone_are_an_absence() -> None:
    """None has a wanted address: as with NODATA, three answers in a row are needed."""
    bare = Record(f"fd00--1.{SERVICE}{ZONE}", (), 8080)
    resolver = Script({(PORT, "SRV"): [targets(bare)], (SERVICE, "A"): [NODATA], (bare.value, "A"): [NODATA]})
    events = await told(poll(resolver, port="http", family="ipv4"), 12)
    assert [type(event) for event in events] == [Failed, Failed, Listed]
    assert isinstance(events[0], Failed)
    assert events[0].reason == "absent"
    assert "without addresses of the wanted family (NODATA)" in events[0].message
    assert who(events[2]) == set()


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(AWAY, "timeout"), (Absent(name="x", code="NXDOMAIN", ttl=5.0), "malformed")],
    ids=["unknown", "not there"],
)
async def test_a_target_that_cannot_be_looked_up_spoils_the_answer(outcome: Outcome, reason: str) -> None:
    """An incomplete set of members is not an answer."""
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


async def test_a_port_that_the_service_does_not_have_is_reported() -> None:
    """The Service has addresses, but no members; as with any absence, three answers in a row are needed."""
    resolver = script(addresses("10.0.0.1"))
    events = await told(poll(resolver, port="http", family="ipv4"), 12)
    assert [type(event) for event in events] == [Failed, Failed, Listed]
    assert isinstance(events[0], Failed)
    assert isinstance(events[2], Listed)
    (report,) = events[2].reports
    assert (events[0].reason, report.members) == ("absent", {})
    for message in (events[0].message, report.warning):
        assert "no port named 'http' for TCP (_http._tcp.web.default.svc is NXDOMAIN). Correct --port" in message


async def test_a_port_that_the_service_has_no_longer_is_reported() -> None:
    """The members stay until that is confirmed, and the message says that it is only the port."""
    gone = Absent(name=PORT + ZONE, code="NXDOMAIN", ttl=5.0)
    resolver = Script(
        {
            (PORT, "SRV"): [targets(Record(f"web-0.{SERVICE}{ZONE}", ("10.0.0.1",), 8080)), gone],
            (SERVICE, "A"): [addresses("10.0.0.1")],
        }
    )
    events = await told(poll(resolver, port="http", family="ipv4"), 6)
    assert [type(event) for event in events] == [Listed, Failed]
    assert isinstance(events[1], Failed)
    assert "has addresses, but no port named 'http'" in events[1].message
    assert "The members stay until 3 answers in a row confirm it; this is number 1." in events[1].message


async def test_a_missing_service_is_reported_by_its_own_name() -> None:
    """Not by that of the port."""
    events = await told(poll(script(GONE, v6=[GONE]), port="http"), 1)
    assert isinstance(events[0], Failed)
    assert events[0].reason == "absent"
    assert "There is no web.default.svc.cluster.local. in DNS (NXDOMAIN)" in events[0].message


def with_reverse(address: str, *reverse: Outcome) -> Script:
    """A Service with one address, and the answers to the reverse lookup of that address."""
    pointer = ".".join(reversed(address.split("."))) + ".in-addr.arpa."
    return Script({(SERVICE, "A"): [addresses(address)], (pointer, "PTR"): reverse})


@pytest.mark.parametrize("other", [(), (f"10-0-0-9.other{ZONE}",)], ids=["alone", "among others"])
async def test_a_cluster_ip_is_not_a_member(other: tuple[str, ...]) -> None:
    """Its reverse name is the Service's own."""
    resolver = with_reverse("10.0.0.9", names(*other, SERVICE + ZONE))
    events = await told(poll(resolver, family="ipv4"), 60)
    assert {type(event) for event in events} == {Failed}
    assert isinstance(events[0], Failed)
    assert events[0].reason == "not_headless"
    assert "(10.0.0.9), not those of its members: the Service is not headless." in events[0].message


async def test_a_cluster_ip_as_the_target_of_a_port_is_not_a_member() -> None:
    """The target is the Service itself."""
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
    """An address that is known not to be a cluster IP is not looked up again."""
    resolver = with_reverse("10.0.0.1", reverse)
    events = await told(poll(resolver, family="ipv4"), 12)
    assert [who(event) for event in events] == [{"10.0.0.1"}] * 3
    assert len(resolver.times("PTR")) == asked
