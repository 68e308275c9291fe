"""A network of a test's own: a namespace for a sidecar, and a wire into it that can be made to swallow everything.

The wire ends at a port of a bridge. Unplugged there, both ends keep their link, their addresses and their neighbours;
only nothing arrives any more, as if a firewall or a router on the way had died.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass

TOOLS = ("ip", "nsenter")


def missing() -> str | None:
    """Why there can be no such network here, if there cannot."""
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    if os.geteuid() != 0:
        return "network namespaces need root"
    return None


def ip(*words: str) -> str:
    """Run the program and return what it says."""
    ran = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {ran.stderr.strip()}")
    return ran.stdout.strip()


@dataclass(frozen=True)
class Wire:
    """A bridge on the host, a network namespace, and a wire between."""

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
        """Make it."""
        end = f"{self.name}e"
        ip("link", "add", self.name, "type", "bridge")
        ip("address", "add", f"{self.host}/24", "dev", self.name)
        ip("link", "add", self._port, "type", "veth", "peer", "name", end, "netns", namespace)
        ip("-n", namespace, "address", "add", f"{self.inside}/24", "dev", end)
        ip("-n", namespace, "link", "set", end, "up")
        self.plug_in()
        ip("link", "set", self._port, "up")
        ip("link", "set", self.name, "up")
        # A router on the way would go on answering for its own address.
        bridge = _mac(ip("-o", "link", "show", self.name))
        ip("-n", namespace, "neighbour", "replace", self.host, "lladdr", bridge, "dev", end, "nud", "permanent")

    def remove(self) -> None:
        """Remove what is left of it once its namespace is gone."""
        for device in (self._port, self.name):
            if device in ip("-o", "link", "show"):
                ip("link", "delete", device)

    def unplug(self) -> None:
        """Let nothing arrive any more, neither here nor there."""
        ip("link", "set", self._port, "nomaster")

    def plug_in(self) -> None:
        """Let everything arrive."""
        ip("link", "set", self._port, "master", self.name)


def _mac(line: str) -> str:
    words = line.split()
    return words[words.index("link/ether") + 1]
