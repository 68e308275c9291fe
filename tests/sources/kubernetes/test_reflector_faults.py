"""The real connection and the reflector against a server on a real socket that answers badly.

After each fault the same holds: what is known equals what the server has, no change in between was lost, there was no
unneeded LIST, and the failure is reported truthfully. How long it waits is in ``test_reflector_watch``.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from sidecar.membership.events import Applied, Listed
from sidecar.simulator import (
    Absent,
    BadGateway,
    CutMidLine,
    Fault,
    Forbidden,
    Gone,
    GoneEvent,
    ImmediateEOF,
    InsertLine,
    InternalError,
    OlderReplica,
    Refuse,
    ResourceVersionTooLarge,
    ScriptedService,
    Simulator,
    SlowDrip,
    TooManyRequests,
    Unauthorized,
)
from sidecar.simulator.watching import Pace
from tests.sources.kubernetes.simulated import QUICK, agreed, change, codes, followed, reasons, stored
from tests.support.builders import (
    SCOPE,
    bookmark,
    endpoint,
    endpoint_slice,
    line,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """An API server."""
    async with Simulator() as running:
        yield running


@pytest.fixture
def service(simulator: Simulator) -> ScriptedService:
    """A Service with three members in two slices."""
    made = ScriptedService(simulator, per_slice=2)
    made.scale(3)
    return made


TRANSIENT: dict[str, tuple[Fault, Sequence[int], Sequence[str]]] = {
    "429 in plain text": (TooManyRequests(retry_after=0), [200, 429, 200], ["too_many_requests"]),
    "502 in HTML": (BadGateway(), [200, 502, 200], ["server_error"]),
    "500": (InternalError(), [200, 500, 200], ["server_error"]),
    "401": (Unauthorized(), [200, 401, 200], ["unauthorized"]),
    "403 over many lines": (Forbidden(), [200, 403, 200], ["forbidden"]),
    "404": (Absent(), [200, 404, 200], ["not_found"]),
    "404 in plain text": (Absent(group=True), [200, 404, 200], ["not_found"]),
    "no answer": (Refuse(times=2), [200, 0, 0, 200], ["connection"]),
    "cut in the first event": (CutMidLine(), [200, 200, 200], ["connection"]),
    "cut in the third event": (CutMidLine(after=2), [200, 200, 200], ["connection"]),
    "reset in the second event": (CutMidLine(after=1, reset=True), [200, 200, 200], ["connection"]),
    "a blank line": (InsertLine(line=b"\n", after=1), [200, 200], []),
    "byte by byte": (SlowDrip(size=1), [200, 200], []),
    "three bytes at a time": (SlowDrip(size=3), [200, 200], []),
}


@pytest.mark.parametrize(("fault", "watched", "failed"), TRANSIENT.values(), ids=TRANSIENT)
async def test_a_watch_that_fails_resumes_where_it_was(
    simulator: Simulator, service: ScriptedService, fault: Fault, watched: Sequence[int], failed: Sequence[str]
) -> None:
    """There is no list, no event is lost, and no member is forgotten meanwhile."""
    async with followed(simulator) as seen:
        await simulator.request(verb="watch")
        before = seen.reports
        simulator.script(fault)
        simulator.end_watches()
        await simulator.request(verb="watch", count=2)
        assert seen.reports == before
        change(service)
        await agreed(simulator, seen)
        await simulator.request(verb="watch", count=len(watched))
        assert codes(simulator, "watch") == watched
        assert codes(simulator, "list") == [200]
        assert reasons(seen) == failed
        revisions = [int(asked.query["resourceVersion"]) for asked in simulator.requests]
        assert revisions == sorted(revisions)


UNREADABLE: dict[str, tuple[Fault, str]] = {
    "garbage": (InsertLine(line=b"garbage\n"), "malformed"),
    "garbage between events": (InsertLine(line=b"\x00\xff\n", after=2), "malformed"),
    "an unknown type": (InsertLine(line=line("RENAMED", endpoint_slice(revision=9999)), after=1), "malformed"),
    "an older bookmark": (InsertLine(line=bookmark(1), after=1), "older"),
}


@pytest.mark.parametrize(("fault", "reason"), UNREADABLE.values(), ids=UNREADABLE)
async def test_an_unreadable_watch_is_followed_by_one_list(
    simulator: Simulator, service: ScriptedService, fault: Fault, reason: str
) -> None:
    """From the last good event; then it watches again."""
    async with followed(simulator) as seen:
        await simulator.request(verb="watch")
        simulator.script(fault)
        simulator.end_watches()
        await simulator.request(verb="watch", count=2)
        change(service)
        await agreed(simulator, seen)
        relist = await simulator.request(verb="list", count=2)
        await simulator.request(verb="watch", count=3)
        assert relist.query["resourceVersionMatch"] == "NotOlderThan"
        assert codes(simulator, "list") == [200, 200]
        assert reasons(seen) == [reason]


EXPIRED: dict[str, Fault] = {"status": Gone(), "event": GoneEvent(), "event after others": GoneEvent(after=2)}


@pytest.mark.parametrize("fault", EXPIRED.values(), ids=EXPIRED)
async def test_an_expired_watch_is_followed_by_one_list(
    simulator: Simulator, service: ScriptedService, fault: Fault
) -> None:
    """From where it was, and not as a failure."""
    async with followed(simulator) as seen:
        await simulator.request(verb="watch")
        simulator.script(fault)
        simulator.end_watches()
        await simulator.request(verb="watch", count=2)
        change(service)
        await agreed(simulator, seen)
        relist = await simulator.request(verb="list", count=2)
        await simulator.request(verb="watch", count=3)
        assert relist.query["resourceVersionMatch"] == "NotOlderThan"
        assert codes(simulator, "list") == [200, 200]
        assert len(codes(simulator, "watch")) == 3
        assert reasons(seen) == []


LIST_FAULTS: dict[str, tuple[Sequence[Fault], Sequence[int], Sequence[str]]] = {
    "429": ([TooManyRequests(retry_after=0)], [429, 200], ["too_many_requests"]),
    "502": ([BadGateway()], [502, 200], ["server_error"]),
    "401": ([Unauthorized(times=2)], [401, 401, 200], ["unauthorized"] * 2),
    "403": ([Forbidden(times=2)], [403, 403, 200], ["forbidden"] * 2),
    "410": ([Gone()], [410, 200], ["expired"]),
    "504": ([ResourceVersionTooLarge()], [504, 200], ["too_large_resource_version"]),
    "cut": ([CutMidLine()], [200, 200], ["connection"]),
    "reset": ([CutMidLine(reset=True)], [200, 200], ["connection"]),
    "byte by byte": ([SlowDrip(size=7)], [200], []),
    "nothing": ([ImmediateEOF()], [200, 200], ["malformed"]),
}


@pytest.mark.parametrize(("faults", "listed", "failed"), LIST_FAULTS.values(), ids=LIST_FAULTS)
async def test_a_first_list_that_fails_is_repeated(
    simulator: Simulator,
    service: ScriptedService,
    faults: Sequence[Fault],
    listed: Sequence[int],
    failed: Sequence[str],
) -> None:
    """Until there is a complete one; nothing is known before."""
    simulator.script(*faults)
    async with followed(simulator) as seen:
        await seen.until(lambda it: it.state.synced)
        assert seen.reports == stored(simulator)
        assert codes(simulator, "list") == listed
        assert reasons(seen) == failed
        assert len(seen.of(Listed)) == 1
        change(service)
        await agreed(simulator, seen)


@pytest.mark.slow
async def test_a_relist_from_an_older_replica_waits_for_a_newer_one(
    simulator: Simulator, service: ScriptedService
) -> None:
    """The replica says that it is behind; the members stay as they are."""
    change(service)
    async with followed(simulator, timing=replace(QUICK, too_large_tries=2)) as seen:
        await simulator.request(verb="watch")
        before = seen.reports
        simulator.script(Gone(verb="watch"), OlderReplica(verb="list", revision=simulator.store.revision - 3))
        simulator.end_watches()
        await simulator.request(verb="list", count=2)
        assert seen.reports == before
        service.scale(8)
        await agreed(simulator, seen)
        matches = [asked.query.get("resourceVersionMatch") for asked in simulator.requests if asked.verb == "list"]
        assert matches == [None, "NotOlderThan", "NotOlderThan"]
        assert codes(simulator, "list") == [200, 504, 200]
        assert reasons(seen) == ["too_large_resource_version"]


async def test_a_first_list_may_be_from_an_older_replica(simulator: Simulator, service: ScriptedService) -> None:
    """It is what the server had at some moment, and the watch brings the rest."""
    old = simulator.store.revision
    change(service)
    simulator.script(OlderReplica(verb="list", revision=old))
    async with followed(simulator) as seen:
        await agreed(simulator, seen)
        (first,) = [event for event in seen.events if isinstance(event, Listed)]
        assert first.resource_version == str(old)
        assert codes(simulator, "list") == [200]


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
async def test_an_idle_watch_that_is_cut_resumes(simulator: Simulator, service: ScriptedService, reset: bool) -> None:
    """It needs no event to notice."""
    async with followed(simulator) as seen:
        await simulator.request(verb="watch")
        simulator.cut_watches(reset=reset)
        await simulator.request(verb="watch", count=2)
        change(service)
        await agreed(simulator, seen)
        assert reasons(seen) == ["connection"]
        assert codes(simulator, "list") == [200]


async def test_bookmarks_keep_a_quiet_watch_from_expiring() -> None:
    """Much happens elsewhere and is forgotten; the bookmarks say how far the quiet one has seen."""
    async with Simulator(pace=Pace(bookmark_interval=0.01)) as simulator:
        service = ScriptedService(simulator)
        service.scale(3)
        async with followed(simulator) as seen:
            await simulator.request(verb="watch")
            for number in range(5):
                simulator.put("pods", {"metadata": {"name": f"other-{number}"}})
            simulator.compact()
            while simulator.requests[-1].query["resourceVersion"] != str(simulator.store.revision):
                count = len(codes(simulator, "watch"))
                simulator.end_watches()
                await simulator.request(verb="watch", count=count + 1)
                await asyncio.sleep(0.01)
            service.scale(4)
            await agreed(simulator, seen)


async def test_an_event_may_be_longer_than_a_mebibyte(simulator: Simulator, service: ScriptedService) -> None:
    """As long as the server stores, in one line."""
    async with followed(simulator) as seen:
        await simulator.request(verb="watch")
        large = endpoint_slice("large", endpoints=[endpoint(number % 250) for number in range(7000)])
        simulator.put("endpointslices", large)
        change(service)
        await agreed(simulator, seen)
        assert len(line("ADDED", large)) > 2**20
        assert codes(simulator, "watch") == [200]
        assert reasons(seen) == []


async def test_everything_at_once(simulator: Simulator, service: ScriptedService) -> None:
    """Faults in any order while members join and leave: in the end everything is known, and no revision was older."""
    jitter = random.Random(20260721)  # noqa: S311 - a script, not a secret
    faults = [fault for fault, *_ in TRANSIENT.values()]
    faults += [fault for fault, _ in UNREADABLE.values()]
    faults += EXPIRED.values()
    faults += [Gone(verb="list"), BadGateway(verb="list"), CutMidLine(verb="list"), Unauthorized(verb="list")]
    simulator.script(*jitter.sample(faults, len(faults)))
    async with followed(simulator) as seen:
        for _ in range(60):
            jitter.choice((simulator.end_watches, simulator.cut_watches, simulator.compact, lambda: None))()
            service.scale(jitter.randint(0, 9))
            await asyncio.sleep(0.005)
        simulator.behave()
        await agreed(simulator, seen)
        revisions = [int(event.resource_version) for event in seen.events if isinstance(event, Listed | Applied)]
        assert revisions == sorted(revisions)
        assert seen.state.scopes[SCOPE].resource_version == str(simulator.store.revision)
