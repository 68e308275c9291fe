"""The loop: when files are written, with virtual time; real files, scripted sources.

Out of scope: the API (``sources``), the system calls of a publication (``test_publisher``), what is done about volumes
that fail or hang (``test_publish_loop_faults``) and about what a predecessor left (``test_restart``).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from sidecar.errors import StartTimeoutError
from sidecar.membership.policy.guards import Guards, MinMembers
from sidecar.membership.policy.leaves import LeavePolicy
from tests.support.loop import APP, Running, members_in, now, published, running, waiting_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.looptime


async def test_the_first_file_is_written_as_soon_as_there_is_an_answer(tmp_path: Path) -> None:
    """Without waiting for anything to settle; and only then it is ready."""
    async with running(tmp_path) as it:
        await asyncio.sleep(5)
        assert not it.ready()
        assert not it.path.exists()
        assert waiting_for(it) == "no complete answer yet: still listing"
        assert it.value("membership_guard_held", reason="not-synced") == 1
        listed = now()
        it.source.list(APP[0])
        assert await published(it, "app-0") - listed < 0.1
        await it.loop.first_publication.wait()
        assert it.ready()
        assert it.value("membership_guard_held", reason="not-synced") == 0
        assert it.value("membership_members", state="ready") == 1


async def test_an_isolated_join_is_written_at_once_and_a_leave_when_it_is_quiet(tmp_path: Path) -> None:
    """Joins are fast, leaves are calm."""
    async with running(tmp_path) as it:
        it.source.list(APP[0], APP[1])
        await published(it, "app-0", "app-1")
        await asyncio.sleep(3)
        joined = now()
        it.source.apply(*APP[:3])
        assert await published(it, "app-0", "app-1", "app-2") - joined < 0.1
        await asyncio.sleep(3)
        left = now()
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
        assert waiting_for(it) == "2 of at least 3 members (--min-members)"
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
        await it.loop.publish_forever()
    assert 20.0 <= now() < 20.1
    follow.cancel()


async def test_a_restart_keeps_the_file_of_its_predecessor(tmp_path: Path) -> None:
    """It is ready from the start, never gives up, and does not touch a file that is still true."""
    async with running(tmp_path) as it:
        it.source.list(*APP[:2])
        await published(it, "app-0", "app-1")
        await it.loop.first_publication.wait()
    before = it.path.stat()
    async with running(tmp_path, guards=Guards(min_members=MinMembers(3), start_timeout=10.0)) as again:
        assert again.ready()
        assert again.value("membership_file_generation", output=str(again.path)) == 1
        assert again.value("membership_file_last_write_timestamp_seconds", output=str(again.path)) == before.st_mtime
        await asyncio.sleep(100)
        again.source.list(*APP[:2])
        await again.loop.first_publication.wait()
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
        assert waiting_for(it) == "several ports: choose one"
        assert it.value("membership_guard_held", reason="problem") == 1
        it.source.apply(APP[0])
        await published(it, "app-0")
        assert waiting_for(it) == ""


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
        while not it.loop.outputs.errors:
            await asyncio.sleep(0.01)
        assert it.loop.outputs.errors[0].code == "ENOENT"
        assert it.value("membership_file_write_errors_total", output=str(it.path), errno="ENOENT") == 1
        it.source.apply(*APP[:3])
        await asyncio.sleep(10)
        (tmp_path / "away").rename(directory)
        assert members_in(it.path) == ["app-0"]
        await published(it, "app-0", "app-1", "app-2")
        assert not it.loop.outputs.errors


async def test_an_update_of_a_member_is_written_at_once(tmp_path: Path) -> None:
    """Nobody leaves."""
    async with running(tmp_path) as it:
        it.source.list(APP[0])
        await published(it, "app-0")
        await asyncio.sleep(1)
        changed = now()
        it.source.apply(msgspec.structs.replace(APP[0], zone="eu-2"))
        while b"eu-2" not in it.path.read_bytes():
            await asyncio.sleep(0.01)
        assert now() - changed < 0.1


async def test_a_member_that_left_stays_for_the_hold_down_while_others_join(tmp_path: Path) -> None:
    """The join is written at once, the leave in its time."""
    async with running(tmp_path, leave_policy=LeavePolicy(hold_down=30.0)) as it:
        it.source.list(*APP[:2])
        await published(it, "app-0", "app-1")
        await asyncio.sleep(3)
        left = now()
        it.source.apply(APP[0])
        await asyncio.sleep(10)
        joined = now()
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
        assert waiting_for(it).startswith("3 of 4 members left")
        assert it.value("membership_guard_held", reason="shrink") == 1
        listed = now()
        it.source.list(APP[0])
        assert await published(it, "app-0") - listed < 0.1
        assert waiting_for(it) == ""
        it.source.apply(*APP[:4])
        await published(it, "app-0", "app-1", "app-2", "app-3")
        left = now()
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
            await it.loop.publish_forever()
    assert not it.path.exists()


async def test_the_first_file_waits_until_nobody_comes_or_goes(tmp_path: Path) -> None:
    """A condition that flips is neither."""
    async with running(tmp_path, guards=Guards(stable_for=5.0)) as it:
        it.source.list(APP[0])
        await asyncio.sleep(4)
        last = now()
        it.source.apply(*APP[:2])
        await asyncio.sleep(4)
        it.source.apply(APP[0], msgspec.structs.replace(APP[1], zone="eu-2"))
        assert 5.0 <= await published(it, "app-0", "app-1") - last < 5.1


async def test_the_wanted_replicas_open_the_gate(tmp_path: Path) -> None:
    """As soon as they are known: nothing else needs to happen."""
    async with running(tmp_path, guards=Guards(min_members=MinMembers(percent=100))) as it:
        it.source.list(*APP[:2])
        it.loop.replicas_unknown("no rights")
        await asyncio.sleep(10)
        assert waiting_for(it) == "the desired number of replicas is not known: no rights (--min-members replicas)"
        known = now()
        it.loop.want(2)
        assert await published(it, "app-0", "app-1") - known < 0.05


async def test_a_write_that_fails_later_leaves_the_sidecar_ready(tmp_path: Path) -> None:
    """The files of before are there."""
    directory = tmp_path / "volume"
    directory.mkdir()
    async with running(directory) as it:
        it.source.list(APP[0])
        await published(it, "app-0")
        directory.rename(tmp_path / "away")
        it.source.apply(*APP[:2])
        await asyncio.sleep(5)
        assert it.loop.outputs.errors
        assert it.ready()


async def test_a_first_write_that_fails_leaves_it_not_ready(tmp_path: Path) -> None:
    """Until it succeeds."""
    directory = tmp_path / "volume"
    directory.mkdir()
    async with running(directory) as it:
        directory.rename(tmp_path / "away")
        it.source.list(APP[0])
        await asyncio.sleep(5)
        assert not it.ready()
        (tmp_path / "away").rename(directory)
        await asyncio.sleep(60)
        assert it.ready()


async def test_why_nothing_is_published_is_shown_with_the_newest_reason(tmp_path: Path) -> None:
    """Each failure and each unknown number, as it is heard of."""
    guards = Guards(min_members=MinMembers(percent=50))
    async with running(tmp_path, guards=guards) as it:
        it.source.fail("403: grant it")
        await asyncio.sleep(0.01)
        assert waiting_for(it) == "no complete answer yet: 403: grant it"
        it.source.list(APP[0])
        await asyncio.sleep(0.01)
        it.loop.replicas_unknown("no rights")
        await asyncio.sleep(0.01)
        assert "no rights" in waiting_for(it)
