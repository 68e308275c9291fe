"""The sets of members that every real reader gets, in files. Nothing here knows how a reader understands them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from sidecar.formats import FORMATS, render
from sidecar.formats.samples import member
from sidecar.membership.member import Member


def a_member(number: int, address: str, port: int | None) -> Member:
    """A member whose number has any number of digits; number 0 is the own pod."""
    changes = {"name": f"app-{number:03}", "uid": f"uid-{number}", "port": port, "is_self": number == 0}
    return msgspec.structs.replace(member(0, address), **changes)


MEMBERS: Mapping[str, Sequence[Member]] = {
    "one": [a_member(0, "10.0.0.1", 5701)],
    "ipv4": [a_member(0, "10.0.0.1", 5701), a_member(1, "10.0.0.2", 5702)],
    "ipv6": [a_member(0, "2001:db8::1", 5701), a_member(1, "fd00:10:244::2", 5702)],
    "ipv4-no-port": [a_member(0, "10.0.0.1", None), a_member(1, "10.0.0.2", None)],
    "ipv6-no-port": [a_member(0, "2001:db8::1", None), a_member(1, "fd00:10:244::2", None)],
    "empty": [],
    "hundred": [a_member(number, f"10.0.1.{number}", 5701) for number in range(100)],
}
"""Sets by name; each reader gets a file of each."""


def write(directory: Path, form: str, suffix: str, sets: Mapping[str, Sequence[Member]] = MEMBERS) -> list[Path]:
    """Write each set in a format, to files that are called as the set is."""
    paths = []
    for name, members in sets.items():
        path = directory / f"{name}{suffix}"
        path.write_bytes(render(FORMATS[form], "endpointslice", members))
        paths.append(path)
    return paths
