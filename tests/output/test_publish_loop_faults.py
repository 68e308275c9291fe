"""The loop, where joins and leaves meet, and where volumes fail, hang, or are changed by others. Virtual time."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import msgspec
import pytest
from structlog.testing import capture_logs

from sidecar.errors import StartTimeoutError
from sidecar.membership.policy.guards import Guards, MinMembers
from sidecar.output.publish_loop import Demands
from tests.support.loop import APP, GUARDS, PACE, Running, members_in, now, published, running, waiting_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")

pytestmark = pytest.mark.looptime

TWO = {"one/members.json": "json", "two/hosts.txt": "jgroups"}


def two_volumes(directory: Path) -> Path:
    """Make them, and return the second."""
    for name in TWO:
        (directory / name).parent.mkdir()
    return directory / "two"


# --- Joins and leaves


async def test_a_join_does_not_wait_for_a_leave_that_came_with_it(tmp_path: Path) -> None:
    """The join at once with the leaver still listed; the leave when it has settled."""
    async with running(tmp_path) as it:
        it.source.list(*APP[:2])
        await published(it, "app-0", "app-1")
        await asyncio.sleep(3)
        changed = now()
        it.source.apply(APP[0], APP[2])
        assert await published(it, "app-0", "app-1", "app-2") - changed < 0.05
        assert 0.2 <= await published(it, "app-0", "app-2") - changed < 0.25


async def test_a_join_does_not_wait_for_a_leave_that_is_settling(tmp_path: Path) -> None:
    """Nor does the leave wait any longer for it."""
    async with running(tmp_path) as it:
        it.source.list(*APP[:2])
        await published(it, "app-0", "app-1")
        await asyncio.sleep(3)
        left = now()
        it.source.apply(APP[0])
        await asyncio.sleep(0.1)
        joined = now()
        it.source.apply(APP[0], APP[2])
        assert await published(it, "app-0", "app-1", "app-2") - joined < 0.05
        assert 0.2 <= await published(it, "app-0", "app-2") - left < 0.25


async def test_a_successor_at_the_same_address_takes_it_over_at_once(tmp_path: Path) -> None:
    """Two pods of one address are never in the file: the leave goes with the join."""
    async with running(tmp_path) as it:
        it.source.list(*APP[:2])
        await published(it, "app-0", "app-1")
        await asyncio.sleep(3)
        changed = now()
        heir = msgspec.structs.replace(APP[2], address=APP[1].address, addresses=APP[1].addresses)
        it.source.apply(APP[0], heir)
        assert await published(it, "app-0", "app-2") - changed < 0.05


# --- Outputs that fail


async def test_an_output_that_fails_does_not_delay_the_others(tmp_path: Path) -> None:
    """It is retried by itself, and gets the newest set; the healthy ones stay as quick as ever."""
    second = two_volumes(tmp_path)
    async with running(tmp_path, outputs=TWO) as it:
        it.source.list(APP[0])
        await published(it, "app-0")
        second.rename(tmp_path / "away")
        await asyncio.sleep(3)
        for count in (2, 3, 4):
            joined = now()
            it.source.apply(*APP[:count])
            assert await published(it, *(each.name for each in APP[:count])) - joined < 0.05
            await asyncio.sleep(1)
        assert [error.code for error in it.loop.outputs.errors] == ["ENOENT"]
        assert [bool(output.error) for output in it.loop.outputs.all] == [False, True]
        (tmp_path / "away").rename(second)
        await asyncio.sleep(70)
        assert not it.loop.outputs.errors
        assert it.paths[1].read_text().splitlines()[1:] == [f"{each.address}[5701]" for each in APP[:4]]


async def test_what_could_not_be_written_is_not_shown_as_published(tmp_path: Path) -> None:
    """Neither by the log nor by the metrics; the write that succeeds later shows all of it, since it happened."""
    directory = tmp_path / "volume"
    directory.mkdir()
    async with running(directory) as it:
        it.source.list(APP[0])
        await published(it, "app-0")
        directory.rename(tmp_path / "away")
        await asyncio.sleep(3)
        with capture_logs() as lines:
            it.source.apply(*APP[:2])
            await asyncio.sleep(5)
            it.source.apply(*APP[:3])
            await asyncio.sleep(20)
        assert {line["event"] for line in lines} == {"file not written"}
        assert all(line["retry_seconds"] > 0 for line in lines)
        assert it.value("membership_members", state="ready") == 1
        assert len(it.loop.written.members) == 1
        assert it.value("membership_change_to_write_seconds_count") == 1
        (tmp_path / "away").rename(directory)
        with capture_logs() as lines:
            await published(it, "app-0", "app-1", "app-2")
        assert [line["path"] for line in lines if line["event"] == "file recovered"] == [str(it.path)]
        (line,) = [line for line in lines if line["event"] == "published"]
        assert (line["joined"], line["members"], line["generation"]) == (["app-1", "app-2"], 3, 2)
        assert it.value("membership_members", state="ready") == 3
        assert it.value("membership_change_to_write_seconds_count") == 2
        assert (it.value("membership_change_to_write_seconds_sum") or 0.0) > 25.0


async def test_a_retry_is_no_new_generation(tmp_path: Path) -> None:
    """However often the second output fails, the set is the second one."""
    second = two_volumes(tmp_path)
    async with running(tmp_path, outputs=TWO) as it:
        it.source.list(APP[0])
        await published(it, "app-0")
        second.rename(tmp_path / "away")
        it.source.apply(*APP[:2])
        await asyncio.sleep(200)
        errors = it.value("membership_file_writes_total", output=str(it.paths[1]), result="error") or 0
        assert errors > 3
        assert it.value("membership_file_generation", output=str(it.path)) == 2


# --- Files that others change


async def test_a_file_that_was_removed_is_back_within_a_minute(tmp_path: Path) -> None:
    """With nothing else happening; and it is logged."""
    async with running(tmp_path) as it:
        it.source.list(APP[0])
        await published(it, "app-0")
        await asyncio.sleep(90)
        assert it.value("membership_file_writes_total", output=str(it.path), result="unchanged") == 0
        it.path.unlink()
        with capture_logs() as lines:
            await asyncio.sleep(61)
        assert members_in(it.path) == ["app-0"]
        assert [line["event"] for line in lines] == ["file restored"]
        assert it.value("membership_file_generation", output=str(it.path)) == 1
        assert it.value("membership_file_writes_total", output=str(it.path), result="unchanged") == 0


async def test_a_probe_has_the_files_looked_at(tmp_path: Path) -> None:
    """At once, so that whoever asks whether they are there makes them be there."""
    async with running(tmp_path) as it:
        it.source.list(APP[0])
        await published(it, "app-0")
        it.path.write_text("not ours")
        it.loop.verify()
        await asyncio.sleep(0.01)
        assert members_in(it.path) == ["app-0"]


# --- Volumes that cannot be written to, or do not answer


@pytest.mark.parametrize("once", [False, True])
async def test_a_first_file_that_cannot_be_written_ends_the_wait(tmp_path: Path, *, once: bool) -> None:
    """At the start timeout, with the volume's own reason."""
    directory = tmp_path / "volume"
    directory.mkdir()
    it = Running(directory, guards=Guards(start_timeout=20.0), once=once)
    directory.rename(tmp_path / "away")
    follow = asyncio.create_task(it.follow())
    it.source.list(APP[0])
    with pytest.raises(StartTimeoutError, match=r"could not be written within --start-timeout: .*ENOENT"):
        await it.loop.publish_forever()
    assert 20.0 <= now() < 20.1
    follow.cancel()


async def test_a_first_file_that_cannot_be_written_may_be_waited_for(tmp_path: Path) -> None:
    """``--start-outcome wait``: for as long as it takes."""
    directory = tmp_path / "volume"
    directory.mkdir()
    async with running(directory, guards=Guards(start_timeout=20.0, start_outcome="wait")) as it:
        directory.rename(tmp_path / "away")
        it.source.list(APP[0])
        await asyncio.sleep(100)
        assert it.loop.outputs.errors
        (tmp_path / "away").rename(directory)
        await published(it, "app-0")


async def test_once_is_about_its_own_publication(tmp_path: Path) -> None:
    """That a predecessor has published does not make an unwritable volume a success."""
    directory = tmp_path / "volume"
    directory.mkdir()
    async with running(directory) as it:
        it.source.list(APP[0])
        await published(it, "app-0")
    it = Running(directory, guards=Guards(start_timeout=20.0), once=True)
    directory.rename(tmp_path / "away")
    follow = asyncio.create_task(it.follow())
    it.source.list(*APP[:2])
    with pytest.raises(StartTimeoutError):
        await it.loop.publish_forever()
    follow.cancel()


class Hanging(Executor):
    """A thread that never comes back from the kernel."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Nothing comes of it."""
        del fn, args, kwargs
        return Future()


async def test_a_write_that_hangs_is_reported(tmp_path: Path) -> None:
    """After a while, in the status and in the log; until then a slow disk is a slow disk."""
    assert Demands(pace=PACE, guards=GUARDS).write_limit == 30.0
    async with running(tmp_path, executor=Hanging(), write_limit=0.3) as it:  # in real time: it waits for a thread
        it.source.list(APP[0])
        with capture_logs() as lines:
            await asyncio.sleep(0.2)
            assert it.loop.writer.stuck_seconds == 0.0
            assert not lines
            await asyncio.sleep(0.2)
            assert it.loop.writer.stuck_seconds >= 0.3
            assert it.loop.waiting_for == "a write has not ended for 0 s: the volume does not answer"
            assert it.value("membership_guard_held", reason="write") == 1
        assert [line["event"] for line in lines] == ["write stuck"]


# --- What is waited for


async def test_what_is_waited_for_is_logged_at_once_and_then_less_and_less_often(tmp_path: Path) -> None:
    """And that the first file is written although something is missing is a warning."""
    with capture_logs() as lines:
        async with running(tmp_path, guards=Guards(min_members=MinMembers(3))) as it:
            await asyncio.sleep(5)
            assert [line["guard"] for line in lines] == ["not-synced"]
            it.source.list(*APP[:2])
            await asyncio.sleep(0.01)
            assert lines[-1]["reason"] == "2 of at least 3 members (--min-members)"
            assert lines[-1]["seconds_left"] == pytest.approx(295, abs=1)
            await published_late(it)
    waiting = [line for line in lines if line["event"] == "waiting"]
    assert 5 <= len(waiting) <= 8
    (late,) = [line for line in lines if line["log_level"] == "warning"]
    assert late["event"] == "start timeout passed"
    assert "2 of at least 3 members" in late["reason"]


async def published_late(it: Running) -> None:
    """Wait for a file that takes its time."""
    while not it.path.exists():
        await asyncio.sleep(1)


async def test_an_answer_that_comes_at_once_is_not_waited_for(tmp_path: Path) -> None:
    """A start as it should be has no line about waiting."""
    with capture_logs() as lines:
        async with running(tmp_path) as it:
            await asyncio.sleep(0.5)
            it.source.list(APP[0])
            await published(it, "app-0")
    assert [line["event"] for line in lines] == ["published"]


async def test_a_service_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """An empty first file is never written; the end says what the API server knows."""
    it = Running(tmp_path, guards=Guards(start_timeout=20.0))
    follow = asyncio.create_task(it.follow())
    it.source.list_nothing()
    with pytest.raises(StartTimeoutError, match="a Service app: the Service does not exist, or has no selector"):
        await it.loop.publish_forever()
    assert not it.path.exists()
    follow.cancel()


async def test_an_empty_first_file_is_written_where_that_is_asked_for(tmp_path: Path) -> None:
    """``--min-members 0``."""
    async with running(tmp_path, guards=Guards(min_members=MinMembers(0))) as it:
        it.source.list_nothing()
        await published(it)
        assert waiting_for(it) == ""


async def test_the_loop_goes_on_while_a_volume_is_slow(tmp_path: Path) -> None:
    """The newest set wins: what happened during a write goes into the next one."""
    gate = threading.Event()
    executor = ThreadPoolExecutor(1)
    executor.submit(gate.wait)
    async with running(tmp_path, executor=executor) as it:
        it.source.list(APP[0])
        await asyncio.sleep(0.1)
        for count in (2, 3, 4):
            it.source.apply(*APP[:count])
        await asyncio.sleep(0.1)
        gate.set()
        await it.loop.first_publication.wait()
        await published(it, *(each.name for each in APP[:4]))
    executor.shutdown()
