"""A network for one test: a network namespace for a sidecar, and a link into it that can be made to drop all packets.

The link ends at a port of a bridge. Unplugged there, both ends keep their link state, addresses and neighbours, but no
packet arrives any more, as if a firewall or router on the way had died.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass

TOOLS = ("ip", "nsenter")


def missing() -> str | None:
    """Why such a network cannot be created here; None if it can."""
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    if os.geteuid() != 0:
        return "network namespaces need root"
    return None


def ip(*words: str) -> str:
    """Run the program and return its output."""
    ran = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {ran.stderr.strip()}")
    return ran.stdout.strip()


@dataclass(frozen=True)
class Wire:
    """A bridge on the host, a network namespace, and a link between them."""

    name: str
    subnet: str
    """The first three numbers of its addresses."""

    @property
    def host(self) -> str:
        """The host's address on it."""
        return f"{self.subnet}.1"

    @property
    def inside(self) -> str:
        """The address in the namespace."""
        return f"{self.subnet}.2"

    @property
    def _port(self) -> str:
        return f"{self.name}p"

    def lay(self, namespace: str) -> None:
        """Create it."""
        end = f"{self.name}e"
        ip("link", "add", self.name, "type", "bridge")
        ip("address", "add", f"{self.host}/24", "dev", self.name)
        ip("link", "add", self._port, "type", "veth", "peer", "name", end, "netns", namespace)
        ip("-n", namespace, "address", "add", f"{self.inside}/24", "dev", end)
        ip("-n", namespace, "link", "set", end, "up")
        self.plug_in()
        ip("link", "set", self._port, "up")
        ip("link", "set", self.name, "up")
        # A router on the way would still respond for its own address.
        bridge = _mac(ip("-o", "link", "show", self.name))
        ip("-n", namespace, "neighbour", "replace", self.host, "lladdr", bridge, "dev", end, "nud", "permanent")

    def remove(self) -> None:
        """Remove what is left of it when its namespace is gone."""
        for device in (self._port, self.name):
            if device in ip("-o", "link", "show"):
                ip("link", "delete", device)

    def unplug(self) -> None:
        """Drop all packets, in both directions."""
        ip("link", "set", self._port, "nomaster")

    def plug_in(self) -> None:
        """Let all packets through again."""
        ip("link", "set", self._port, "master", self.name)


def _mac(line: str) -> str:
    words = line.split()
    return words[words.index("link/ether") + 1]
