"""Programs that run beside the tests, and end with them."""

import http.client
import os
import random
import signal
import socket
import ssl
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TAIL = 40
"""The number of lines of a log to show when its program failed."""

POLL = 0.02
"""Seconds between two looks at whether a program is ready."""

_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
"""The thread that starts every program. Linux sends the death signal when the *thread* that started a child ends, and
a test may start programs from one that ends with its event loop; this thread ends with the interpreter."""


class ProgramFailed(Exception):  # noqa: N818 - named like TimeoutExpired
    """A program ended, or was not ready in time; the message has the end of its log."""


class Program:
    """A program in a process group of its own with its output in a file; the kernel kills it if pytest dies."""

    def __init__(self, command: Sequence[str | Path], *, log: Path, within: Sequence[str] = ()) -> None:
        """Configure a program without starting it.

        Args:
            command: The program and its arguments.
            log: The file of its output.
            within: A command that runs it elsewhere, as ``nsenter`` does.
        """
        self.command = [*within, *map(str, command)]
        self.name = Path(command[0]).name
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, or None while the program does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start the program; its output is appended to the log."""
        if self.pid is not None:
            raise RuntimeError(f"{self.name} is running already")
        with self.log.open("ab") as log:
            self._process = _SPAWNER.submit(
                subprocess.Popen,
                ["setpriv", "--pdeathsig", "KILL", "--", *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            ).result()

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = 30) -> None:
        """Wait until it is ready; if it ends or takes too long, it is stopped, and the error has the end of its log."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.pid is None:
                raise ProgramFailed(f"{self.name} ended while starting:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise ProgramFailed(f"{self.name} was not ready within {seconds:.0f} s:\n{self.log_tail()}")
            time.sleep(POLL)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, if the program runs."""
        if (pid := self.pid) is not None:
            os.killpg(pid, number)

    def stop(self, *, seconds: float = 10) -> None:
        """Terminate the program, and kill it if it does not end in time."""
        self.send(signal.SIGTERM)
        try:
            if self._process is not None:
                self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """``kill -9``."""
        self.send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def log_tail(self) -> str:
        """The last lines that the program wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL:])


def answers(url: str, *, token: str = "", ca_file: Path | None = None) -> bool:
    """Whether a GET of the URL returns 200 now."""
    return answer(url, token=token, ca_file=ca_file) is not None


def answer(url: str, *, token: str = "", ca_file: Path | None = None) -> bytes | None:
    """The body of a GET of the URL now; None unless it returns 200."""
    target = urllib.parse.urlsplit(url)
    connection: http.client.HTTPConnection
    if target.scheme == "https":
        context = ssl.create_default_context(cafile=ca_file)
        connection = http.client.HTTPSConnection(target.netloc, timeout=5, context=context)
    else:
        connection = http.client.HTTPConnection(target.netloc, timeout=5)
    try:
        connection.request("GET", target.path, headers={"Authorization": f"Bearer {token}"} if token else {})
        response = connection.getresponse()
        return response.read() if response.status == http.client.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def free_port(host: str = "127.0.0.1") -> int:
    """A free port of that address of this machine that stays free.

    It lies below the range from which the kernel takes ports for outgoing connections. From within that range, a port
    whose server is down for a moment is soon somebody's local port; a client that keeps trying to connect to it can
    even get connected to itself.
    """
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(first_ephemeral // 2, first_ephemeral)  # noqa: S311 - not for security
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
        return port
