"""What a restart knows of its predecessor's files: who was in them, so that nobody leaves any faster for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sidecar.membership.policy.leaves import LeavePolicy
from tests.support.loop import APP, now, published, running, waiting_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.looptime

JSON = {"members.json": "json"}
HOSTS = {"hosts.txt": "jgroups"}


async def with_files(directory: Path, outputs: dict[str, str], *, source: str = "endpointslice") -> None:
    """Let a predecessor publish four members."""
    async with running(directory, outputs=outputs, source=source) as it:
        it.source.list(*APP[:4])
        await it.loop.first_publication.wait()


def hosts(directory: Path) -> list[str]:
    """Who is in the hosts file."""
    return (directory / "hosts.txt").read_text().splitlines()[1:]


@pytest.mark.parametrize("outputs", [JSON, HOSTS], ids=["json", "hosts"])
async def test_a_leave_during_a_restart_settles(tmp_path: Path, outputs: dict[str, str]) -> None:
    """A pod that is between two slices at that moment is never missing, whatever the format."""
    await with_files(tmp_path, outputs)
    async with running(tmp_path, outputs=outputs) as it:
        before = it.path.read_bytes()
        it.source.list(*APP[:3])
        await asyncio.sleep(0.1)
        assert it.path.read_bytes() == before
        it.source.apply(*APP[:4])
        await asyncio.sleep(5)
        assert it.path.read_bytes() == before
        assert it.value("membership_file_writes_total", output=str(it.path), result="written") == 0


async def test_a_leave_during_a_restart_follows_when_it_has_settled(tmp_path: Path) -> None:
    """And a join of that time is in the file at once."""
    await with_files(tmp_path, JSON)
    async with running(tmp_path) as it:
        listed = now()
        it.source.list(*APP[1:])
        assert await published(it, *(each.name for each in APP)) - listed < 0.05
        assert 0.2 <= await published(it, *(each.name for each in APP[1:])) - listed < 0.25


@pytest.mark.parametrize("outputs", [JSON, HOSTS], ids=["json", "hosts"])
async def test_the_shrink_guard_holds_over_a_restart(tmp_path: Path, outputs: dict[str, str]) -> None:
    """Until another list confirms it."""
    await with_files(tmp_path, outputs)
    policy = LeavePolicy(max_shrink=0.2, shrink_hold=30.0)
    async with running(tmp_path, outputs=outputs, leave_policy=policy) as it:
        asked: list[float] = []
        it.loop.confirm = lambda: asked.append(now())
        before = it.path.read_bytes()
        it.source.list(APP[0])
        await asyncio.sleep(10)
        assert waiting_for(it).startswith("3 of 4 members left")
        assert it.path.read_bytes() == before
        assert len(asked) == 1
        it.source.list(APP[0])
        await asyncio.sleep(0.1)
        assert len(it.loop.written.members) == 1


async def test_the_shrink_guard_of_a_restart_ends_by_itself(tmp_path: Path) -> None:
    """Like any other one."""
    await with_files(tmp_path, JSON)
    async with running(tmp_path, leave_policy=LeavePolicy(max_shrink=0.2, shrink_hold=30.0)) as it:
        listed = now()
        it.source.list(APP[0])
        assert 30.0 <= await published(it, "app-0") - listed < 30.1


async def test_the_members_of_another_source_are_not_kept(tmp_path: Path) -> None:
    """Two sources are never mixed in a file, also not by a restart."""
    await with_files(tmp_path, JSON, source="dns")
    async with running(tmp_path, leave_policy=LeavePolicy(hold_down=60.0)) as it:
        it.source.list(APP[4])
        await published(it, "app-4")
        await asyncio.sleep(1)
        assert set(it.loop.written.members) == {APP[4].key}


async def test_a_file_that_was_changed_meanwhile_is_put_right(tmp_path: Path) -> None:
    """What cannot be read back is no predecessor's."""
    await with_files(tmp_path, JSON)
    (tmp_path / "members.json").write_text("{}")
    async with running(tmp_path) as it:
        it.source.list(*APP[:2])
        await it.loop.first_publication.wait()
        await published(it, "app-0", "app-1")


async def test_who_is_in_the_files_is_kept_beside_them_only_where_they_do_not_say_it(tmp_path: Path) -> None:
    """A json output is its own record: nothing is written twice."""
    for name, outputs in (("one", JSON), ("two", HOSTS)):
        (tmp_path / name).mkdir()
        await with_files(tmp_path / name, outputs)
    assert (tmp_path / "one" / ".members.json.state").read_bytes().count(b"\n") == 1
    assert b"app-3" in (tmp_path / "two" / ".hosts.txt.state").read_bytes()
    assert hosts(tmp_path / "two") == [f"{each.address}[5701]" for each in APP[:4]]
