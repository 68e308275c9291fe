"""A machine on this machine: processes, mounts and a network of its own, all held by one process.

Everything in it shares the PID, mount and network namespaces of that process. When the process ends, even because
pytest was killed, the kernel kills everything in them, shims and containers included, and removes the mounts and the
network link. ``stop`` removes the rest: the control groups and the directory.

The machine has /run, /var/lib and /var/log to itself, so that programs can have their default places.
"""

import errno
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.programs import POLL, Program

TOOLS = ("ip", "mount", "nft", "nsenter", "runc", "unshare")
"""The required programs; runc and nft are for the programs in it."""

SUBNETS = 256
"""How many machines can exist at once; a run of the tests needs one, but there may be several runs."""

FIRST_PROCESS = """
set -e
mount -t tmpfs tmpfs /run
mount --bind "$1/lib" /var/lib
mount --bind "$1/log" /var/log
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
touch "$1/up"
sleep infinity &
wait
"""
"""It also buries the processes whose parents have died, as ``wait`` does."""

GONE_SECONDS = 10.0
"""Seconds for the kernel to end a few hundred processes."""


@dataclass(frozen=True)
class Addresses:
    """The machine's numbers, from the range for benchmarks of networks (RFC 2544), which nobody routes."""

    number: int

    @property
    def device(self) -> str:
        """This machine's end of the network link."""
        return f"node{self.number}"

    @property
    def outside(self) -> str:
        """This machine's address, as seen by that one."""
        return f"198.18.{self.number}.1"

    @property
    def inside(self) -> str:
        """Its own address."""
        return f"198.18.{self.number}.2"

    @property
    def pods(self) -> str:
        """The range of its pods, which are reachable from here."""
        return f"198.19.{self.number}.0/24"


class Machine:
    """``start`` and ``stop`` are its life; between them, ``within`` is how a command gets in."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="node-", ignore_cleanup_errors=True)
        self.directory = Path(self._temporary.name)
        self.cgroup = self.directory.name
        """The control group, in every hierarchy, below which everybody who makes one must make it."""
        for name in ("lib", "log"):
            (self.directory / name).mkdir()
        unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--mount", "--net"]
        first: list[str | Path] = ["sh", "-c", FIRST_PROCESS, "sh", self.directory]
        self._holder = Program([*unshare, *first], log=self.directory / "machine.log")
        self._namespace = ""
        self._addresses: Addresses | None = None

    @property
    def addresses(self) -> Addresses:
        """Its addresses, as long as it is up."""
        if self._addresses is None:
            raise RuntimeError("the machine is not up")
        return self._addresses

    @property
    def within(self) -> Sequence[str]:
        """The command that runs the command after it in the machine."""
        return ("nsenter", f"--target={self._first}", "--pid", "--mount", "--net", "--")

    def start(self) -> None:
        """Create it, and return when its network is up."""
        self._holder.start()
        self._holder.wait_until((self.directory / "up").exists)
        self._namespace = str(Path(f"/proc/{self._first}/ns/pid").readlink())
        for hierarchy in hierarchies():
            delegate(hierarchy)
            (hierarchy / self.cgroup).mkdir()
        self._connect()

    def stop(self) -> None:
        """End everything in it, and remove what is left."""
        self._holder.kill()
        deadline = time.monotonic() + GONE_SECONDS
        while self.processes() and time.monotonic() < deadline:
            time.sleep(POLL)
        self.clear(self.directory)
        self._temporary.cleanup()

    @staticmethod
    def clear(directory: Path) -> None:
        """Remove what a machine leaves whose processes have ended: its control groups and its directory."""
        for hierarchy in hierarchies():
            remove_cgroups(hierarchy / directory.name)
        shutil.rmtree(directory, ignore_errors=True)

    def run(self, *command: str | Path, given: bytes = b"") -> str:
        """Run a command in the machine, and return its output.

        Raises:
            RuntimeError: with its output, if it fails.
        """
        ran = subprocess.run([*self.within, *command], check=False, capture_output=True, input=given)
        if ran.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}: {ran.stderr.decode(errors='replace').strip()}")
        return ran.stdout.decode()

    def processes(self) -> list[int]:
        """The ids of its processes, as they are outside."""
        return [
            int(directory.name)
            for directory in Path("/proc").iterdir()
            if directory.name.isdecimal() and self._holds(directory)
        ]

    @property
    def _first(self) -> int:
        holder = self._holder.pid
        children = Path(f"/proc/{holder}/task/{holder}/children").read_text().split() if holder else []
        if not children:
            raise RuntimeError("the machine is not up")
        return int(children[0])

    def _holds(self, process: Path) -> bool:
        """Whether it is one of the machine's processes; those of a container have a PID namespace below its own."""
        try:
            namespace = str((process / "ns" / "pid").readlink())
            return namespace == self._namespace or f"/{self.cgroup}/" in (process / "cgroup").read_text()
        except OSError:  # the process has just ended
            return False

    def _connect(self) -> None:
        """Create the network link, in the first subnet that no other machine uses."""
        for attempt in range(SUBNETS):
            addresses = Addresses((os.getpid() + attempt) % SUBNETS)
            try:
                _ip("link", "add", addresses.device, "type", "veth", "peer", "eth0", "netns", str(self._first))
            except FileExistsError:
                continue
            break
        else:
            raise RuntimeError(f"there are {SUBNETS} machines already: remove the devices node0, node1 and so on")
        _ip("address", "add", f"{addresses.outside}/24", "dev", addresses.device)
        _ip("link", "set", addresses.device, "up")
        _ip("route", "add", addresses.pods, "via", addresses.inside)
        self._addresses = addresses
        self.run("ip", "address", "add", f"{addresses.inside}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        self.run("ip", "route", "add", "default", "via", addresses.outside)


def hierarchies() -> list[Path]:
    """The roots of all hierarchies of control groups: one with version 2, else many."""
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    return [Path(point) for _, point, kind, *_ in mounts if kind in {"cgroup", "cgroup2"}]


def delegate(root: Path) -> None:
    """With version 2, let the groups below the root have all controllers, as the kubelet demands of its group.

    They keep them, as after any container runtime. Where that is not allowed, the kubelet reports the missing one.
    """
    switch = root / "cgroup.subtree_control"
    if not switch.exists():
        return
    for controller in (root / "cgroup.controllers").read_text().split():
        with suppress(OSError):
            switch.write_text(f"+{controller}")


def remove_cgroups(root: Path) -> None:
    """Remove a control group and those below it, which must be empty of processes."""
    for directory, _, _ in os.walk(root, topdown=False):
        deadline = time.monotonic() + GONE_SECONDS
        while True:
            try:
                Path(directory).rmdir()
            except OSError as error:
                if error.errno != errno.EBUSY or time.monotonic() > deadline:
                    raise
                time.sleep(POLL)  # a dead process leaves its group a moment after /proc
            else:
                break


def _ip(*words: str) -> None:
    ran = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    if "File exists" in ran.stderr:
        raise FileExistsError(ran.stderr)
    if ran.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {ran.stderr.strip()}")
