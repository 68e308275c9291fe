"""What is selected and not yet rendered, member by member: who joins, who changes, and who leaves when it may.

Pure: every time is an argument, in seconds of one monotonic clock. Joins and leaves wait each for their own moment, so
that a join is rendered with those that are leaving still listed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from sidecar.membership.policy.leaves import LeavePolicy, LeavingMembers
from sidecar.membership.policy.timing import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sidecar.membership.member import Member
    from sidecar.membership.policy.timing import Hold


class Pending(NamedTuple):
    """What could be rendered at a moment."""

    joins: Window | None
    """Joins and updates; None if there are none."""
    leaves: Window | None
    hold: Hold | None
    """Why some that left stay."""
    until: float
    """When to look again even if no event comes; infinity if nothing changes by itself."""


class MemberChange(NamedTuple):
    """A change of one member from one rendering to the next; None where it is in none."""

    before: Member | None
    after: Member | None


class PendingChanges:
    """The difference between what is selected and what is rendered.

    Args:
        leave_policy: how leaves are restrained.
        may_stay: whether a rendered member that is no longer selected may stay for a while.
    """

    def __init__(self, leave_policy: LeavePolicy, may_stay: Callable[[Member], bool]) -> None:
        self.rendered: dict[str, Member] = {}
        """By key: those in the last rendering."""
        self._may_stay = may_stay
        self._arrivals: dict[str, Member] = {}
        self._since = self._changed = 0.0
        self._source_changed = False
        """Whether another source is used than was rendered: a file may name it even if nobody joined or left."""
        self._leaving = LeavingMembers(leave_policy)

    def listed(self, scope: str, at: float) -> None:
        """A complete answer of *scope* arrived; to be called before the changes that it brings."""
        self._leaving.listed(scope, at)

    def note(self, selected: Mapping[str, Member | None], scopes: Iterable[str], at: float) -> None:
        """The selection changed.

        Args:
            selected: the member now under a key, or None where one left.
            scopes: whose event caused it; a later list of all of them confirms who left.
            at: when that event arrived.
        """
        if not self._arrivals and not self._source_changed:
            self._since = at
        for key, member in selected.items():
            self._note(key, member, scopes, at)
        if any(member is not None for member in selected.values()):
            self._changed = at

    def switch(self, selected: Mapping[str, Member | None], at: float) -> None:
        """The selection is made from another source since *at*, with these changes.

        Whoever left with that, or before, goes with it: the members of two sources are never published together.
        """
        self.note(selected, (), at)
        for key in tuple(self._leaving):
            self._leaving.evict(key, at)
        self._source_changed, self._changed = True, at

    def _note(self, key: str, member: Member | None, scopes: Iterable[str], at: float) -> None:
        before = self.rendered.get(key)
        if member is not None:
            self._leaving.forget(key)
            self._arrivals[key] = member
        if member is None or member == before:
            self._arrivals.pop(key, None)  # it left, or is back, before anybody could see it
        if member is None and before is not None:
            self._leaving.leave(key, scopes, at)
            if not self._may_stay(before):
                self._leaving.evict(key, at)

    def pending(self, now: float) -> Pending:
        """What could be rendered *now*."""
        leaves = self._leaving.judge(now, len(self.rendered))
        joining = bool(self._arrivals) or self._source_changed
        return Pending(
            Window(since=self._since, changed=self._changed) if joining else None,
            Window(since=leaves.since, changed=leaves.changed, leaving=True) if leaves.keys else None,
            leaves.hold,
            leaves.until,
        )

    def render(self, now: float, *, leaves: bool) -> dict[str, MemberChange]:
        """Take what is pending *now* into the rendering, and return its changes in canonical order.

        Args:
            now: the time.
            leaves: whether those leave that may; if not, only those do that must not stay beside who joins.
        """
        for key in tuple(self._leaving):
            if not self._may_stay(self.rendered[key]):
                self._leaving.evict(key, now)
        leaving = self._leaving.judge(now, len(self.rendered)).keys if leaves else self._leaving.evicted
        changes: dict[str, Member | None] = {**self._arrivals, **dict.fromkeys(leaving)}
        self._arrivals, self._source_changed = {}, False
        for key in leaving:
            self._leaving.forget(key)
        for key in self._leaving:
            if self.rendered[key].seed:  # another one may be the seed by now
                changes[key] = msgspec.structs.replace(self.rendered[key], seed=False)
        return {key: self._apply(key, changes[key]) for key in sorted(changes)}

    def _apply(self, key: str, after: Member | None) -> MemberChange:
        before = self.rendered.pop(key, None)
        if after is not None:
            self.rendered[key] = after
        return MemberChange(before, after)
