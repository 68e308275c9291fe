"""One question to a DNS server on a real socket: its three outcomes, and what goes over the wire.

What is asked is in ``test_query``; when an answer is accepted, in ``test_confirmation``.
"""

from __future__ import annotations

import asyncio
import random
import socket
from typing import TYPE_CHECKING

import dns.message
import pytest

from sidecar.observability.metrics import Metrics
from sidecar.settings.values import Nameserver
from sidecar.sources.dns.records import Absent, Answered, Record, Unknown
from sidecar.sources.dns.resolver import Resolver, Timeouts
from sidecar.sources.dns.responses import failure
from tests.support.nameserver import SOA, Zone, absent, records, refusal, serving, silence, truncated

if TYPE_CHECKING:
    from pathlib import Path

    from sidecar.sources.dns.records import Outcome
    from tests.support.nameserver import Answer, Reply

NAME = "web.default.svc"
ABSOLUTE = "web.default.svc.cluster.local."
PATIENCE = Timeouts(answer=0.2, question=0.5)


def resolver(zone: Zone, *, metrics: Metrics | None = None) -> Resolver:
    """Asks the server of *zone*."""
    return Resolver(servers=[zone.server], zone="cluster.local", metrics=metrics or Metrics([]), timeouts=PATIENCE)


async def outcome(answer: Answer, kind: str = "A", *, tcp: bool = True) -> tuple[Outcome, Zone]:
    """The outcome of a question to a server that gives *answer*, and what the server was asked."""
    async with serving(tcp=tcp) as zone:
        zone.replies[ABSOLUTE, kind] = answer
        return await resolver(zone).ask(NAME, kind), zone


async def test_an_answer_is_sorted_and_has_the_shortest_ttl() -> None:
    """The server shuffles the records; an alias on the way may have a shorter TTL."""
    alias = f"{ABSOLUTE} 7 IN CNAME other.default.svc.cluster.local."
    addresses = "other.default.svc.cluster.local. 30 IN A 10.0.0.9;10.0.0.10;10.0.0.2"
    found, zone = await outcome(records(alias, addresses))
    sorted_records = tuple(Record(address, (address,)) for address in ("10.0.0.10", "10.0.0.2", "10.0.0.9"))
    assert found == Answered(name=ABSOLUTE, records=sorted_records, ttl=7.0)
    assert [asked[:2] for asked in zone.asked] == [(ABSOLUTE, "A")]


async def test_a_question_is_absolute_and_has_edns() -> None:
    """One query, no search list; answers of 1,232 bytes fit."""
    _, zone = await outcome(records(f"{ABSOLUTE} 0 IN A 10.0.0.1"))
    (query,) = zone.queries
    assert (query.edns, query.payload) == (0, 1232)
    assert str(query.question[0].name) == ABSOLUTE


async def test_srv_records_have_the_port_and_the_addresses_of_both_families() -> None:
    """From the additional section; a target that is not there has none."""
    srv = f"{ABSOLUTE} 5 IN SRV 0 25 5701 web-0.{ABSOLUTE};0 25 5702 Web-1.{ABSOLUTE}"
    extra = (f"web-0.{ABSOLUTE} 5 IN AAAA fd00::1", f"web-0.{ABSOLUTE} 5 IN A 10.0.0.1")
    found, _ = await outcome(records(srv, additional=extra), "SRV")
    assert isinstance(found, Answered)
    assert found.records == (
        Record(f"web-0.{ABSOLUTE}", ("10.0.0.1", "fd00::1"), 5701),
        Record(f"web-1.{ABSOLUTE}", (), 5702),
    )


ABSENT = {
    "NXDOMAIN": (absent("NXDOMAIN"), "A", "NXDOMAIN", 5.0),
    "NODATA": (absent("NODATA"), "AAAA", "NODATA", 5.0),
    "NXDOMAIN without SOA is in no cache": (absent("NXDOMAIN", ""), "A", "NXDOMAIN", 0.0),
    "NODATA without SOA is in no cache": (absent("NODATA", ""), "A", "NODATA", 0.0),
    "NXDOMAIN with name servers": (absent("NXDOMAIN", "cluster.local. 30 IN NS ns.x."), "A", "NXDOMAIN", 0.0),
    "a decidedly absent service": (records(f"{ABSOLUTE} 9 IN SRV 0 0 0 ."), "SRV", "NODATA", 9.0),
    "a cached SOA that is about to expire": (absent("NXDOMAIN", SOA.replace(" 30 ", " 2 ")), "A", "NXDOMAIN", 2.0),
}


@pytest.mark.parametrize(("answer", "kind", "code", "ttl"), ABSENT.values(), ids=ABSENT)
async def test_the_absence_of_records_is_an_answer(answer: Answer, kind: str, code: str, ttl: float) -> None:
    """With the time for which a cache may repeat it."""
    found, _ = await outcome(answer, kind)
    assert found == Absent(name=ABSOLUTE, code=code, ttl=ttl)


def garbage(query: object, tcp: bool) -> bytes:
    """Not a DNS message."""
    return b"\0\1\2"


REFERRAL = absent("NODATA", "cluster.local. 30 IN NS ns.elsewhere.")

UNKNOWN = {
    "SERVFAIL": (refusal("SERVFAIL"), "server_error", "SERVFAIL: it has no data"),
    "REFUSED": (refusal("REFUSED"), "server_error", "correct --dns-server or --cluster-domain"),
    "NOTIMP": (refusal("NOTIMP"), "server_error", "with NOTIMP"),
    "silence": (silence, "timeout", "No answer to web.default.svc.cluster.local. A from 127.0.0.1:"),
    "garbage over UDP": (garbage, "timeout", "No answer to"),
    "silence over TCP": (truncated(silence), "timeout", "too long for UDP, and TCP gets no answer"),
    "garbage over TCP": (truncated(garbage), "connection", "too long for UDP, and TCP fails"),
    "referral": (REFERRAL, "malformed", "--dns-server"),
}


@pytest.mark.parametrize(("answer", "reason", "message"), UNKNOWN.values(), ids=UNKNOWN)
async def test_anything_else_is_not_an_answer(answer: Answer, reason: str, message: str) -> None:
    """The message says what to do."""
    found, _ = await outcome(answer)
    assert isinstance(found, Unknown)
    assert found.reason == reason
    assert message in found.message


async def test_a_truncated_answer_is_asked_for_over_tcp() -> None:
    """Two questions, and all 200 addresses."""
    addresses = [f"10.0.{number // 100}.{number % 100}" for number in range(200)]
    found, zone = await outcome(truncated(records(f"{ABSOLUTE} 5 IN A {';'.join(addresses)}")))
    assert isinstance(found, Answered)
    assert {record.value for record in found.records} == set(addresses)
    assert [asked.tcp for asked in zone.asked] == [False, True]


async def test_a_truncated_answer_without_tcp_says_what_to_allow() -> None:
    """A NetworkPolicy for UDP only, or a reject rule, looks like a refused connection."""
    found, _ = await outcome(truncated(silence), tcp=False)
    assert isinstance(found, Unknown)
    assert found.reason == "refused"
    assert "allow TCP to its port" in found.message


def test_a_timeout_before_tcp_says_what_to_allow_as_well() -> None:
    """The last thing that is known is that the answer is too long for UDP."""
    truncation = dns.message.Truncated(message=dns.message.Message())  # type: ignore[no-untyped-call]
    tried = ("Do53:10.0.0.1@53", False, 53, truncation, None)
    found, code = failure("web. A", "10.0.0.1:53", [tried])
    assert (found.reason, code) == ("timeout", "NONE")
    assert "of 10.0.0.1:53 to web. A is too long for UDP, and TCP gets no answer" in found.message


async def test_a_second_server_is_asked_if_the_first_fails() -> None:
    """Its answer is used."""
    async with serving() as broken, serving() as good:
        broken.replies[ABSOLUTE, "A"] = refusal("SERVFAIL")
        good.replies[ABSOLUTE, "A"] = records(f"{ABSOLUTE} 5 IN A 10.0.0.1")
        asking = Resolver(servers=[broken.server, good.server], zone="cluster.local", metrics=Metrics([]))
        assert isinstance(await asking.ask(NAME, "A"), Answered)


async def test_a_missing_route_to_the_server_is_reported() -> None:
    """For an address to which no socket can send."""
    unreachable = Resolver(servers=[Nameserver("255.255.255.255")], zone="x", metrics=Metrics([]), timeouts=PATIENCE)
    found = await unreachable.ask(NAME, "A")
    assert isinstance(found, Unknown)
    assert found.reason == "connection"
    assert "255.255.255.255:53 cannot be asked for web.default.svc.x. A" in found.message


async def test_an_impossible_name_is_reported() -> None:
    """A label has at most 63 characters."""
    async with serving() as zone:
        found = await resolver(zone).ask(f"{'x' * 64}.default.svc", "A")
    assert isinstance(found, Unknown)
    assert found.reason == "malformed"
    assert zone.asked == []


async def test_every_question_is_counted_by_how_it_ended() -> None:
    """All combinations start at 0."""
    metrics = Metrics([])
    async with serving() as zone:
        asking = resolver(zone, metrics=metrics)
        for answer in (records(f"{ABSOLUTE} 5 IN A 10.0.0.1"), absent("NODATA"), refusal("NOTIMP"), silence):
            zone.replies[ABSOLUTE, "A"] = answer
            await asking.ask(NAME, "A")
        await asking.ask(NAME, "AAAA")
    samples = {
        (sample.labels["type"], sample.labels["rcode"]): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "membership_dns_queries_total"
    }
    assert {labels for labels, value in samples.items() if value} == {
        ("A", "NOERROR"),
        ("A", "NODATA"),
        ("A", "OTHER"),
        ("A", "NONE"),
        ("AAAA", "NXDOMAIN"),
    }
    assert len(samples) == 4 * 7


# --- resolv.conf


@pytest.mark.parametrize(
    ("search", "zone"),
    [
        pytest.param("search a.svc.corp.example svc.corp.example corp.example", "corp.example", id="of a pod"),
        pytest.param("search example.org", "cluster.local", id="of a node"),
        pytest.param("", "cluster.local", id="none"),
    ],
)
async def test_the_zone_is_found_in_resolv_conf(tmp_path: Path, search: str, zone: str) -> None:
    """If the servers are given, but the zone is not."""
    conf = tmp_path / "resolv.conf"
    conf.write_text(f"nameserver 192.0.2.1\n{search}\noptions ndots:5 rotate\n")
    async with serving() as server:
        asking = Resolver(servers=[server.server], metrics=Metrics([]), resolv_conf=conf)
        await asking.ask(NAME, "A")
    assert [asked[:2] for asked in server.asked] == [(f"web.default.svc.{zone}.", "A")]


async def test_a_given_zone_takes_precedence(tmp_path: Path) -> None:
    """Over the one in resolv.conf, although the servers come from there."""
    conf = tmp_path / "resolv.conf"
    conf.write_text("nameserver 255.255.255.255\nsearch svc.corp.example\n")
    found = await Resolver(zone="x.y", metrics=Metrics([]), resolv_conf=conf, timeouts=PATIENCE).ask(NAME, "A")
    assert isinstance(found, Unknown)
    assert "255.255.255.255:53 cannot be asked for web.default.svc.x.y. A" in found.message


@pytest.mark.parametrize("content", [None, "", "search svc.cluster.local\n", "nameserver dns.example.org\n"])
async def test_a_missing_server_is_reported_and_looked_for_again(tmp_path: Path, content: str | None) -> None:
    """The kubelet may rewrite the file at any time."""
    conf = tmp_path / "resolv.conf"
    if content is not None:
        conf.write_text(content)
    asking = Resolver(metrics=Metrics([]), resolv_conf=conf, timeouts=PATIENCE)
    found = await asking.ask(NAME, "A")
    assert isinstance(found, Unknown)
    assert found.reason == "not_found"
    assert f"{conf} names no DNS server" in found.message
    conf.write_text("nameserver 255.255.255.255\n")
    found = await asking.ask(NAME, "A")
    assert isinstance(found, Unknown)
    assert "255.255.255.255" in found.message


async def test_resolv_conf_is_read_again_only_after_a_failure(tmp_path: Path) -> None:
    """A working configuration stays; a zone that does not resolve may be outdated."""
    conf = tmp_path / "resolv.conf"
    conf.write_text("nameserver 192.0.2.1\nsearch svc.one\n")
    async with serving() as server:
        server.replies["web.default.svc.one.", "A"] = records("web.default.svc.one. 5 IN A 10.0.0.1")
        asking = Resolver(servers=[server.server], metrics=Metrics([]), resolv_conf=conf)
        await asking.ask(NAME, "A")
        conf.write_text("nameserver 192.0.2.1\nsearch svc.two\n")
        await asking.ask(NAME, "A")
        del server.replies["web.default.svc.one.", "A"]
        await asking.ask(NAME, "A")
        await asking.ask(NAME, "A")
    assert [asked.name.split(".")[3] for asked in server.asked] == ["one", "one", "one", "two"]


# --- its end


@pytest.mark.parametrize("turns", range(16))
@pytest.mark.parametrize("over", ["udp", "tcp"])
async def test_it_can_be_cancelled_at_any_iteration_of_the_loop(turns: int, over: str) -> None:
    """While the answer is on its way as well as when it has just arrived: it does not go on to the next question."""
    async with serving() as zone:
        arrived = asyncio.Event()
        good = records(f"{ABSOLUTE} 5 IN A 10.0.0.1")

        def reply(query: dns.message.Message, tcp: bool) -> Reply:
            if tcp is (over == "tcp"):
                arrived.set()
            return good(query, tcp) if over == "udp" else truncated(good)(query, tcp)

        async def poll() -> None:
            asking = resolver(zone)
            while True:
                await asking.ask(NAME, "A")

        zone.replies[ABSOLUTE, "A"] = reply
        task = asyncio.create_task(poll())
        await arrived.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=1)
        assert done == {task}
        assert task.cancelled()


async def test_shuffled_records_are_the_same_answer() -> None:
    """Whatever order the server picks."""
    addresses = [f"10.0.0.{number}" for number in range(1, 20)]
    outcomes = []
    for seed in range(3):
        random.Random(seed).shuffle(addresses)  # noqa: S311 - an order, not a secret
        found, _ = await outcome(records(f"{ABSOLUTE} 5 IN A {';'.join(addresses)}"))
        outcomes.append(found)
    assert outcomes[0] == outcomes[1] == outcomes[2]


async def test_a_server_may_have_an_ipv6_address() -> None:
    """It is in brackets in messages."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as mute:
        mute.bind(("::1", 0))
        port = mute.getsockname()[1]
        silent = Resolver(servers=[Nameserver("::1", port)], zone="x", metrics=Metrics([]), timeouts=PATIENCE)
        found = await silent.ask(NAME, "A")
    assert isinstance(found, Unknown)
    assert f"[::1]:{port}" in found.message
