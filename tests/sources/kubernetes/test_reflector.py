"""The reflector: failure and recovery, and what can be seen of them, in virtual time against a script."""

from __future__ import annotations

import asyncio
from itertools import chain, repeat

import pytest
import structlog

from sidecar.errors import SourceError
from sidecar.membership.events import Applied, Failed, Listed, Recovered
from sidecar.observability.metrics import RELISTS, WATCH_ENDS, Metrics
from sidecar.sources.kubernetes.timing import Timing
from sidecar.sources.kubernetes.watch import End
from tests.support.builders import (
    SCOPE,
    bookmark,
    endpoint_slice,
    error_event,
    following,
    line,
    page,
    reports,
)
from tests.support.script import HANG, OPEN, Script, Stream, error, now, reflect

pytestmark = pytest.mark.looptime


async def test_backoff_starts_again_after_two_healthy_minutes() -> None:
    """Sooner, it keeps growing: a server that fails every minute is not healthy."""
    failing = error("server_error")
    server = Script(watches=[failing, failing, (110.0, failing), failing, (121.0, failing), failing])
    async with following(reflect(server)):
        await asyncio.sleep(300)
    assert server.waits("watch") == pytest.approx([0.8, 1.6, 110 + 3.2, 6.4, 121 + 0.8, 1.6])


PROOFS: dict[str, tuple[Stream, list[str], float]] = {
    "a bookmark": ((1.0, bookmark(100), HANG), ["Recovered"], 1.0),
    "an event": ((1.0, line("ADDED", endpoint_slice("b", 101)), HANG), ["Applied", "Recovered"], 1.0),
    "staying open": (OPEN, ["Recovered"], Timing().proof),
    "half an event, and staying open": ((1.0, b"{", HANG), ["Recovered"], 1.0 + Timing().proof),
}


@pytest.mark.parametrize(("stream", "kinds", "seconds"), PROOFS.values(), ids=PROOFS)
async def test_a_failure_is_over_when_the_watch_proves_it(stream: Stream, kinds: list[str], seconds: float) -> None:
    """By the first event or bookmark, or by staying open on a cluster where nothing happens; once."""
    server = Script(watches=[error("refused"), error("refused"), stream])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(30)
    assert seen.kinds == ["Listed", "Failed", "Failed", *kinds]
    assert seen.times[-1] == pytest.approx(2.4 + seconds)
    assert seen.state.scopes[SCOPE].failing == ""
    assert len(server.of("list")) == 1


async def test_a_failure_is_not_over_when_the_server_only_accepts_the_watch() -> None:
    """Its set is as old as the outage until the watch has said what was missed, or that it cannot say it."""
    away = error("refused")
    server = Script([page(), *[error("server_error")] * 3], [away, away, (0.5, error_event(410, "Expired"))])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(8)
    assert set(seen.kinds[1:]) == {"Failed"}
    assert len(server.of("list")) == 4


async def test_failures_that_alternate_with_accepted_watches_are_one_failure() -> None:
    """It began with the first of them, and the waits in between grow: so ``--fallback-after`` takes effect."""
    server = Script(watches=repeat((2.0, error("connection"))))
    async with following(reflect(server)) as seen:
        await asyncio.sleep(100)
    assert seen.state.scopes[SCOPE].since == 2.0
    assert seen.of(Recovered) == []
    assert server.waits("watch")[:5] == pytest.approx([2.8, 3.6, 5.2, 8.4, 14.8])


async def test_the_end_of_a_failure_is_logged() -> None:
    """One line for each outage, whatever ended it."""
    server = Script([error("refused"), page()])
    with structlog.testing.capture_logs() as logged:
        async with following(reflect(server)):
            await asyncio.sleep(5)
    assert [entry["event"] for entry in logged] == ["source failing", "source recovered"]


async def test_retries_count_as_activity() -> None:
    """Liveness asks whether the loop runs, not whether the API server is well."""
    server = Script(watches=chain([error("server_error")] * 3, [(10.0, bookmark(200), HANG)]))
    reflector = reflect(server)
    moved = []
    async with following(reflector):
        for until in (0.1, 0.9, 2.5, 6.0, 16.0, 20.0):
            await asyncio.sleep(until - now())
            moved.append(round(reflector.active_at, 3))
    assert moved == [0.0, 0.8, 2.4, 5.6, 15.6, 15.6]


async def test_every_page_and_every_failed_list_counts_as_activity() -> None:
    """A LIST may take a minute, and several of them more than liveness allows."""
    first = page(endpoint_slice("a"), **{"continue": "more"})
    server = Script([(20.0, error("server_error")), (20.0, first), (20.0, page(endpoint_slice("b")))])
    reflector = reflect(server)
    moved = []
    async with following(reflector):
        for until in (19.0, 20.5, 40.0, 60.0, 61.0):
            await asyncio.sleep(until - now())
            moved.append(round(reflector.active_at, 3))
    assert moved == [0.0, 20.0, 20.8, 40.8, 60.8]


async def test_after_cancellation_nothing_is_reported_and_nothing_stays_open() -> None:
    """The connection is closed as the task ends."""
    server = Script(watches=[(5.0, line("ADDED", endpoint_slice("b", 101)), HANG)])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(1)
        assert server.watching == 1
    assert server.watching == 0
    await asyncio.sleep(10)
    assert seen.kinds == ["Listed"]
    assert len(server.asked) == 2


async def test_what_happens_is_counted() -> None:
    """Events by type, ends of watches by reason, relists by reason, and whether the source is up."""
    server = Script(
        [page(), page(revision=300)],
        [
            (1.0, line("ADDED", endpoint_slice("b", 101)) + line("MODIFIED", endpoint_slice("b", 102)) + bookmark(103)),
            (5.0, line("DELETED", endpoint_slice("b", 104)), error("connection")),
            (9.0, error_event(410, "Expired")),
            error("forbidden"),
        ],
    )
    metrics = Metrics([])

    def count(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, labels)

    async with following(reflect(server, metrics=metrics)) as seen:
        await asyncio.sleep(6.5)
        assert seen.kinds[-1] == "Failed"
        assert count("membership_source_up", source=SCOPE) == 0
        await asyncio.sleep(6)
        assert seen.kinds[-1] == "Recovered"
        assert count("membership_source_up", source=SCOPE) == 1
        await asyncio.sleep(10)
        assert count("membership_source_up", source=SCOPE) == 1
    kinds = ("LISTED", "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR")
    counted = {kind: count("membership_watch_events_total", source=SCOPE, type=kind) for kind in kinds}
    assert counted == {"LISTED": 2, "ADDED": 1, "MODIFIED": 1, "DELETED": 1, "BOOKMARK": 1, "ERROR": 1}
    reasons = (*SourceError.REASONS, *WATCH_ENDS)
    ends = {reason: count("membership_watch_restarts_total", source=SCOPE, reason=reason) for reason in reasons}
    assert {reason: times for reason, times in ends.items() if times} == {
        "ended": 1,
        "connection": 1,
        "expired": 1,
        "forbidden": 1,
    }
    assert count("membership_relists_total", reason="expired") == 1
    assert (count("membership_last_sync_timestamp_seconds", source=SCOPE) or 0) > 0


def test_every_label_is_known_beforehand() -> None:
    """Counters of what has not happened yet are 0, not absent."""
    assert {end.value for end in End} - {"failed"} == set(WATCH_ENDS)
    assert set(RELISTS) - {"silent", "confirm"} <= set(SourceError.REASONS)


# --- confirm


async def test_confirm_ends_the_open_watch_and_lists() -> None:
    """At once, and nothing older than what was seen; two requests are one list."""
    server = Script(watches=[OPEN, OPEN])
    source = reflect(server)
    async with following(source) as seen:
        await asyncio.sleep(10)
        source.confirm()
        source.confirm()
        await asyncio.sleep(10)
        assert server.times("list") == [0.0, 10.0]
        assert server.revisions("list") == ["0", "100"]
        assert seen.of(Failed) == []
        assert len(server.of("watch")) == 2


async def test_confirm_while_a_list_is_consumed_is_not_lost() -> None:
    """A relist is the usual cause of a shrink, and no watch is open at that moment."""
    server = Script([page(), page()])
    source = reflect(server)
    async for event in source.events():
        assert isinstance(event, Listed)
        if len(server.of("list")) == 2:
            break
        source.confirm()
    assert server.times("list") == [0.0, 0.0]
    assert server.of("watch") == []


async def test_a_list_that_was_already_on_its_way_confirms_nothing() -> None:
    """It may be older than the doubt: it is not reported, and the next one is."""
    server = Script([(5.0, page(endpoint_slice("old"))), page(endpoint_slice("new"), revision=101)])
    source = reflect(server)
    async with following(source) as seen:
        await asyncio.sleep(1)
        source.confirm()
        await asyncio.sleep(10)
    assert server.times("list") == [0.0, 5.0]
    assert seen.kinds == ["Listed"]
    assert seen.reports == reports(endpoint_slice("new"))


@pytest.mark.parametrize("at", [0.5, 1.0, 3.0])
async def test_confirm_during_an_outage_lists_before_recovery(at: float) -> None:
    """Between attempts as well as when the watch has just been opened: the old set is not in use again before that."""
    away = error("refused")
    server = Script([page(), page(endpoint_slice("new"), revision=300)], [away, away, (1.5, bookmark(400), HANG)])
    source = reflect(server)
    async with following(source) as seen:
        await asyncio.sleep(at)
        source.confirm()
        await asyncio.sleep(10)
    assert next(kind for kind in seen.kinds[1:] if kind != "Failed") == "Listed"
    assert seen.reports == reports(endpoint_slice("new"))


async def test_confirm_during_a_list_that_serves_one_does_not_discard_it() -> None:
    """Or whoever asks more often than a list takes would never get one; another list follows."""
    server = Script([(5.0, page())] * 4)
    source = reflect(server)
    async with following(source) as seen:
        for _ in range(4):
            await asyncio.sleep(4)
            source.confirm()
        await asyncio.sleep(20)
    assert server.times("list") == [0.0, 5.0, 10.0, 15.0, 20.0]
    assert seen.times == [10.0, 15.0, 20.0, 20.0]


async def test_after_confirm_nothing_more_of_the_watch_is_reported() -> None:
    """Not even what has arrived already: the next answer is the list."""
    chunk = line("ADDED", endpoint_slice("b", 101)) + line("ADDED", endpoint_slice("c", 102))
    server = Script([page(), page(endpoint_slice("new"), revision=300)], [error("refused"), (chunk, HANG)])
    source = reflect(server)
    kinds = []
    async for event in source.events():
        kinds.append(type(event))
        if isinstance(event, Applied):
            source.confirm()
        if len(kinds) == 4:
            break
    assert kinds == [Listed, Failed, Applied, Listed]


async def test_confirm_stays_requested_until_a_list_succeeds() -> None:
    """A failed list does not serve it."""
    server = Script([page(), error("server_error"), error("server_error"), page(revision=101)])
    source = reflect(server)
    async with following(source) as seen:
        await asyncio.sleep(1)
        source.confirm()
        await asyncio.sleep(10)
    assert seen.kinds == ["Listed", "Failed", "Failed", "Listed"]
    assert len(server.of("watch")) == 2


async def test_confirm_at_each_list_is_served_once_a_second() -> None:
    """Not as often as the server can answer."""
    server = Script()
    source = reflect(server)

    async def ask_again() -> None:
        async for event in source.events():
            if isinstance(event, Listed):
                source.confirm()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(9.5):
            await ask_again()
    assert server.times("list") == [0.0, *map(float, range(10))]


@pytest.mark.parametrize("delay", [0.0, 329.9, 330.0, 330.1])
async def test_confirm_never_raises(delay: float) -> None:
    """Not even while the watch is being ended for another reason."""
    server = Script(watches=repeat((20.0, bookmark(200)) * 30))
    source = reflect(server)
    source.confirm()
    async with following(source):
        await asyncio.sleep(delay)
        source.confirm()
        await asyncio.sleep(5)
    source.confirm()
    assert server.times("list")[-1] >= delay
