"""Which members may be published.

Pure. A member is judged by itself (terminating, without an address) and by two facts about the whole set: whether any
member is ready, and whether any has an IPv4 address. The facts are counted, so that a change costs the change; only
when a fact flips is every member judged again. A selection never contains a member that the union does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sidecar.union import is_ipv6

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sidecar.members import Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is true of the whole set."""

    ready: bool
    """Some member that could be published is ready."""
    ipv4: bool
    """Some member that could be published has an IPv4 address to use."""


def eligible(member: Member) -> bool:
    """Whether *member* could be published in any set: it has an address and is not on its way out."""
    return bool(member.address) and not member.terminating


def admitted(member: Member, not_ready: str, facts: Facts) -> bool:
    """Whether *member* is published in a set of which *facts* are true.

    Args:
        member: an eligible member.
        not_ready: ``include``, ``exclude``, or ``prefer-ready``: ready members if there are any, else all.
        facts: about the set. A set is published in one address family, IPv4 if any member has it, since readers such
            as JGroups silently drop the addresses of the other one.
    """
    if facts.ipv4 and is_ipv6(member.address):
        return False
    return member.ready or not_ready == "include" or (not_ready == "prefer-ready" and not facts.ready)


class Selection:
    """The published members, by key.

    Args:
        not_ready: as in ``admitted``.
    """

    def __init__(self, not_ready: str) -> None:
        self.members: dict[str, Member] = {}
        self._not_ready = not_ready
        self._eligible: dict[str, Member] = {}
        self._ready = 0
        self._ipv4 = 0

    @property
    def facts(self) -> Facts:
        """What is true of the set now."""
        return Facts(ready=self._ready > 0, ipv4=self._ipv4 > 0)

    def update(self, changed: Iterable[str], union: Mapping[str, Member]) -> dict[str, Member | None]:
        """Judge the *changed* keys of *union* anew.

        Returns:
            What changed in the selection: the member now published under a key, or None where one left.
        """
        before = self.facts
        judged = set(changed)
        for key in judged:
            self._count(self._eligible.pop(key, None), -1)
            member = union.get(key)
            if member is not None and eligible(member):
                self._eligible[key] = member
                self._count(member, 1)
        if self.facts != before:
            judged |= self._eligible.keys()
        return {key: self.members.get(key) for key in judged if self._admit(key)}

    def _count(self, member: Member | None, by: int) -> None:
        if member is not None:
            self._ready += by if member.ready else 0
            self._ipv4 += 0 if is_ipv6(member.address) else by

    def _admit(self, key: str) -> bool:
        """Put the member in or take it out; tell whether that changed anything."""
        before = self.members.get(key)
        after = self._eligible.get(key)
        if after is None or not admitted(after, self._not_ready, self.facts):
            return self.members.pop(key, None) is not None
        self.members[key] = after
        return after != before
