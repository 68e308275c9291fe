"""A sidecar as a subprocess, and what can be seen of it from outside."""

import asyncio
import errno
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from tests.cluster.api import Json

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "deploy" / "rbac" / "endpointslice.yaml"
"""The Role as the project ships it."""

FILES = {
    "json": "members.json",
    "hazelcast-xml": "hazelcast.xml",
    "hazelcast-yaml": "hazelcast.yaml",
    "jgroups": "hosts.txt",
}
"""Every format, and the file that is written in it."""

XML_MEMBERS = ".//{http://www.hazelcast.com/schema/config}member"

POLL = 0.005
"""Seconds between two looks at another process."""

PATIENCE = 15.0
"""Seconds for what takes a moment, on a machine that is busy with other tests."""

Stamp = dict[str, tuple[int, int]]
"""Inode and mtime (in ns) of each file of the volume, which differ once a file has been replaced."""


class Sidecar:
    """One command line, and the process that runs it.

    Args:
        directory: for the volume and the log; using it again is a restart in the same pod.
        kubeconfig: the credentials for the API server.
        options: of ``run``, beyond outputs, kubeconfig and address.
        formats: the outputs.
        listen: the address of the HTTP server.
        within: a command that runs the sidecar by an exec.
    """

    def __init__(
        self,
        directory: Path,
        kubeconfig: Path | None,
        *options: str,
        formats: Sequence[str] = tuple(FILES),
        listen: str = "127.0.0.1",
        within: Sequence[str] = (),
    ) -> None:
        self.volume = directory / "membership"
        self.volume.mkdir(parents=True, exist_ok=True)
        self.log = directory / "sidecar.log"
        self.stderr = directory / "sidecar.err"
        self.listen = listen
        self.url = ""
        self._home = directory
        self._within = list(within)
        self._options = [f"--output={form}={self.volume / FILES[form]}" for form in formats] + list(options)
        if kubeconfig:
            self._options.append(f"--kubeconfig={kubeconfig}")
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """The process id, even after the process has ended."""
        assert self._process is not None
        return self._process.pid

    def spawn(self, command: str = "run") -> None:
        """Start the process in a session of its own; the kernel kills it if pytest dies."""
        serve = [f"--listen={self.listen}:0"] if command == "run" else []
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        self.url = ""
        with self.log.open("ab") as log, self.stderr.open("ab") as stderr:
            self._process = subprocess.Popen(
                [
                    *self._within,
                    *("setpriv", "--pdeathsig", "KILL", "--"),
                    *(sys.executable, "-m", "sidecar", command),
                    *serve,
                    *self._options,
                ],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], "HOME": str(self._home)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=stderr,
                start_new_session=True,
            )

    async def start(self) -> None:
        """Start the process, and wait until it serves its status."""
        self.spawn()
        await self.until(lambda: bool(self.logged("serving")))
        self.url = str(self.logged("serving")[0]["url"])

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        assert self._process is not None
        self._process.send_signal(number)

    async def wait(self, seconds: float = PATIENCE) -> int:
        """Wait for the end of the process, and return its exit code."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, seconds)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Stop the process by a signal, which must give exit code 0; return the seconds that it took."""
        started = time.monotonic()
        self.send(number)
        assert await self.wait() == 0, self.describe()
        return time.monotonic() - started

    async def kill(self) -> None:
        """``kill -9``."""
        self.send(signal.SIGKILL)
        await self.wait()

    def clean_up(self) -> None:
        """Kill the process if it still runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def left_processes(self) -> bool:
        """Whether any process of its session still runs."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    async def until(self, predicate: Callable[[], bool], seconds: float = PATIENCE) -> float:
        """Wait until the predicate holds, and return the seconds that it took; a failure shows log and files."""
        started = time.monotonic()
        while not predicate():
            if time.monotonic() - started > seconds:
                raise AssertionError(f"not so within {seconds} s:\n{self.describe()}")
            if self._process is not None and self._process.poll() is not None and not predicate():
                raise AssertionError(f"it ended with exit code {self._process.returncode}:\n{self.describe()}")
            await asyncio.sleep(POLL)
        return time.monotonic() - started

    def describe(self) -> str:
        """The log, stderr, status and volume, for the message of a failure."""
        parts = [file.read_text(errors="replace") for file in (self.log, self.stderr) if file.exists()]
        if self.url and self._process is not None and self._process.poll() is None:
            parts.append(json.dumps(self.status(), indent=1))
        parts += [f"{file}:\n{file.read_text()}" for file in sorted(self.volume.iterdir())]
        return "\n".join(parts)[-8000:]

    def lines(self) -> list[Json]:
        """The log lines of this process."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            written = log.read()
        return [json.loads(line) for line in written[: written.rfind(b"\n") + 1].splitlines()]

    def logged(self, event: str) -> list[Json]:
        """The log lines with that event."""
        return [line for line in self.lines() if line["event"] == event]

    def get(self, path: str) -> tuple[int, str]:
        """The status code and the body of the response to a GET."""
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.url).netloc, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def status(self) -> Json:
        """``/status``."""
        code, body = self.get("/status")
        assert code == 200
        status: Json = json.loads(body)
        return status

    def failing(self) -> str:
        """The failures of the sources in ``/status``; empty if there are none."""
        return " ".join(source["failing"] for source in self.status()["sources"] if source["failing"])

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name with these labels."""
        code, body = self.get("/metrics")
        assert code == 200
        total = 0.0
        for line in body.splitlines():
            found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if found and found[1] == name:
                has = dict(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))
                total += float(found[3]) if labels.items() <= has.items() else 0.0
        return total

    def path(self, form: str) -> Path:
        """The file of a format."""
        return self.volume / FILES[form]

    def members(self) -> list[Json]:
        """The members in the json file, in its order; empty if there is no file."""
        try:
            body = self.path("json").read_bytes()
        except FileNotFoundError:
            return []
        members: list[Json] = json.loads(body)["members"]
        return members

    def addresses(self) -> list[str]:
        """Their addresses."""
        return [str(member["address"]) for member in self.members()]

    def source(self) -> str:
        """The source that the json file names; empty if there is no file."""
        try:
            return str(json.loads(self.path("json").read_bytes())["source"])
        except FileNotFoundError:
            return ""

    def read(self) -> dict[str, list[str]]:
        """The ``address:port`` of the members in every existing file, parsed as its reader would."""
        found: dict[str, list[str]] = {}
        for form in FILES:
            try:
                found[form] = READERS[form](self.path(form).read_text())
            except OSError as error:
                assert error.errno == errno.ENOENT  # noqa: PT017 - a missing file is expected, any other error is not
        return found

    def holds(self, files: dict[str, list[str]]) -> bool:
        """Whether ``read`` finds this."""
        return self.read() == files

    def stamps(self) -> Stamp:
        """Of the outputs and the checkpoint; a lock is there exactly while the sidecar runs."""
        files = (file for file in self.volume.iterdir() if file.suffix != ".lock")
        found = {file.name: file.stat() for file in files}
        return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}

    def written_at(self) -> float:
        """When the newest output was written, in seconds since the epoch."""
        return max(self.path(form).stat().st_mtime_ns for form in FILES if self.path(form).exists()) / 1e9

    def checkpoint(self) -> Json:
        """The state file."""
        state: Json = json.loads(self.state_file.read_bytes())
        return state

    @property
    def state_file(self) -> Path:
        """The path of the checkpoint, from which a restart continues."""
        return self.volume / ".members.json.state"


def _of_json(text: str) -> list[str]:
    return [f"{member['address']}:{member['port']}" for member in json.loads(text)["members"]]


def _of_xml(text: str) -> list[str]:
    return [str(member.text) for member in ET.fromstring(text).iterfind(XML_MEMBERS)]  # noqa: S314 - written by us


def _of_yaml(text: str) -> list[str]:
    return [str(member) for member in yaml.safe_load(text)["hazelcast"]["network"]["join"]["tcp-ip"]["member-list"]]


def _of_hosts(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [re.sub(r"\[(\d+)\]$", r":\1", line) for line in lines]


READERS = {"json": _of_json, "hazelcast-xml": _of_xml, "hazelcast-yaml": _of_yaml, "jgroups": _of_hosts}
