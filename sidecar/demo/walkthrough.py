"""A minute in the life of a cluster: the real sidecar against a simulated API server, printed to a terminal.

The sidecar runs as a process of its own, as it would in a pod; only the API server is simulated. What a pod would
provide (credentials, paths, the address to listen on) is passed as options.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sidecar.simulator import ScriptedService, Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

POLL_SECONDS = 0.02
"""Time between two looks at the file."""


class Walkthrough:
    """One run of the script.

    Args:
        listen: where the sidecar serves its status.
        seconds: how long the script takes.
        directory: where the sidecar writes its files.
    """

    def __init__(self, listen: str, seconds: float, directory: Path) -> None:
        self._listen = listen
        self._seconds = seconds
        self._directory = directory
        self._file = directory / "hosts.txt"
        self._file_shown = asyncio.Event()
        self._simulator = Simulator()
        self._service = ScriptedService(self._simulator, ports={"cluster": 7800})

    async def run(self) -> int:
        """Run the script to its end, stop the sidecar whatever happens, and return the sidecar's exit code."""
        async with self._simulator:
            self._service.scale(1)
            _print(f"A service with one member. Until the demo ends, its files are in {self._directory}")
            sidecar = await self._start()
            printing = [asyncio.create_task(self._print_log(sidecar)), asyncio.create_task(self._print_file())]
            script = asyncio.create_task(self._play())
            ended = asyncio.create_task(sidecar.wait())
            try:
                done, _ = await asyncio.wait({script, ended}, return_when=asyncio.FIRST_COMPLETED)
                if script in done:
                    script.result()
            finally:
                script.cancel()
                with suppress(ProcessLookupError):
                    sidecar.terminate()
                code = await ended
                for task in printing:
                    task.cancel()
                _print(f"The sidecar has ended with exit code {code}.")
        return code

    async def _play(self) -> None:
        """Wait for the first file, and then change the service step by step."""
        await self._file_shown.wait()
        script: list[tuple[float, str, Callable[[], object]]] = [
            (6, "The service scales to 2.", lambda: self._service.scale(2)),
            (6, "The service scales to 4.", lambda: self._service.scale(4)),
            (8, "The API server goes away: the file stays as it is.", self._simulator.stop_serving),
            (7, "The API server is back: nothing to list again, nothing to write.", self._simulator.serve_again),
            (
                7,
                "The node of app-1 fails: app-1 leaves the file.",
                lambda: self._service.lose("app-1"),
            ),
            (7, "The node is back.", lambda: self._service.recover("app-1")),
            (7, "The service scales to 3.", lambda: self._service.scale(3)),
        ]
        whole = sum(pause for pause, *_ in script) + 8
        for pause, text, act in script:
            await asyncio.sleep(pause * self._seconds / whole)
            _print(text)
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
            start_new_session=True,  # Ctrl-C reaches the demo only, which then stops the sidecar
        )

    async def _print_log(self, sidecar: asyncio.subprocess.Process) -> None:
        """Print the lines of the sidecar's log that matter here."""
        assert sidecar.stdout  # noqa: S101 - it is a pipe
        async for text in sidecar.stdout:
            line = json.loads(text)
            if line["event"] == "serving":
                _print(f"Status: {line['url']}/status   metrics: {line['url']}/metrics")
            elif line["level"] != "info":
                _print(f"The sidecar logs: {line['event']}: {line.get('reason', '')}")

    async def _print_file(self) -> None:
        """Print the file whenever it has been replaced."""
        async for content in self._contents():
            print(f"\n  {self._file}", flush=True)  # noqa: T201
            print("".join(f"  | {line}\n" for line in content.splitlines()), flush=True)  # noqa: T201
            self._file_shown.set()

    async def _contents(self) -> AsyncIterator[str]:
        seen = None
        while True:
            with suppress(FileNotFoundError):
                inode = self._file.stat().st_ino
                if inode != seen:
                    seen = inode
                    yield self._file.read_text(encoding="utf-8")
            await asyncio.sleep(POLL_SECONDS)


def _print(text: str) -> None:
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
