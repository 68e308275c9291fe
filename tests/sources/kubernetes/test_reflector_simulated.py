"""The real connection and the reflector against an API server on a real socket that does what it should not.

After each fault the same holds: what is known equals what the server has, no change in between was lost, nobody listed
who need not, and what is said of the failure is true. When exactly who waits how long is in test_reflector, in virtual
time; what each refusal says is in test_api.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from sidecar.membership.events import Applied, Failed, Listed
from sidecar.observability.metrics import Metrics
from sidecar.simulator import (
    FOREVER,
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
    Silence,
    Simulator,
    SlowDrip,
    TooManyRequests,
    Unauthorized,
)
from sidecar.simulator.watching import Pace
from sidecar.sources.kubernetes.connection import Timeouts
from sidecar.sources.kubernetes.reflector import Reflector
from sidecar.sources.kubernetes.timing import Timing
from tests.support.builders import (
    SCOPE,
    Followed,
    bookmark,
    collection,
    connected,
    endpoint,
    endpoint_slice,
    following,
    grants,
    line,
    reports,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from sidecar.membership.events import Report
    from sidecar.sources.kubernetes.loaders import Configuration, Loader

QUICK = Timing(retry=0.01, retry_cap=0.02, refused_cap=0.02, short_watch=0.0, too_large_tries=1)
"""Client-go's rules at a hundredth of its times; no watch counts as short, since all of them are."""

PATIENT = Timeouts()
IMPATIENT = Timeouts(list_total=0.5, list_read=0.1, watch_read=0.1)


@asynccontextmanager
async def followed(
    simulator: Simulator,
    *,
    timing: Timing = QUICK,
    timeouts: Timeouts = PATIENT,
    load: Loader | None = None,
) -> AsyncIterator[Followed]:
    """What a reflector says of the simulator."""
    metrics = Metrics([])
    async with connected(load or grants(simulator.url), metrics=metrics, timeouts=timeouts) as connection:
        reflector = Reflector(
            connection,
            collection(),
            metrics=metrics,
            not_older_than="",
            clock=asyncio.get_running_loop().time,
            jitter=lambda: 0.0,
            timing=timing,
        )
        async with following(reflector) as seen:
            yield seen


def stored(simulator: Simulator) -> Mapping[str, Report]:
    """What there is to be known."""
    return reports(*(obj for _, obj in simulator.store.objects("endpointslices")))


async def agreed(simulator: Simulator, seen: Followed) -> None:
    """Wait until all of that is known."""
    await seen.until(lambda it: it.state.synced and it.reports == stored(simulator))


def codes(simulator: Simulator, verb: str) -> Sequence[int]:
    """How the requests of a verb were answered."""
    return [asked.status for asked in simulator.requests if asked.verb == verb]


def reasons(seen: Followed) -> Sequence[str]:
    """What went wrong."""
    return [event.reason for event in seen.events if isinstance(event, Failed)]


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


def change(service: ScriptedService) -> None:
    """Somebody comes, somebody goes, somebody returns as somebody else: six events or so."""
    service.scale(6)
    service.remove("app-0")
    service.replace("app-1")
    service.terminate("app-2")


class Rotating:
    """A loader whose token is replaced.

    Args:
        url: the API server's.
        bearer: the token at first.
    """

    def __init__(self, url: str, bearer: str) -> None:
        self._url = url
        self.bearer = bearer

    async def __call__(self, configuration: Configuration, *, afresh: bool) -> str:
        """As ``Loader``."""
        return await grants(self._url, token=self.bearer)(configuration, afresh=afresh)


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
    "garbage": (InsertLine(line=b"garbage\n"), [200, 200, 200], ["malformed"]),
    "garbage between events": (InsertLine(line=b"\x00\xff\n", after=2), [200, 200, 200], ["malformed"]),
    "an unknown type": (
        InsertLine(line=line("RENAMED", endpoint_slice(revision=9999)), after=1),
        [200, 200, 200],
        ["malformed"],
    ),
    "an older bookmark": (InsertLine(line=bookmark(1), after=1), [200, 200, 200], ["older"]),
    "a blank line": (InsertLine(line=b"\n", after=1), [200, 200], []),
    "byte by byte": (SlowDrip(size=1), [200, 200], []),
    "three bytes at a time": (SlowDrip(size=3), [200, 200], []),
}


@pytest.mark.parametrize(("fault", "watched", "failed"), TRANSIENT.values(), ids=TRANSIENT)
async def test_a_watch_that_fails_goes_on_where_it_was(
    simulator: Simulator, service: ScriptedService, fault: Fault, watched: Sequence[int], failed: Sequence[str]
) -> None:
    """Nobody lists, nobody is lost, and nobody is forgotten meanwhile."""
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


EXPIRED: dict[str, Fault] = {"status": Gone(), "event": GoneEvent(), "event after others": GoneEvent(after=2)}


@pytest.mark.parametrize("fault", EXPIRED.values(), ids=EXPIRED)
async def test_a_watch_that_has_expired_lists_once(
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
async def test_a_first_list_that_fails_is_asked_again(
    simulator: Simulator,
    service: ScriptedService,
    faults: Sequence[Fault],
    listed: Sequence[int],
    failed: Sequence[str],
) -> None:
    """Until there is a whole one; nothing is known before."""
    simulator.script(*faults)
    async with followed(simulator) as seen:
        await seen.until(lambda it: it.state.synced)
        assert seen.reports == stored(simulator)
        assert codes(simulator, "list") == listed
        assert reasons(seen) == failed
        assert len(seen.of(Listed)) == 1
        change(service)
        await agreed(simulator, seen)


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
    """It is what the server said at some moment, and the watch tells the rest."""
    old = simulator.store.revision
    change(service)
    simulator.script(OlderReplica(verb="list", revision=old))
    async with followed(simulator) as seen:
        await agreed(simulator, seen)
        (first,) = [event for event in seen.events if isinstance(event, Listed)]
        assert first.resource_version == str(old)
        assert codes(simulator, "list") == [200]


async def test_a_token_that_was_rotated_costs_one_refusal(simulator: Simulator, service: ScriptedService) -> None:
    """The new one is there already: no wait, no list."""
    load = Rotating(simulator.url, "old")
    simulator.accept_tokens("old")
    async with followed(simulator, load=load, timing=Timing()) as seen:
        await simulator.request(verb="watch")
        change(service)
        await agreed(simulator, seen)
        load.bearer = "new"
        simulator.accept_tokens("new")
        simulator.end_watches()
        service.scale(1)
        await agreed(simulator, seen)
        await simulator.request(verb="watch", count=3)
        service.scale(4)
        await agreed(simulator, seen)
        assert codes(simulator, "watch") == [200, 401, 200]
        assert codes(simulator, "list") == [200]
        assert reasons(seen) == ["unauthorized"]


async def test_a_token_that_is_rotated_too_late_is_waited_for(simulator: Simulator, service: ScriptedService) -> None:
    """Each refusal reads it again, until it is the right one."""
    load = Rotating(simulator.url, "old")
    simulator.accept_tokens("new")
    async with followed(simulator, load=load) as seen:
        await simulator.request(verb="list", count=4)
        assert seen.events
        assert {type(event) for event in seen.events} == {Failed}
        load.bearer = "new"
        await agreed(simulator, seen)
        assert codes(simulator, "list")[-1] == 200


@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_silence_is_not_believed(simulator: Simulator, service: ScriptedService, verb: str) -> None:
    """A half-open connection ends with the patience for it; what happened meanwhile comes with the next."""
    if verb == "list":
        simulator.script(Silence(verb="list"))
    async with followed(simulator, timeouts=IMPATIENT) as seen:
        if verb == "watch":
            await simulator.request(verb="watch")
            simulator.script(Silence(verb="watch"))
            simulator.end_watches()
            await simulator.request(verb="watch", count=2)
        change(service)
        await agreed(simulator, seen)
        assert reasons(seen) == (["timeout"] if verb == "list" else [])
        assert codes(simulator, "list") == ([200, 200] if verb == "list" else [200])


async def test_a_server_that_ends_every_watch_at_once_is_not_hammered(
    simulator: Simulator, service: ScriptedService
) -> None:
    """It is asked again after a wait that grows, though nothing was wrong with any answer."""
    simulator.script(ImmediateEOF(verb="watch", times=FOREVER))
    async with followed(simulator, timing=Timing(retry=0.1)) as seen:
        times = [(await simulator.request(verb="watch", count=count)).at for count in (1, 2, 3)]
        assert times[1] - times[0] >= 0.09
        assert times[2] - times[1] >= 0.19
        simulator.behave()
        change(service)
        await agreed(simulator, seen)
        assert reasons(seen) == ["short_watch"] * 3
        assert codes(simulator, "list") == [200]


async def test_a_server_that_was_away_is_followed_on(simulator: Simulator, service: ScriptedService) -> None:
    """A restart with its history: what happened meanwhile is told by the watch; nobody lists."""
    async with followed(simulator) as seen:
        await simulator.request(verb="watch")
        before = seen.reports
        await simulator.stop_serving()
        change(service)
        await seen.until(lambda it: "refused" in reasons(it))
        assert seen.reports == before
        await simulator.serve_again()
        await agreed(simulator, seen)
        assert codes(simulator, "list") == [200]
        assert set(reasons(seen)) == {"connection", "refused"}
        assert seen.kinds.count("Recovered") == 1


@pytest.mark.parametrize("how", ["restarted", "compacted"])
async def test_a_server_that_has_lost_its_history_is_listed(
    simulator: Simulator, service: ScriptedService, how: str
) -> None:
    """Then the watch is refused as too old, and one list tells it all."""
    async with followed(simulator) as seen:
        await simulator.request(verb="watch")
        await simulator.stop_serving()
        change(service)
        if how == "compacted":
            simulator.compact()
        await simulator.serve_again(lose_history=how == "restarted")
        await agreed(simulator, seen)
        assert codes(simulator, "list") == [200, 200]
        service.scale(2)
        await agreed(simulator, seen)
        assert codes(simulator, "list") == [200, 200]


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
async def test_a_watch_that_is_cut_in_its_sleep_goes_on(
    simulator: Simulator, service: ScriptedService, reset: bool
) -> None:
    """No event is needed to notice."""
    async with followed(simulator) as seen:
        await simulator.request(verb="watch")
        simulator.cut_watches(reset=reset)
        await simulator.request(verb="watch", count=2)
        change(service)
        await agreed(simulator, seen)
        assert reasons(seen) == ["connection"]
        assert codes(simulator, "list") == [200]


async def test_bookmarks_keep_a_quiet_watch_from_expiring() -> None:
    """Much happens elsewhere and is forgotten; the quiet one knows how far it has heard."""
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
    """Faults in any order while members come and go: in the end all is known, and no revision was older."""
    jitter = random.Random(20260721)  # noqa: S311 - a script, not a secret
    faults = [fault for fault, *_ in TRANSIENT.values()]
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
