"""What is selected and not yet published, in members: what comes, what changes, and what leaves when it may.

Pure: every time is an argument, in seconds of one monotonic clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from sidecar.membership.policy.leaves import LeavePolicy, LeavingMembers
from sidecar.membership.policy.timing import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sidecar.membership.member import Member
    from sidecar.membership.policy.timing import Hold


class Pending(NamedTuple):
    """What could be published at a moment."""

    pending: Window | None
    """None if there is nothing."""
    hold: Hold | None
    """Why some that left stay."""
    until: float
    """When to look again even if no event comes; infinity if nothing changes by itself."""


class MemberChange(NamedTuple):
    """A change of one member from one publication to the next; None where it is in none."""

    before: Member | None
    after: Member | None


class PendingChanges:
    """Between what is selected and what is published.

    Args:
        leave_policy: how leaves are restrained.
        tolerates: whether a published member that is not selected any more may stay for a while.
    """

    def __init__(self, leave_policy: LeavePolicy, tolerates: Callable[[Member], bool]) -> None:
        self.published: dict[str, Member] = {}
        """By key: those in the last publication."""
        self._tolerates = tolerates
        self._arrivals: dict[str, Member] = {}
        self._since = self._changed = 0.0
        self._source_changed = False
        """Whether another source is believed than was published: a body may name it even if nobody came or left."""
        self._departures = LeavingMembers(leave_policy)

    def listed(self, scope: str, at: float) -> None:
        """A complete answer of *scope* arrived; to be told before what it changes."""
        self._departures.listed(scope, at)

    def note(self, judged: Mapping[str, Member | None], scope: str, at: float) -> None:
        """The selection changed: the member now under a key, or None where one left.

        Args:
            judged: the changes.
            scope: whose event caused them.
            at: when that arrived.
        """
        if not self._arrivals and not self._source_changed:
            self._since = at
        for key, member in judged.items():
            self._note(key, member, scope, at)
        if any(member is not None for member in judged.values()):
            self._changed = at

    def turn(self, judged: Mapping[str, Member | None], at: float) -> None:
        """The selection is made from another source since *at*, with these changes.

        Whoever left with that, or before, is not kept: the members of two sources are never published together.
        """
        self.note(judged, "", at)
        for key in tuple(self._departures):
            self._departures.bar(key, at)
        self._source_changed, self._changed = True, at

    def _note(self, key: str, member: Member | None, scope: str, at: float) -> None:
        before = self.published.get(key)
        if member is not None:
            self._departures.forget(key)
            self._arrivals[key] = member
        if member is None or member == before:
            self._arrivals.pop(key, None)  # it left, or is back, before anybody could see it
        if member is None and before is not None:
            self._departures.leave(key, scope, at)
            if not self._tolerates(before):
                self._departures.bar(key, at)

    def outlook(self, now: float) -> Pending:
        """What could be published *now*."""
        leaves = self._departures.judge(now, len(self.published))
        pending = None
        coming = bool(self._arrivals) or self._source_changed
        if coming and leaves.keys:
            since, changed = min(self._since, leaves.since), max(self._changed, leaves.changed)
            pending = Window(since=since, changed=changed, leaving=True)
        elif coming:
            pending = Window(since=self._since, changed=self._changed, leaving=False)
        elif leaves.keys:
            pending = Window(since=leaves.since, changed=leaves.changed, leaving=True)
        return Pending(pending, leaves.hold, leaves.until)

    def settle(self, now: float) -> dict[str, MemberChange]:
        """Make what could be published *now* the publication, and return its changes in canonical order."""
        for key in tuple(self._departures):
            if not self._tolerates(self.published[key]):
                self._departures.bar(key, now)
        leaving = self._departures.judge(now, len(self.published)).keys
        changes: dict[str, Member | None] = {**self._arrivals, **dict.fromkeys(leaving)}
        self._arrivals, self._source_changed = {}, False
        for key in leaving:
            self._departures.forget(key)
        for key in self._departures:
            if self.published[key].seed:  # another one may be by now
                changes[key] = msgspec.structs.replace(self.published[key], seed=False)
        return {key: self._step(key, changes[key]) for key in sorted(changes)}

    def _step(self, key: str, after: Member | None) -> MemberChange:
        before = self.published.pop(key, None)
        if after is not None:
            self.published[key] = after
        return MemberChange(before, after)
