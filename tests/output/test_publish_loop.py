"""The loop: when files are written, with virtual time; real files, scripted sources.

Out of scope: the API (test_reflector), the syscalls of a publication (test_publisher).
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import msgspec
import pytest

from sidecar.backoff import Backoff
from sidecar.errors import StartTimeoutError
from sidecar.formats import FORMATS
from sidecar.formats.samples import member
from sidecar.membership.events import Applied, Event, Failed, Listed, Report
from sidecar.membership.policy.guards import Guards, MinMembers
from sidecar.membership.policy.leaves import LeavePolicy
from sidecar.membership.policy.rules import Rules
from sidecar.membership.policy.timing import Pace
from sidecar.membership.track import Track
from sidecar.observability.metrics import Metrics
from sidecar.output.pipeline import Pipeline
from sidecar.output.publish_loop import PublishLoop
from sidecar.output.publisher import Publisher

if TYPE_CHECKING:
    from sidecar.membership.member import Member
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")

SCOPE = "endpointslice/default/app"

pytestmark = pytest.mark.looptime


class Inline(Executor):
    """Writes at once, so that virtual time stands still meanwhile."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call it."""
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Scripted:
    """A source that says what it is told to say."""

    scope = SCOPE

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    async def events(self) -> AsyncIterator[Event]:
        """What was told, for ever."""
        while True:
            yield await self._events.get()

    def list(self, *members: Member) -> None:
        """A complete answer of one slice."""
        self._events.put_nowait(Listed(scope=SCOPE, reports=(_report(members),), resource_version="1", arrived=_now()))

    def apply(self, *members: Member, problem: str = "") -> None:
        """The slice is now this."""
        event = Applied(scope=SCOPE, report=_report(members, problem), resource_version="2", arrived=_now())
        self._events.put_nowait(event)

    def fail(self, message: str) -> None:
        """It cannot be asked."""
        self._events.put_nowait(Failed(scope=SCOPE, reason="refused", message=message))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _report(members: tuple[Member, ...], problem: str = "") -> Report:
    return Report("endpointslice/default/app-x", 1, {each.key: each for each in members}, problem)


def members_in(path: Path) -> list[str]:
    """Names in the json file."""
    return [each["name"] for each in json.loads(path.read_bytes())["members"]]


APP = [member(number, f"10.0.0.{number + 1}") for number in range(5)]


GUARDS, CALM = Guards(), LeavePolicy()


class Running:
    """A keeper at work."""

    def __init__(self, directory: Path, *, guards: Guards = GUARDS, leave_policy: LeavePolicy = CALM) -> None:
        self.path = directory / "members.json"
        self.source = Scripted()
        self.metrics = Metrics([str(self.path)])
        publisher = Publisher([self.path], fsync="never")
        publisher.prepare()
        pipeline = Pipeline(
            [Track("endpointslice", [SCOPE], "auto")], [FORMATS["json"]], rules=Rules(), leave_policy=leave_policy
        )
        self.keeper = PublishLoop(
            pipeline,
            publisher,
            pace=Pace(settle=0.2, settle_max=1.0),
            guards=guards,
            metrics=self.metrics,
            retry=Backoff(clock=_now, jitter=lambda: 0.0),
            clock=_now,
            executor=Inline(),
        )

    async def follow(self) -> None:
        """Feed the keeper."""
        async for event in self.source.events():
            self.keeper.take(event)

    def ready(self) -> bool:
        """What /readyz says."""
        return self.keeper.published

    def value(self, name: str, **labels: str) -> float | None:
        """A sample of a metric."""
        return self.metrics.registry.get_sample_value(name, labels)


@asynccontextmanager
async def running(
    directory: Path, *, guards: Guards = GUARDS, leave_policy: LeavePolicy = CALM
) -> AsyncIterator[Running]:
    """Run a keeper until the end of the block."""
    made = Running(directory, guards=guards, leave_policy=leave_policy)
    tasks = [asyncio.create_task(made.follow()), asyncio.create_task(made.keeper.publish_forever())]
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def published(it: Running, *names: str) -> float:
    """Wait for a file with these members; return when it was there."""
    async with asyncio.timeout(100):
        while not it.path.exists() or members_in(it.path) != list(names):
            await asyncio.sleep(0.01)
    seen = _now()
    await asyncio.sleep(0.01)  # let the observers be told
    return seen


async def test_the_first_file_is_written_as_soon_as_there_is_an_answer(tmp_path: Path) -> None:
    """Without waiting for anything to settle; and only then it is ready."""
    async with running(tmp_path) as it:
        await asyncio.sleep(5)
        assert not it.ready()
        assert not it.path.exists()
        assert it.keeper.held == "no complete answer yet: still listing"
        assert it.value("membership_guard_held", reason="not-synced") == 1
        listed = _now()
        it.source.list(APP[0])
        assert await published(it, "app-0") - listed < 0.1
        await it.keeper.first_publication.wait()
        assert it.ready()
        assert it.value("membership_guard_held", reason="not-synced") == 0
        assert it.value("membership_members", state="ready") == 1


async def test_an_isolated_join_is_written_at_once_and_a_leave_when_it_is_quiet(tmp_path: Path) -> None:
    """Joins are fast, leaves are calm."""
    async with running(tmp_path) as it:
        it.source.list(APP[0], APP[1])
        await published(it, "app-0", "app-1")
        await asyncio.sleep(3)
        joined = _now()
        it.source.apply(*APP[:3])
        assert await published(it, "app-0", "app-1", "app-2") - joined < 0.1
        await asyncio.sleep(3)
        left = _now()
        it.source.apply(*APP[1:3])
        assert 0.2 <= await published(it, "app-1", "app-2") - left < 0.3
        assert it.value("membership_file_writes_total", output=str(it.path), result="written") == 3
        assert it.value("membership_file_generation", output=str(it.path)) == 3
        assert it.value("membership_change_to_write_seconds_count") == 3


async def test_a_burst_becomes_two_files(tmp_path: Path) -> None:
    """The first change at once, the rest together when it is quiet, and within the ceiling."""
    async with running(tmp_path) as it:
        it.source.list(APP[0])
        await published(it, "app-0")
        await asyncio.sleep(3)
        for count in range(2, 6):
            it.source.apply(*APP[:count])
            await asyncio.sleep(0.05)
        await published(it, *(each.name for each in APP))
        assert it.value("membership_file_generation", output=str(it.path)) == 3


async def test_a_member_that_only_moved_was_never_gone(tmp_path: Path) -> None:
    """Out of a slice and back within the settle time: the file is not touched."""
    async with running(tmp_path) as it:
        it.source.list(*APP[:2])
        await published(it, "app-0", "app-1")
        before = it.path.stat()
        await asyncio.sleep(1)
        it.source.apply(APP[0])
        await asyncio.sleep(0.1)
        it.source.apply(*APP[:2])
        await asyncio.sleep(5)
        assert (it.path.stat().st_ino, it.path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_a_failure_changes_no_file(tmp_path: Path) -> None:
    """The last good one stays."""
    async with running(tmp_path) as it:
        it.source.list(*APP[:2])
        await published(it, "app-0", "app-1")
        it.source.fail("the API server is away")
        await asyncio.sleep(3600)
        assert members_in(it.path) == ["app-0", "app-1"]
        assert it.ready()


async def test_too_few_members_wait_and_then_are_published_all_the_same(tmp_path: Path) -> None:
    """The gate of the first file: min-members, or the end of start-timeout."""
    async with running(tmp_path, guards=Guards(min_members=MinMembers(3), start_timeout=60.0)) as it:
        it.source.list(*APP[:2])
        await asyncio.sleep(30)
        assert not it.path.exists()
        assert it.keeper.held == "2 of at least 3 members (--min-members)"
        assert it.value("membership_guard_held", reason="min-members") == 1
        assert 60.0 <= await published(it, "app-0", "app-1") < 60.1


async def test_the_gate_opens_when_there_are_enough(tmp_path: Path) -> None:
    """And is never closed again."""
    async with running(tmp_path, guards=Guards(min_members=MinMembers(2))) as it:
        it.source.list(APP[0])
        await asyncio.sleep(10)
        it.source.apply(*APP[:2])
        await published(it, "app-0", "app-1")
        await asyncio.sleep(1)
        it.source.apply(APP[0])
        await published(it, "app-0")


async def test_without_an_answer_in_time_it_gives_up_and_says_why(tmp_path: Path) -> None:
    """An empty file would split a cluster, and waiting for ever would hide the reason."""
    it = Running(tmp_path, guards=Guards(start_timeout=20.0))
    follow = asyncio.create_task(it.follow())
    it.source.fail("403: grant it")
    with pytest.raises(StartTimeoutError, match="within --start-timeout: 403: grant it"):
        await it.keeper.publish_forever()
    assert 20.0 <= _now() < 20.1
    follow.cancel()


async def test_a_restart_keeps_the_file_of_its_predecessor(tmp_path: Path) -> None:
    """It is ready from the start, never gives up, and does not touch a file that is still true."""
    async with running(tmp_path) as it:
        it.source.list(*APP[:2])
        await published(it, "app-0", "app-1")
        await it.keeper.first_publication.wait()
    before = it.path.stat()
    async with running(tmp_path, guards=Guards(min_members=MinMembers(3), start_timeout=10.0)) as again:
        assert again.ready()
        assert again.value("membership_file_generation", output=str(again.path)) == 1
        assert again.value("membership_file_last_write_timestamp_seconds", output=str(again.path)) == before.st_mtime
        await asyncio.sleep(100)
        again.source.list(*APP[:2])
        await again.keeper.first_publication.wait()
        assert (again.path.stat().st_ino, again.path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        assert again.value("membership_file_writes_total", output=str(again.path), result="unchanged") == 1


async def test_an_answer_that_cannot_be_used_is_held_back(tmp_path: Path) -> None:
    """An ambiguous port: the last good file stays, and the reason is told until it is gone."""
    async with running(tmp_path) as it:
        it.source.list(*APP[:2])
        await published(it, "app-0", "app-1")
        it.source.apply(problem="several ports: choose one")
        await asyncio.sleep(10)
        assert members_in(it.path) == ["app-0", "app-1"]
        assert it.keeper.held == "several ports: choose one"
        assert it.value("membership_guard_held", reason="problem") == 1
        it.source.apply(APP[0])
        await published(it, "app-0")
        assert it.keeper.held == ""


async def test_a_write_that_fails_is_tried_again_with_the_newest_set(tmp_path: Path) -> None:
    """The old file stays meanwhile; what changed since goes into the same file."""
    directory = tmp_path / "volume"
    directory.mkdir()
    async with running(directory) as it:
        it.source.list(APP[0])
        await published(it, "app-0")
        directory.rename(tmp_path / "away")
        await asyncio.sleep(1)
        it.source.apply(*APP[:2])
        while not it.keeper.errors:
            await asyncio.sleep(0.01)
        assert it.keeper.errors[0].code == "ENOENT"
        assert it.value("membership_file_write_errors_total", output=it.keeper.errors[0].path, errno="ENOENT") == 1
        it.source.apply(*APP[:3])
        await asyncio.sleep(10)
        (tmp_path / "away").rename(directory)
        assert members_in(it.path) == ["app-0"]
        await published(it, "app-0", "app-1", "app-2")
        assert not it.keeper.errors


async def test_an_update_of_a_member_is_written_at_once(tmp_path: Path) -> None:
    """Nobody leaves."""
    async with running(tmp_path) as it:
        it.source.list(APP[0])
        await published(it, "app-0")
        await asyncio.sleep(1)
        changed = _now()
        it.source.apply(msgspec.structs.replace(APP[0], zone="eu-2"))
        while b"eu-2" not in it.path.read_bytes():
            await asyncio.sleep(0.01)
        assert _now() - changed < 0.1


async def test_a_member_that_left_stays_for_the_hold_down_while_others_join(tmp_path: Path) -> None:
    """The join is written at once, the leave in its time."""
    async with running(tmp_path, leave_policy=LeavePolicy(hold_down=30.0)) as it:
        it.source.list(*APP[:2])
        await published(it, "app-0", "app-1")
        await asyncio.sleep(3)
        left = _now()
        it.source.apply(APP[0])
        await asyncio.sleep(10)
        joined = _now()
        it.source.apply(APP[0], APP[2])
        assert await published(it, "app-0", "app-1", "app-2") - joined < 0.1
        assert 30.2 <= await published(it, "app-0", "app-2") - left < 30.3


async def test_a_set_that_shrinks_too_much_is_held_until_a_list_confirms_it(tmp_path: Path) -> None:
    """And shown meanwhile; without a list, until the time limit."""
    async with running(tmp_path, leave_policy=LeavePolicy(max_shrink=0.5, shrink_hold=30.0)) as it:
        it.source.list(*APP[:4])
        await published(it, "app-0", "app-1", "app-2", "app-3")
        it.source.apply(APP[0])
        await asyncio.sleep(10)
        assert len(members_in(it.path)) == 4
        assert it.keeper.held.startswith("3 of 4 members left")
        assert it.value("membership_guard_held", reason="shrink") == 1
        listed = _now()
        it.source.list(APP[0])
        assert await published(it, "app-0") - listed < 0.1
        assert it.keeper.held == ""
        it.source.apply(*APP[:4])
        await published(it, "app-0", "app-1", "app-2", "app-3")
        left = _now()
        it.source.apply(APP[0])
        assert 30.0 <= await published(it, "app-0") - left < 30.1


async def test_a_guard_of_the_first_file_may_end_the_program(tmp_path: Path) -> None:
    """If it is told so: the message says which."""
    demanded = Guards(require_self=True, start_timeout=20.0, start_outcome="exit")
    async with running(tmp_path, guards=demanded) as it:
        it.source.list(APP[1])
        await asyncio.sleep(10)
        assert it.value("membership_guard_held", reason="self") == 1
        with pytest.raises(StartTimeoutError, match="own pod is not among the members"):
            await it.keeper.publish_forever()
    assert not it.path.exists()


async def test_the_first_file_waits_until_nobody_comes_or_goes(tmp_path: Path) -> None:
    """A condition that flips is neither."""
    async with running(tmp_path, guards=Guards(stable_for=5.0)) as it:
        it.source.list(APP[0])
        await asyncio.sleep(4)
        last = _now()
        it.source.apply(*APP[:2])
        await asyncio.sleep(4)
        it.source.apply(APP[0], msgspec.structs.replace(APP[1], zone="eu-2"))
        assert 5.0 <= await published(it, "app-0", "app-1") - last < 5.1
