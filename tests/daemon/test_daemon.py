"""A whole run against the simulator: that the parts are joined as they should be, and how a program ends.

What each part does by itself is tested in its own room, a run in a pod in ``real`` and ``pods``.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from sidecar.cli import parse
from sidecar.daemon.daemon import Daemon
from sidecar.errors import PublishError, SettingsError
from sidecar.simulator import ScriptedService, Simulator
from tests.support.loop import members_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sidecar.settings.values import Settings

WAIT = 20.0
"""Seconds after which something does not happen any more."""


def kubeconfig(directory: Path, url: str) -> Path:
    """Of the API server at *url*."""
    path = directory / "kubeconfig"
    path.write_text(
        json.dumps(
            {
                "current-context": "it",
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": "default"}}],
                "clusters": [{"name": "it", "cluster": {"server": url}}],
                "users": [{"name": "it", "user": {}}],
            }
        )
    )
    return path


def variables(directory: Path, url: str, **more: str) -> dict[str, str]:
    """The environment of a sidecar of the Service app."""
    volume = directory / "volume"
    volume.mkdir(exist_ok=True)
    return {
        "MEMBERSHIP_SERVICE": "app",
        "MEMBERSHIP_OUTPUT": f"json={volume}/members.json jgroups={volume}/hosts.txt",
        "MEMBERSHIP_KUBECONFIG": str(kubeconfig(directory, url)),
        "MEMBERSHIP_LISTEN": "127.0.0.1:0",
        **{f"MEMBERSHIP_{name.upper()}": value for name, value in more.items()},
    }


def settings(directory: Path, url: str, **more: str) -> Settings:
    """The same, parsed."""
    return parse({}, variables(directory, url, **more))


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """An API server."""
    async with Simulator() as running:
        yield running


class Seen:
    """What can be seen of a run."""

    def __init__(self, directory: Path, lines: list[Any]) -> None:
        self.path = directory / "volume" / "members.json"
        self.lines = lines

    def logged(self, event: str) -> list[Any]:
        """The log lines of an event."""
        return [line for line in self.lines if line["event"] == event]

    async def until_published(self, *names: str) -> None:
        """Wait for a publication of these members."""
        async with asyncio.timeout(WAIT):
            while [line["members"] for line in self.logged("published")][-1:] != [len(names)]:
                await asyncio.sleep(0.01)
        assert members_in(self.path) == list(names)

    async def get(self, page: str) -> tuple[int, Any]:
        """A page of the HTTP server, and its code."""
        (serving,) = self.logged("serving")
        async with aiohttp.ClientSession() as client, client.get(f"{serving['url']}{page}") as response:
            return response.status, await (response.json() if page == "/status" else response.text())


@asynccontextmanager
async def run(directory: Path, url: str, **more: str) -> AsyncIterator[Seen]:
    """A run, until the end of the block."""
    daemon = Daemon(settings(directory, url, **more), {})
    with capture_logs() as lines:
        task = asyncio.create_task(daemon.run())
        try:
            yield Seen(directory, lines)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert not daemon.is_writing()


async def test_the_files_follow_the_service(simulator: Simulator, tmp_path: Path) -> None:
    """And the status says so."""
    service = ScriptedService(simulator)
    service.scale(2)
    async with run(tmp_path, simulator.url) as seen:
        await seen.until_published("app-0", "app-1")
        service.scale(3)
        await seen.until_published("app-0", "app-1", "app-2")
        code, status = await seen.get("/status")
        assert code == 200
        assert (status["members"], status["selected"], status["published"]) == (3, 3, True)
        assert status["states"] == {"ready": 3, "not_ready": 0, "terminating": 0}
        assert (status["source"], status["fallback_reason"], status["waiting_for"]) == ("endpointslice", "", "")
        (source,) = status["sources"]
        assert source["resource_version"] == str(simulator.store.revision)
        assert source["synced"]
        assert [output["format"] for output in status["outputs"]] == ["json", "jgroups"]
        assert all(output["last_write"] and not output["error"] for output in status["outputs"])
        assert await seen.get("/readyz") == (200, "ok\n")


async def test_a_restart_asks_for_nothing_older_than_its_checkpoint(simulator: Simulator, tmp_path: Path) -> None:
    """The first list of a first run may come from any replica; that of a second one is as new as the files."""
    service = ScriptedService(simulator)
    service.scale(2)
    for _ in range(2):
        async with run(tmp_path, simulator.url) as seen:
            await seen.until_published("app-0", "app-1")
    first, second = (asked for asked in simulator.requests if asked.verb == "list")
    assert first.query["resourceVersion"] == "0"
    state = json.loads((tmp_path / "volume" / ".members.json.state").read_text().splitlines()[0])
    assert second.query["resourceVersion"] == state["revisions"]["endpointslice/default/app"]
    assert second.query["resourceVersionMatch"] == "NotOlderThan"


async def test_what_is_waited_for_is_shown(simulator: Simulator, tmp_path: Path) -> None:
    """By the status, by the probe and in the log."""
    ScriptedService(simulator).scale(1)
    async with run(tmp_path, simulator.url, min_members="2") as seen:
        async with asyncio.timeout(WAIT):
            while not [line for line in seen.logged("waiting") if line["guard"] == "min-members"]:
                await asyncio.sleep(0.01)
        status = (await seen.get("/status"))[1]
        assert status["waiting_for"] == "1 of at least 2 members (--min-members)"
        assert 290 < status["waiting_seconds"] <= 300
        code, text = await seen.get("/readyz")
        assert code == 503
        assert "1 of at least 2 members" in text
        assert await seen.get("/livez") == (200, "ok\n")


async def test_two_sidecars_of_one_file_do_not_start(simulator: Simulator, tmp_path: Path) -> None:
    """The second one says who is there, and touches nothing."""
    ScriptedService(simulator).scale(1)
    async with run(tmp_path, simulator.url) as seen:
        await seen.until_published("app-0")
        with pytest.raises(PublishError, match=f"Another sidecar publishes .* \\(process {os.getpid()} on"):
            await Daemon(settings(tmp_path, simulator.url), {}).run()


async def test_one_file_twice_is_a_mistake(simulator: Simulator, tmp_path: Path) -> None:
    """However it is written."""
    volume = tmp_path / "volume"
    twice = f"json={volume}/members.json json={volume}/../volume/members.json"
    with pytest.raises(SettingsError, match="is the same file as"):
        await Daemon(settings(tmp_path, simulator.url, output=twice), {}).run()


async def spawn(
    directory: Path, url: str, command: str, *, script: str = "", **more: str
) -> asyncio.subprocess.Process:
    """A sidecar as a process of its own."""
    code = script or "import sys; from sidecar.cli import main; sys.exit(main())"
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, command),
        env=variables(directory, url, **more) | {"PATH": os.environ["PATH"], "HOME": str(directory)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def until_said(process: asyncio.subprocess.Process, event: str) -> None:
    """Wait for a log line of an event."""
    assert process.stdout
    async with asyncio.timeout(WAIT):
        while json.loads(await process.stdout.readline())["event"] != event:
            pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("command", "code"), [("once", 128), ("run", 0)])
async def test_only_a_daemon_that_is_told_to_stop_has_succeeded(
    simulator: Simulator, tmp_path: Path, number: signal.Signals, command: str, code: int
) -> None:
    """A gate that was stopped before there were files must not look open."""
    ScriptedService(simulator).scale(1)
    process = await spawn(tmp_path, simulator.url, command, min_members="2")
    await until_said(process, "waiting")
    process.send_signal(number)
    assert await process.wait() == (code + number if code else 0)
    assert not (tmp_path / "volume" / "members.json").exists()


HANGING = """
import os, sys, time
from sidecar.cli import parse
from sidecar.daemon.run import run

class Hanging:
    def __getattr__(self, name):
        return getattr(os, name)

    def rename(self, src, dst):
        print('{"event": "hangs"}', flush=True)
        time.sleep(3600)

sys.exit(run(parse({}, os.environ), system=Hanging()))
"""


async def test_a_write_that_hangs_does_not_keep_the_program_from_ending(simulator: Simulator, tmp_path: Path) -> None:
    """SIGTERM ends it, although a thread is still in the kernel."""
    ScriptedService(simulator).scale(1)
    process = await spawn(tmp_path, simulator.url, "run", script=HANGING)
    await until_said(process, "hangs")
    process.terminate()
    async with asyncio.timeout(WAIT):
        assert await process.wait() == 0
