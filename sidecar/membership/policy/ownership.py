"""Which pod has an address when several are reported with it.

Pure. Kubernetes reuses a pod's address when the pod is gone, and the source may still report the old pod: finished, on
a lost node, in a slice that is not updated yet. A server that finds the address twice, or finds the old pod's name with
it, would talk to a stranger. Pods of the host network share an address legitimately, each with a port of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sidecar.membership.member import Member


def precedence(member: Member) -> tuple[bool, str, bool, str]:
    """Orders the pods that are reported with one address; the greatest, the newest that runs, has it.

    Where the source does not report creation times, a ready pod comes before one that is not. The UID makes the order
    total and the same everywhere. RFC 3339 as Kubernetes writes it (UTC, whole seconds) sorts as text.
    """
    return (not (member.terminating or member.lost), member.created, member.ready, member.uid)


def in_conflict(one: Member, other: Member) -> bool:
    """Whether two members of one address are two pods that cannot both have it.

    A member without a UID is in conflict with nobody: it is not known which pod it is.
    """
    return one.port == other.port and one.uid != other.uid and bool(one.uid and other.uid)


class AddressOwnership:
    """The members by address, to find conflicts. A change costs the members with the same address."""

    def __init__(self) -> None:
        self._members: dict[str, Member] = {}
        self._by_address: dict[str, Member | tuple[Member, ...]] = {}
        """The members with an address; a tuple only where there are several, which is rare."""

    def put(self, key: str, member: Member | None) -> list[str]:
        """Replace the member under *key*, or remove it (None).

        Returns:
            The keys of the other members whose ownership this may change.
        """
        before = self._members.get(key)
        if before is member:
            return []
        others: tuple[Member, ...] = ()
        if before is not None:
            del self._members[key]
            others = tuple(other for other in self._members_at(before.address) if other is not before)
            self._set_members_at(before.address, others)
        if member is not None:
            self._members[key] = member
            already = self._members_at(member.address)
            self._set_members_at(member.address, (*already, member))
            others += already
        return [other.key for other in others]

    def owner(self, key: str) -> Member | None:
        """The member under *key* if it has its address; None if another pod has it, or there is no such member."""
        member = self._members.get(key)
        if member is None:
            return None
        if self._by_address[member.address] is member:
            return member
        own = precedence(member)
        others = self._members_at(member.address)
        outranked = any(in_conflict(member, other) and precedence(other) > own for other in others)
        return None if outranked else member

    def is_taken(self, member: Member) -> bool:
        """Whether another pod is reported with the address of *member*, which itself is not in this index any more."""
        return any(in_conflict(member, other) for other in self._members_at(member.address))

    def _members_at(self, address: str) -> tuple[Member, ...]:
        found = self._by_address.get(address, ())
        return found if isinstance(found, tuple) else (found,)

    def _set_members_at(self, address: str, members: tuple[Member, ...]) -> None:
        if members:
            self._by_address[address] = members if len(members) > 1 else members[0]
        else:
            del self._by_address[address]
