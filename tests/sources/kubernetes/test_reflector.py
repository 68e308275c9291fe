"""The reflector: failure and recovery, and what can be seen of them, in virtual time against a script."""

from __future__ import annotations

import asyncio
from itertools import chain

import pytest

from sidecar.errors import SourceError
from sidecar.observability.metrics import Metrics
from tests.support.builders import (
    SCOPE,
    bookmark,
    endpoint_slice,
    error_event,
    following,
    line,
    page,
)
from tests.support.script import HANG, OPEN, Script, error, now, reflect

pytestmark = pytest.mark.looptime


async def test_backoff_begins_anew_after_two_healthy_minutes() -> None:
    """Sooner, it goes on growing: a server that fails every minute is not healthy."""
    failing = error("server_error")
    server = Script(watches=[failing, failing, (110.0, failing), failing, (121.0, failing), failing])
    async with following(reflect(server)):
        await asyncio.sleep(300)
    assert server.waits("watch") == pytest.approx([0.8, 1.6, 110 + 3.2, 6.4, 121 + 0.8, 1.6])


async def test_a_failure_is_over_when_the_server_accepts_a_watch() -> None:
    """Without waiting for an event, which may be hours away; and it is said once."""
    server = Script(watches=[error("refused"), error("refused"), (2.0,), OPEN])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(30)
    assert seen.kinds == ["Listed", "Failed", "Failed", "Recovered"]
    assert seen.times == pytest.approx([0.0, 0.0, 0.8, 2.4])
    assert seen.state.scopes[SCOPE].failing == ""


async def test_retries_are_progress() -> None:
    """Liveness asks whether the loop moves, not whether the API server is well."""
    server = Script(watches=chain([error("server_error")] * 3, [(10.0, bookmark(200), HANG)]))
    reflector = reflect(server)
    moved = []
    async with following(reflector):
        for until in (0.1, 0.9, 2.5, 6.0, 16.0, 20.0):
            await asyncio.sleep(until - now())
            moved.append(round(reflector.active_at, 3))
    assert moved == [0.0, 0.8, 2.4, 5.6, 15.6, 15.6]


async def test_every_page_and_every_failed_list_is_progress() -> None:
    """A LIST may take a minute, and several of them more than liveness allows for one."""
    first = page(endpoint_slice("a"), **{"continue": "more"})
    server = Script([(20.0, error("server_error")), (20.0, first), (20.0, page(endpoint_slice("b")))])
    reflector = reflect(server)
    moved = []
    async with following(reflector):
        for until in (19.0, 20.5, 40.0, 60.0, 61.0):
            await asyncio.sleep(until - now())
            moved.append(round(reflector.active_at, 3))
    assert moved == [0.0, 20.0, 20.8, 40.8, 60.8]


async def test_after_cancellation_nothing_is_said_and_nothing_stays_open() -> None:
    """The connection is left as the task ends."""
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
            (5.0, error_event(410, "Expired")),
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
        await asyncio.sleep(1)
        assert seen.kinds[-1] == "Recovered"
        assert count("membership_source_up", source=SCOPE) == 1
        await asyncio.sleep(10)
        assert count("membership_source_up", source=SCOPE) == 1
    kinds = ("LISTED", "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR")
    counted = {kind: count("membership_watch_events_total", source=SCOPE, type=kind) for kind in kinds}
    assert counted == {"LISTED": 2, "ADDED": 1, "MODIFIED": 1, "DELETED": 1, "BOOKMARK": 1, "ERROR": 1}
    reasons = (*SourceError.REASONS, "ended")
    ends = {reason: count("membership_watch_restarts_total", source=SCOPE, reason=reason) for reason in reasons}
    assert {reason: times for reason, times in ends.items() if times} == {
        "ended": 1,
        "connection": 1,
        "expired": 1,
        "forbidden": 1,
    }
    assert count("membership_relists_total", reason="expired") == 1
    assert (count("membership_last_sync_timestamp_seconds", source=SCOPE) or 0) > 0
