"""A minute with a scripted cluster: the real sidecar against a simulated API server, in a terminal.

The sidecar runs as a process of its own, as in a pod, and is told by flags what a pod would tell it; only the API
server is not real. The daemon never imports this module or the simulator.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sidecar.simulator import ScriptedService, Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

LOOK_SECONDS = 0.02
"""How often the file is looked at."""


class Demo:
    """One showing.

    Args:
        listen: where the sidecar serves its status.
        seconds: how long it takes.
        directory: where the files go.
    """

    def __init__(self, listen: str, seconds: float, directory: Path) -> None:
        self._listen = listen
        self._seconds = seconds
        self._directory = directory
        self._file = directory / "hosts.txt"
        self._shown = asyncio.Event()
        self._simulator = Simulator()
        self._service = ScriptedService(self._simulator, ports={"cluster": 7800})

    async def show(self) -> None:
        """Run the script to its end."""
        async with self._simulator:
            self._service.scale(1)
            self._say(f"A service with one member. Its files are kept in {self._directory}")
            sidecar = await self._start()
            watching = [asyncio.create_task(self._relay(sidecar)), asyncio.create_task(self._look())]
            try:
                if await self._first_file(sidecar):
                    await self._play()
            finally:
                with suppress(ProcessLookupError):
                    sidecar.terminate()
                code = await sidecar.wait()
                for task in watching:
                    task.cancel()
                self._say(f"The sidecar has ended with exit code {code}.")

    async def _first_file(self, sidecar: asyncio.subprocess.Process) -> bool:
        """Wait for it; tell whether it came before the sidecar ended."""
        shown, ended = asyncio.create_task(self._shown.wait()), asyncio.create_task(sidecar.wait())
        await asyncio.wait({shown, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        shown.cancel()
        return self._shown.is_set()

    async def _play(self) -> None:
        script: list[tuple[float, str, Callable[[], object]]] = [
            (6, "The service scales to 2.", lambda: self._service.scale(2)),
            (6, "The service scales to 4.", lambda: self._service.scale(4)),
            (8, "The API server goes away: the file stays as it is.", self._simulator.stop_serving),
            (7, "The API server is back: nothing to list again, nothing to write.", self._simulator.serve_again),
            (7, "The node of app-1 is lost: not ready, so it leaves the file.", lambda: self._service.lose("app-1")),
            (7, "The node is back.", lambda: self._service.recover("app-1")),
            (7, "The service scales to 3.", lambda: self._service.scale(3)),
        ]
        whole = sum(pause for pause, *_ in script) + 8
        for pause, text, act in script:
            await asyncio.sleep(pause * self._seconds / whole)
            self._say(text)
            done = act()
            if asyncio.iscoroutine(done):
                await done
        await asyncio.sleep(8 * self._seconds / whole)

    async def _start(self) -> asyncio.subprocess.Process:
        kubeconfig = self._directory / "kubeconfig"
        kubeconfig.write_text(json.dumps(_kubeconfig(self._simulator.url)), encoding="utf-8")
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sidecar", "run", "--service", "app", "--kubeconfig", str(kubeconfig)),
            *("--output", f"jgroups={self._file}", "--output", f"json={self._directory / 'members.json'}"),
            *("--output", f"hazelcast-yaml={self._directory / 'hazelcast.yaml'}", "--listen", self._listen),
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the demo, which ends the sidecar in good order
        )

    async def _relay(self, sidecar: asyncio.subprocess.Process) -> None:
        """Show the lines of the sidecar's log that matter here."""
        assert sidecar.stdout  # noqa: S101 - it is a pipe
        async for line in sidecar.stdout:
            said = json.loads(line)
            if said["event"] == "serving":
                self._say(f"Status: {said['url']}/status   metrics: {said['url']}/metrics")
            elif said["level"] != "info":
                self._say(f"The sidecar says: {said['event']}: {said.get('reason', '')}")

    async def _look(self) -> None:
        """Show the file whenever another one has taken its place."""
        async for content in self._contents():
            print(f"\n  {self._file}", flush=True)  # noqa: T201
            print("".join(f"  | {line}\n" for line in content.splitlines()), flush=True)  # noqa: T201
            self._shown.set()

    async def _contents(self) -> AsyncIterator[str]:
        seen = None
        while True:
            with suppress(FileNotFoundError):
                inode = self._file.stat().st_ino
                if inode != seen:
                    seen = inode
                    yield self._file.read_text(encoding="utf-8")
            await asyncio.sleep(LOOK_SECONDS)

    def _say(self, text: str) -> None:
        print(f"* {text}", flush=True)  # noqa: T201


def _kubeconfig(url: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "demo",
        "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": "demo", "namespace": "default"}}],
        "clusters": [{"name": "demo", "cluster": {"server": url}}],
        "users": [{"name": "demo", "user": {}}],
    }


def main(listen: str, seconds: float) -> int:
    """Show it; Ctrl-C ends it."""
    asyncio.run(_until_told(listen, seconds))
    return 0


async def _until_told(listen: str, seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="membership-demo-") as directory:
        showing = asyncio.ensure_future(Demo(listen, seconds, Path(directory)).show())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, showing.cancel)
        with suppress(asyncio.CancelledError):
            await showing
