"""Several ways to find the same members: which of them run, which is in the file, and that two never mix in it.

Virtual time, real files, scripted sources. The decision is a table in test_preference; the real API server and the real
DNS are in ``real``.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import pytest

from sidecar.failover.candidates import Candidate
from sidecar.failover.failover import Failover
from sidecar.formats import FORMATS
from sidecar.formats.samples import member
from sidecar.membership.events import Applied, Event, Failed, Listed, Recovered, Report
from sidecar.membership.policy.guards import Guards
from sidecar.membership.policy.leaves import LeavePolicy
from sidecar.membership.policy.rules import Rules
from sidecar.membership.track import Track
from sidecar.observability.metrics import Metrics
from sidecar.output.pipeline import Pipeline
from sidecar.output.publisher import Publisher
from tests.support.loop import make_loop, now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sidecar.membership.member import Member

pytestmark = pytest.mark.looptime

KINDS = ("endpointslice", "endpoints", "dns")
PATIENCE = 300.0
APP = [member(number, f"10.0.0.{number + 1}") for number in range(5)]
BY_DNS = [msgspec.structs.replace(each, name="", uid="", node="", hostname="") for each in APP]


class Scripted:
    """A source that says what it is told to say."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.active_at = self.heard_at = now()
        self.ended = False
        self.confirmed = 0
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    async def events(self) -> AsyncIterator[Event]:
        """What was told, until somebody ends it."""
        try:
            while True:
                yield await self._events.get()
        finally:
            self.ended = True

    def confirm(self) -> None:
        """A complete answer is wanted."""
        self.confirmed += 1

    def list(self, *members: Member, warning: str = "") -> None:
        """A complete answer."""
        report = Report(f"{self.scope}/x", 1, {each.key: each for each in members}, warning=warning)
        self._events.put_nowait(Listed(scope=self.scope, reports=(report,), resource_version="1", arrived=now()))

    def apply(self, *members: Member) -> None:
        """The origin is now this."""
        report = Report(f"{self.scope}/x", 1, {each.key: each for each in members})
        self._events.put_nowait(Applied(scope=self.scope, report=report, resource_version="2", arrived=now()))

    def fail(self, reason: str = "refused") -> None:
        """It cannot be asked."""
        message = f"{self.scope} is {reason}."
        self._events.put_nowait(Failed(scope=self.scope, reason=reason, message=message, arrived=now()))

    def recover(self) -> None:
        """It can be asked again, and nothing has changed."""
        self._events.put_nowait(Recovered(scope=self.scope))


GUARDS = Guards(start_timeout=3600.0)
CALM = LeavePolicy(max_shrink=0.5, shrink_hold=30.0)


class Running:
    """A keeper and what it follows, at work."""

    def __init__(self, directory: Path, guards: Guards = GUARDS, scopes: int = 1) -> None:
        self.path = directory / "members.json"
        self.metrics = Metrics([str(self.path)])
        self.made: dict[str, list[Scripted]] = {kind: [] for kind in KINDS}
        """The sources that were made, by kind."""
        tracks = [
            Track(kind, [f"{kind}{at}" for at in range(scopes)] if scopes > 1 else [kind], "auto") for kind in KINDS
        ]
        publisher = Publisher([self.path], fsync="never")
        publisher.prepare()
        self.pipeline = Pipeline(tracks, [FORMATS["json"]], rules=Rules(), leave_policy=CALM)
        self.loop = make_loop(self.pipeline, publisher, self.metrics, guards=guards)
        candidates = [Candidate(track, partial(self._make, track)) for track in tracks]
        self.failover = Failover(candidates, self.loop, fallback_after=PATIENCE, clock=now, metrics=self.metrics)
        self.loop.confirm = self.failover.confirm

    def _make(self, track: Track) -> list[Scripted]:
        self.made[track.source] += map(Scripted, track.scopes)
        return self.made[track.source][-len(track.scopes) :]

    def source(self, kind: str) -> Scripted:
        """The newest one of a kind."""
        return self.made[kind][-1]

    @property
    def running(self) -> list[str]:
        """What is followed."""
        return [source.scope for source in self.failover.sources]

    @property
    def file(self) -> tuple[str, list[str]]:
        """The source and the addresses in the file."""
        body = json.loads(self.path.read_bytes())
        return body["source"], [each["address"] for each in body["members"]]

    def active(self) -> list[str]:
        """What the metric says is believed."""
        value = self.metrics.registry.get_sample_value
        return [kind for kind in KINDS if value("membership_source_active", {"source": kind})]


@asynccontextmanager
async def running(directory: Path, guards: Guards = GUARDS, scopes: int = 1) -> AsyncIterator[Running]:
    """Run until the end of the block."""
    it = Running(directory, guards, scopes)
    tasks = [asyncio.create_task(it.failover.run()), asyncio.create_task(it.loop.publish_forever())]
    try:
        await asyncio.sleep(0.1)
        yield it
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def with_endpoints_instead(it: Running) -> Scripted:
    """Let Endpoints be believed; the source of EndpointSlices, which may not be read."""
    api = it.source("endpointslice")
    api.fail("forbidden")
    await asyncio.sleep(1)
    it.source("endpoints").list(*APP[:2])
    await asyncio.sleep(1)
    return api


async def test_where_the_first_way_works_no_other_is_followed(tmp_path: Path) -> None:
    """A sidecar costs the API server one watch."""
    async with running(tmp_path) as it:
        it.source("endpointslice").list(*APP[:2])
        await asyncio.sleep(1000)
        assert it.running == ["endpointslice"]
        assert it.file == ("endpointslice", ["10.0.0.1", "10.0.0.2"])
        assert it.active() == ["endpointslice"]
        assert it.failover.fallback_reason == ""


async def test_what_is_not_allowed_gives_way_at_once_and_takes_over_when_it_is(tmp_path: Path) -> None:
    """Slices, Endpoints, DNS; and back as soon as the Role is there."""
    async with running(tmp_path) as it:
        it.source("endpointslice").fail("forbidden")
        await asyncio.sleep(1)
        it.source("endpoints").fail("forbidden")
        await asyncio.sleep(1)
        assert it.running == list(KINDS)
        assert not it.path.exists()
        it.source("dns").list(*BY_DNS[:2])
        await asyncio.sleep(1)
        assert it.file == ("dns", ["10.0.0.1", "10.0.0.2"])
        assert it.active() == ["dns"]
        assert it.failover.fallback_reason == "endpointslice is forbidden."
        it.source("endpoints").list(*APP[:3])
        await asyncio.sleep(2)
        assert it.file == ("endpoints", ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
        assert it.running == ["endpointslice", "endpoints"]
        it.source("endpointslice").list(*APP[:3])
        await asyncio.sleep(2)
        assert it.file == ("endpointslice", ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
        assert it.running == ["endpointslice"]
        assert it.source("dns").ended


async def test_an_api_server_that_is_away_keeps_its_file_until_the_time_is_over(tmp_path: Path) -> None:
    """Then the next takes over, and hands back at a complete list, not when the API server merely answers."""
    async with running(tmp_path) as it:
        api = it.source("endpointslice")
        api.list(*APP[:2])
        await asyncio.sleep(100)
        api.fail()
        await asyncio.sleep(PATIENCE - 1)
        assert it.running == ["endpointslice"]
        await asyncio.sleep(2)
        assert it.running == ["endpointslice", "endpoints"]
        it.source("endpoints").fail()
        await asyncio.sleep(PATIENCE + 1)
        assert it.running == list(KINDS)
        assert it.file == ("endpointslice", ["10.0.0.1", "10.0.0.2"])
        it.source("dns").list(*BY_DNS[1:3])
        await asyncio.sleep(2)
        assert it.file == ("dns", ["10.0.0.2", "10.0.0.3"])
        assert api.confirmed == 1
        api.recover()
        await asyncio.sleep(2)
        assert it.file == ("dns", ["10.0.0.2", "10.0.0.3"])
        api.list(*APP[:2])
        await asyncio.sleep(2)
        assert it.file == ("endpointslice", ["10.0.0.1", "10.0.0.2"])
        assert it.running == ["endpointslice"]


async def test_what_the_api_server_says_while_another_is_believed_comes_with_it(tmp_path: Path) -> None:
    """The members of two ways are never in one file."""
    async with running(tmp_path) as it:
        api = await with_endpoints_instead(it)
        files = [it.file]
        for size in (1, 3, 4):
            it.source("endpoints").apply(*APP[:size])
            api.list(APP[4]) if size == 3 else None
            await asyncio.sleep(2)
            files.append(it.file)
        addresses = [each.address for each in APP]
        assert files == [
            ("endpoints", addresses[:2]),
            ("endpoints", addresses[:1]),
            ("endpointslice", addresses[4:]),
            ("endpointslice", addresses[4:]),
        ]


async def test_what_was_believed_long_ago_is_not_believed_again(tmp_path: Path) -> None:
    """A way that is taken up again starts with nothing, not with what it knew when it was left."""
    async with running(tmp_path) as it:
        api = await with_endpoints_instead(it)
        api.list(*APP[:3])
        await asyncio.sleep(1)
        api.fail()
        await asyncio.sleep(PATIENCE + 1)
        assert len(it.made["endpoints"]) == 2
        assert it.file == ("endpointslice", ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
        it.source("endpoints").list(*APP[:1])
        await asyncio.sleep(2)
        assert it.file == ("endpoints", ["10.0.0.1"])


async def test_a_warning_is_shown_as_long_as_it_is_true(tmp_path: Path) -> None:
    """Of the way that is believed."""
    async with running(tmp_path) as it:
        value = partial(it.metrics.registry.get_sample_value, "membership_source_warnings")
        it.source("endpointslice").list(APP[0], warning="It is truncated.")
        await asyncio.sleep(1)
        assert list(it.pipeline.active.warnings.values()) == ["It is truncated."]
        assert value() == 1
        it.source("endpointslice").apply(APP[0])
        await asyncio.sleep(1)
        assert value() == 0


async def test_a_set_that_shrinks_too_much_is_asked_for_again(tmp_path: Path) -> None:
    """Once; the answer ends the hold."""
    async with running(tmp_path) as it:
        api = it.source("endpointslice")
        api.list(*APP[:4])
        await asyncio.sleep(5)
        api.apply(APP[0])
        await asyncio.sleep(2)
        assert len(it.file[1]) == 4
        assert api.confirmed == 1
        api.list(APP[0])
        await asyncio.sleep(1)
        assert it.file[1] == ["10.0.0.1"]
        assert api.confirmed == 1


async def test_a_candidate_that_is_not_used_does_not_delay_the_first_file(tmp_path: Path) -> None:
    """``--stable-for`` waits for the source that is used, not for one that is forbidden all along."""
    async with running(tmp_path, guards=Guards(stable_for=5.0, start_timeout=3600.0)) as it:
        await with_endpoints_instead(it)
        await asyncio.sleep(5)
        assert it.file == ("endpoints", ["10.0.0.1", "10.0.0.2"])


async def test_a_list_that_shrinks_too_much_is_asked_for_again(tmp_path: Path) -> None:
    """Also if it was a complete list itself that took them away."""
    async with running(tmp_path) as it:
        api = it.source("endpointslice")
        api.list(*APP[:4])
        await asyncio.sleep(5)
        api.list(APP[0])
        await asyncio.sleep(2)
        assert len(it.file[1]) == 4
        assert api.confirmed == 1
        api.list(APP[0])
        await asyncio.sleep(1)
        assert it.file[1] == ["10.0.0.1"]


async def test_a_candidate_of_several_scopes_works_again_when_all_of_them_were_listed(tmp_path: Path) -> None:
    """The members of one that was not are from before the failure."""
    async with running(tmp_path, scopes=2) as it:
        slices = it.made["endpointslice"]
        slices[0].list(APP[0])
        slices[1].list(APP[1])
        await asyncio.sleep(1)
        for source in slices:
            source.fail()
        await asyncio.sleep(PATIENCE + 1)
        for source, each in zip(it.made["endpoints"], APP, strict=False):
            source.list(each)
        await asyncio.sleep(1)
        assert it.file[0] == "endpoints"
        assert [source.confirmed for source in slices] == [1, 1]
        slices[0].list(APP[0])
        slices[1].recover()
        await asyncio.sleep(1)
        assert it.file[0] == "endpoints"
        slices[1].list(APP[1])
        await asyncio.sleep(1)
        assert it.file[0] == "endpointslice"


async def test_a_candidate_that_is_started_again_is_given_the_same_time(tmp_path: Path) -> None:
    """That it was given up in another outage does not count."""
    async with running(tmp_path) as it:
        api = await with_endpoints_instead(it)
        it.source("endpoints").fail()
        await asyncio.sleep(PATIENCE + 1)
        it.source("dns").list(*BY_DNS[:2])
        await asyncio.sleep(1)
        assert it.running == list(KINDS)
        api.list(*APP[:2])
        await asyncio.sleep(1)
        assert it.running == ["endpointslice"]
        api.fail()
        await asyncio.sleep(PATIENCE + 1)
        assert it.running == ["endpointslice", "endpoints"]
