"""DNS as a source: how often it is polled, and what is reported; in virtual time against scripted outcomes.

That the wire becomes these outcomes is in ``test_resolver``, when they are accepted in ``test_confirmation``, and that
CoreDNS behaves as the script does in ``real/test_dns``.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from sidecar.membership.events import Failed, Listed
from sidecar.observability.metrics import Metrics
from tests.sources.dns.script import AWAY, GONE, NODATA, SERVICE, Script, addresses, poll, script, told, who
from tests.support.builders import following

pytestmark = pytest.mark.looptime


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


async def test_the_shortest_ttl_of_all_answers_decides() -> None:
    """That of the family that may change first."""
    resolver = script(addresses("10.0.0.1", "10.0.0.2", ttl=20.0), v6=[NODATA])
    await told(poll(resolver), 12)
    assert resolver.times("A") == [0.0, 5.0, 10.0]


async def test_a_failed_poll_is_repeated_with_backoff() -> None:
    """Up to 15 s, no rarer than successful polls; an answer resets the backoff."""
    resolver = script(*[AWAY] * 7, addresses("10.0.0.1", "10.0.0.2"), AWAY, AWAY, addresses("10.0.0.1", "10.0.0.2"))
    events = await told(poll(resolver, family="ipv4"), 70)
    waits = [after - before for before, after in pairwise(resolver.times("A"))]
    assert waits[:10] == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0, 5.0, 1.0, 2.0]
    assert [type(event).__name__ for event in events[6:11]] == ["Failed", "Listed", "Failed", "Failed", "Listed"]


async def test_nothing_is_listed_until_all_families_are_known() -> None:
    """One family alone would be an incomplete set."""
    resolver = script(AWAY, AWAY, addresses("10.0.0.1", "10.0.0.2"), v6=[addresses("fd00::1", "fd00::2")])
    events = await told(poll(resolver), 5)
    assert [type(event).__name__ for event in events] == ["Failed", "Failed", "Listed"]
    assert who(events[2]) == {"10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"}


async def test_a_failure_of_one_family_does_not_delay_changes_of_the_other() -> None:
    """The family that fails keeps its members."""
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


async def test_unchanged_reports_stay_the_same_objects() -> None:
    """A poll that brings nothing new costs nothing further on."""
    first, second, *_ = await told(poll(script(addresses("10.0.0.1", "10.0.0.2"))), 6)
    assert isinstance(first, Listed)
    assert isinstance(second, Listed)
    assert all(before is after for before, after in zip(first.reports, second.reports, strict=True))


async def test_the_last_member_leaves_after_three_answers() -> None:
    """Two failures, which keep the set, and then an empty set with a warning about what it may mean."""
    events = await told(poll(script(addresses("10.0.0.1", "10.0.0.2"), GONE, v6=[NODATA])), 22)
    assert [type(event).__name__ for event in events[:4]] == ["Listed", "Failed", "Failed", "Listed"]
    assert isinstance(events[1], Failed)
    assert events[1].reason == "absent"
    assert "is gone (NXDOMAIN)" in events[1].message
    assert "until 3 answers in a row confirm it; this is number 1." in events[1].message
    assert isinstance(events[3], Listed)
    assert who(events[3]) == set()
    assert "There is no web.default.svc.cluster.local. in DNS" in events[3].reports[0].warning


async def test_a_name_that_never_existed_is_not_an_empty_set_at_once() -> None:
    """It becomes one once it is confirmed; whether that may be published is decided elsewhere."""
    events = await told(poll(script(GONE, v6=[GONE])), 12)
    assert [type(event).__name__ for event in events] == ["Failed", "Failed", "Listed"]
    assert isinstance(events[0], Failed)
    assert "is misspelt or has no ready pod" in events[0].message
    assert who(events[2]) == set()


async def test_a_failure_does_not_change_an_empty_report() -> None:
    """Not even its warning."""
    events = await told(poll(script(GONE, GONE, GONE, AWAY, v6=[GONE])), 16)
    assert [type(event).__name__ for event in events] == ["Failed", "Failed", "Listed", "Failed"]


async def test_the_warning_of_an_empty_set_ends_with_it() -> None:
    """In both families."""
    resolver = script(GONE, GONE, GONE, addresses("10.0.0.1", "10.0.0.2"), v6=[GONE, GONE, GONE, NODATA])
    events = await told(poll(resolver), 17)
    assert isinstance(events[-1], Listed)
    assert [report.warning for report in events[-1].reports] == ["", ""]


async def test_metrics_show_answers_and_failures() -> None:
    """Up, down, and when something last arrived."""
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


async def test_polling_counts_as_activity_while_nobody_answers() -> None:
    """Liveness asks whether it tries."""
    source = poll(script(AWAY), family="ipv4")
    async with following(source):
        for _ in range(10):
            await asyncio.sleep(20)
            assert asyncio.get_running_loop().time() - source.active_at <= 15.0


async def test_it_can_be_cancelled_while_it_asks() -> None:
    """No question is left behind."""
    resolver = Script({(SERVICE, "A"): [AWAY], (SERVICE, "AAAA"): [AWAY]}, late=100.0)
    async with following(poll(resolver)) as seen:
        await asyncio.sleep(1)
        assert resolver.asking == 2
    assert resolver.asking == 0
    assert seen.events == []
