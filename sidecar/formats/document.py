"""A file in a format: a frame around rendered members, kept member by member.

Pure. ``Document`` keeps the sorted keys and the rendered members side by side; a change renders what changed, and the
file is all of them, one after the other. ``render`` is the same thing from nothing, and that both agree is a law in the
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


class Frame(NamedTuple):
    """What stands around the members."""

    head: bytes
    tail: bytes


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """What one reader understands."""

    name: str
    summary: str
    """What reads it, in a few words, for ``formats`` and the README."""
    file: str
    """The name that its reader expects or that its documentation uses."""
    frame: Callable[[str, Member | None], Frame]
    """The frame, from the name of the source and the first member (None if there are none)."""
    member: Callable[[Member], bytes]
    """One member."""
    separator: bytes
    every_port: bool = True
    """Whether ``--port-range`` lists a member once for each of its ports."""
    suffixes: tuple[str, ...] = ()
    """Endings of which the path must have one, because its reader picks the parser by it; empty for any."""


class Document:
    """The bytes of one output.

    Args:
        form: the format.
        port_range: how many ports after a member's own are listed, too.
    """

    def __init__(self, form: Format, port_range: int = 0) -> None:
        self._form = form
        self._port_range = port_range if form.every_port else 0
        self._keys: list[str] = []
        self._rendered: list[bytes] = []
        """Each with the separator that follows it."""
        self._members: list[Member] = []

    def update(self, changes: Mapping[str, Member | None], source: str) -> tuple[bytes, ...]:
        """The pieces of the file after *changes*: the member now under a key, or None where one left.

        Args:
            changes: what is not as it was.
            source: the name of the source, for formats that tell it.
        """
        for key, member in changes.items():
            self._change(key, member)
        first = self._members[0] if self._members else None
        head, tail = self._form.frame(source, first)
        if not self._rendered:
            return (head + tail,)
        *others, last = self._rendered
        return (head, *others, last.removesuffix(self._form.separator) + tail)

    def _change(self, key: str, member: Member | None) -> None:
        at = bisect_left(self._keys, key)
        here = slice(at, at + 1 if at < len(self._keys) and self._keys[at] == key else at)
        self._keys[here] = [key] if member else []
        self._members[here] = [member] if member else []
        self._rendered[here] = [self._render(member) + self._form.separator] if member else []

    def _render(self, member: Member) -> bytes:
        if not self._port_range or member.port is None:
            return self._form.member(member)
        ports = range(member.port, min(member.port + self._port_range, LAST_PORT) + 1)
        return self._form.separator.join(self._form.member(replace(member, port=port)) for port in ports)


def render(form: Format, source: str, members: Iterable[Member]) -> bytes:
    """The bytes of *members*, in whatever order they come."""
    return b"".join(Document(form).update({member.key: member for member in members}, source))
