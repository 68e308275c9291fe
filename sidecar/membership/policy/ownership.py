"""Whose an address is when two pods claim it.

Pure. An address is given again when its pod is gone, and the source may still report the old pod: finished, on a lost
node, in a slice that is not yet rewritten. A server that finds the address twice, or the old pod's record of it, talks
to a stranger. Pods of the host's network share an address in good order, each with a port of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sidecar.membership.member import Member


def precedence(member: Member) -> tuple[bool, str, bool, str]:
    """Orders the pods that claim one address; the greatest has it: the newest that runs.

    Where the source does not tell the times of creation, one that is ready comes before one that is not. The UID makes
    it one order everywhere. RFC 3339 as Kubernetes writes it (UTC, whole seconds) sorts as text.
    """
    return (not (member.terminating or member.lost), member.created, member.ready, member.uid)


def is_rival(one: Member, other: Member) -> bool:
    """Whether two members of one address are two pods that cannot both have it.

    A member without a UID claims nothing: who it is, is not known.
    """
    return one.port == other.port and one.uid != other.uid and bool(one.uid and other.uid)


class AddressOwnership:
    """Who claims which address. A change costs those who claim the same one."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._by_address: dict[str, Member | tuple[Member, ...]] = {}
        """Who claims it; nearly always it is one."""

    def put(self, key: str, member: Member | None) -> list[str]:
        """*member* is now under *key*, or nobody. Return the keys of others to whom that may matter."""
        before = self._members.get(key)
        if before is member:
            return []
        others: tuple[Member, ...] = ()
        if before is not None:
            del self._members[key]
            others = tuple(other for other in self._claimants(before.address) if other is not before)
            self._note(before.address, others)
        if member is not None:
            self._members[key] = member
            already = self._claimants(member.address)
            self._note(member.address, (*already, member))
            others += already
        return [other.key for other in others]

    def holder(self, key: str) -> Member | None:
        """The member under *key* if it has its address, None if another one has it or there is none."""
        member = self._members.get(key)
        if member is None:
            return None
        if self._by_address[member.address] is member:
            return member
        mine = precedence(member)
        claimants = self._claimants(member.address)
        lost = any(is_rival(member, other) and precedence(other) > mine for other in claimants)
        return None if lost else member

    def is_taken(self, member: Member) -> bool:
        """Whether another pod claims the address of *member*, which claims nothing itself any more."""
        return any(is_rival(member, other) for other in self._claimants(member.address))

    def _claimants(self, address: str) -> tuple[Member, ...]:
        found = self._by_address.get(address, ())
        return found if isinstance(found, tuple) else (found,)

    def _note(self, address: str, claimants: tuple[Member, ...]) -> None:
        if claimants:
            self._by_address[address] = claimants if len(claimants) > 1 else claimants[0]
        else:
            del self._by_address[address]
