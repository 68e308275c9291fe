"""From events to the bytes of every output, one step after the other, each paying only for what changed.

Pure: it reads no clock and does no I/O; an event carries the time at which it arrived. ``keeper`` decides when the
bytes are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sidecar.formats import Document
from sidecar.members import Failed, Recovered, State, fold
from sidecar.policy.selection import Selection
from sidecar.policy.timing import Pending
from sidecar.union import Union

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sidecar.formats import Format
    from sidecar.members import Event, Member


class Change(NamedTuple):
    """How a rendering differs from the one before it, in members."""

    joined: tuple[Member, ...]
    left: tuple[Member, ...]
    updated: tuple[Member, ...]


class Pipeline:
    """What is known, what is selected of it, and what was rendered last.

    Args:
        scopes: the scopes of the sources.
        formats: one for each output.
        source: the name of the source, for formats that tell it.
        family: see ``union.merge``.
        not_ready: see ``policy.selection.admitted``.
    """

    def __init__(
        self, scopes: Iterable[str], formats: Sequence[Format], *, source: str, family: str, not_ready: str
    ) -> None:
        self.state = State.of(scopes)
        self.rendered: dict[str, Member] = {}
        self.bodies: tuple[bytes, ...] = ()
        self.pending: Pending | None = None
        """The difference between what is selected and what is rendered."""
        self._union = Union(family)
        self._selection = Selection(not_ready)
        self._documents = [Document(form, source) for form in formats]
        self._changes: dict[str, Member | None] = {}

    @property
    def selected(self) -> Mapping[str, Member]:
        """The members that would be published, by key."""
        return self._selection.members

    def take(self, event: Event) -> None:
        """Fold *event* and follow it through union and selection."""
        self.state = fold(self.state, event)
        if isinstance(event, Failed | Recovered):
            return
        judged = self._selection.update(self._union.update(self.state.groups), self._union.members)
        for key, member in judged.items():
            if self.rendered.get(key) == member:
                self._changes.pop(key, None)  # it came back before anybody could see that it was gone
            else:
                self._changes[key] = member
        if not self._changes:
            self.pending = None
        elif judged:
            since = self.pending.since if self.pending else event.arrived
            leaving = any(member is None for member in self._changes.values())
            self.pending = Pending(since=since, changed=event.arrived, leaving=leaving)

    def render(self) -> Change:
        """Bring ``bodies`` up to date and tell what that changed."""
        changes, self._changes, self.pending = dict(sorted(self._changes.items())), {}, None
        self.bodies = tuple(document.update(changes) for document in self._documents)
        joined: list[Member] = []
        left: list[Member] = []
        updated: list[Member] = []
        for key, member in changes.items():
            before = self.rendered.get(key)
            if member is None:
                left.append(self.rendered.pop(key))
                continue
            (joined if before is None else updated).append(member)
            self.rendered[key] = member
        return Change(tuple(joined), tuple(left), tuple(updated))
