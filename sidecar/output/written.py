"""Who is in the files: what was rendered and then written, as opposed to what was only rendered.

Pure. Everything that is shown speaks of the files, so that a set that could not be written is not shown as published,
and a write that succeeds after failures tells all that came with it. A change costs the members that changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sidecar.membership.policy.changes import MemberChange

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sidecar.membership.member import Member


class Difference(NamedTuple):
    """How the files differ from what they held before, in members."""

    joined: tuple[Member, ...]
    left: tuple[Member, ...]
    updated: tuple[Member, ...]
    since: float
    """When the first of these changes happened; infinity if there was none."""


class Written:
    """The members in the files.

    Args:
        members: those that a predecessor left there.
    """

    def __init__(self, members: Iterable[Member] = ()) -> None:
        self.members: dict[str, Member] = {member.key: member for member in members}
        """By key: the same mapping as long as this lives."""
        self._rendered: dict[str, MemberChange] = {}
        """What was rendered since and is not in the files yet."""
        self._since = float("inf")

    def note_rendered(self, changes: Mapping[str, MemberChange], since: float) -> None:
        """These *changes* were rendered; the first of them happened at *since*."""
        self._since = min(self._since, since)
        for key, change in changes.items():
            self._rendered[key] = MemberChange(self.members.get(key), change.after)

    def confirm(self) -> Difference:
        """What was rendered is in the files now; return what that changed."""
        changes, since = self._rendered, self._since
        self._rendered, self._since = {}, float("inf")
        for key, (_, after) in changes.items():
            if after is None:
                self.members.pop(key, None)
            else:
                self.members[key] = after
        steps = [changes[key] for key in sorted(changes)]
        return Difference(
            joined=tuple(after for before, after in steps if after and not before),
            left=tuple(before for before, after in steps if before and not after),
            updated=tuple(after for before, after in steps if before and after and before != after),
            since=since,
        )
