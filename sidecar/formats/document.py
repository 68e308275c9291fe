"""A file in a format: a frame around rendered members, kept member by member.

Pure. ``Document`` keeps the sorted keys and the rendered members side by side: a change renders what changed, and the
file is all of them, one after the other. ``render`` makes the same bytes from nothing; that both agree is a law in the
tests.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sidecar.membership.member import Member


LAST_PORT = 65535


class Overview(NamedTuple):
    """What a frame may say about the file as a whole. Each field costs nothing to keep up to date."""

    source: str
    """The name of the source."""
    members: int
    """How many there are."""
    own_port: int | None = None
    """The port of the sidecar's own pod; None if it is not among the members, or has no port or several."""


class Frame(NamedTuple):
    """What stands around the members."""

    head: bytes
    tail: bytes = b""


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """What one reader understands."""

    name: str
    summary: str
    """Which readers take it and how, in a few words, for ``formats`` and the README."""
    read: str
    """When its readers read the file, in a few words: whether a change reaches them by itself."""
    file: str
    """The file name that its readers expect, or that their documentation uses."""
    frame: Callable[[Overview], Frame]
    member: Callable[[Member], bytes]
    """One rendered member."""
    separator: bytes = b""
    """Between two members; not after the last one."""
    every_port: bool = True
    """Whether ``--port-range`` lists a member once for each of its ports."""
    suffixes: tuple[str, ...] = ()
    """The path must end in one of these, if its reader chooses the parser by the suffix; empty for any path."""


class Document:
    """The bytes of one output.

    Args:
        form: the format.
        port_range: how many ports after a member's own port are listed as well.
    """

    def __init__(self, form: Format, port_range: int = 0) -> None:
        self._form = form
        self._port_range = port_range if form.every_port else 0
        self._keys: list[str] = []
        self._rendered: list[bytes] = []
        """Each with the separator that follows it."""
        self._own_ports: dict[str, int] = {}
        """Of the own pod, by key: it is a member of each Service that selects it."""

    def update(self, changes: Mapping[str, Member | None], source: str) -> tuple[bytes, ...]:
        """The pieces of the file after *changes*.

        Args:
            changes: the member that a key has now, or None if it left, for every key that changed.
            source: the name of the source, for formats that show it.
        """
        for key, member in changes.items():
            self._change(key, member)
        ports = set(self._own_ports.values())
        own_port = ports.pop() if len(ports) == 1 else None
        head, tail = self._form.frame(Overview(source, len(self._keys), own_port))
        if not self._rendered:
            return (head + tail,)
        *others, last = self._rendered
        return (head, *others, last.removesuffix(self._form.separator) + tail)

    def _change(self, key: str, member: Member | None) -> None:
        at = bisect_left(self._keys, key)
        here = slice(at, at + 1 if at < len(self._keys) and self._keys[at] == key else at)
        self._keys[here] = [key] if member else []
        self._rendered[here] = [self._render(member) + self._form.separator] if member else []
        self._own_ports.pop(key, None)
        if member and member.is_self and member.port is not None:
            self._own_ports[key] = member.port

    def _render(self, member: Member) -> bytes:
        if not self._port_range or member.port is None:
            return self._form.member(member)
        ports = range(member.port, min(member.port + self._port_range, LAST_PORT) + 1)
        return self._form.separator.join(self._form.member(replace(member, port=port)) for port in ports)


def render(form: Format, source: str, members: Iterable[Member]) -> bytes:
    """The bytes of *members*, in whatever order they come."""
    return b"".join(Document(form).update({member.key: member for member in members}, source))
