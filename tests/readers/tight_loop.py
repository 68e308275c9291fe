"""A reader of our own that reads as fast as it can and checks everything.

``python -m tests.readers.tight_loop json=PATH jgroups=PATH ...`` reads the files in turn until it is terminated or a
file is wrong. In the service of the files every member has the same port, and that port counts up: so each line of a
file says which state it belongs to. It is wrong if a file has fewer members than its state had, members of two states,
or a state that is older than one that was read before.

It knows nothing of ``sidecar``, and it is niced: the many readers leave the machine to the writer.
"""

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

NICE = 19
"""The maximum: ten readers then take less than one other program, and still read thousands of times a second."""


def size(state: int) -> int:
    """The number of members in a state, which goes up and down so that files get longer and shorter."""
    return 20 + state % 23


def ports_of_json(body: bytes) -> list[int]:
    """The port of each member."""
    return [member["port"] for member in json.loads(body)["members"]]


def ports_of_hosts(body: bytes) -> list[int]:
    """The port of each member."""
    head, *lines, end = body.decode().split("\n")
    if not head.startswith("#") or end:
        raise ValueError("cut off")
    found = [re.fullmatch(r"10\.0\.0\.\d+\[(\d+)\]", line) for line in lines]
    return [int(match[1]) if match else 0 for match in found]


def ports_of_xml(body: bytes) -> list[int]:
    """The port of each member."""
    members = ET.fromstring(body).iter("{http://www.hazelcast.com/schema/config}member")  # noqa: S314 - our own file
    return [int(str(member.text).rpartition(":")[2]) for member in members]


READ: Mapping[str, Callable[[bytes], list[int]]] = {
    "json": ports_of_json,
    "jgroups": ports_of_hosts,
    "hazelcast-xml": ports_of_xml,
}


class Reader:
    """One file, read again and again."""

    def __init__(self, form: str, path: Path) -> None:
        self.reads = 0
        self.states = 0
        """How many different ones were seen."""
        self.state = 0
        """The last one."""
        self._ports = READ[form]
        self._path = path
        self._body = b""

    def read(self) -> str:
        """Read it once, and return what is wrong with it; empty if nothing is."""
        try:
            body = self._path.read_bytes()
        except OSError as error:
            return f"{self._path.name}: {error.strerror}"
        self.reads += 1
        if body == self._body:
            return ""
        self._body = body
        try:
            ports = self._ports(body)
        except (ValueError, KeyError, ET.ParseError) as error:
            return f"{self._path.name} is torn: {error}: {body!r}"
        state = ports[0] if ports else 0
        if set(ports) != {state} or len(ports) != size(state):
            return f"{self._path.name} is no state: {len(ports)} members of {sorted(set(ports))}"
        if state < self.state:
            return f"{self._path.name} went back from {self.state} to {state}"
        self.states += 1
        self.state = state
        return ""


def main(arguments: Iterable[str]) -> int:
    """Read until SIGTERM; the last line printed is the result."""
    signals: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: signals.append(number))
    os.nice(NICE)
    pairs = (argument.split("=", 1) for argument in arguments)
    readers = [Reader(form, Path(path)) for form, path in pairs]
    problem = ""
    while not problem:
        last = bool(signals)  # the result is still printed
        for reader in readers:
            problem = problem or reader.read()
        if last:
            break
    report = {
        "problem": problem,
        "reads": sum(reader.reads for reader in readers),
        "states": sum(reader.states for reader in readers),
        "last": [reader.state for reader in readers],
    }
    sys.stdout.write(f"{json.dumps(report)}\n")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
