"""Which pod has an address when several are reported with it.

Pure. Kubernetes reuses a pod's address when the pod is gone, and the source may still report the old pod: finished, on
a lost node, in a slice that is not updated yet. A server that finds the address twice, or finds the old pod's name with
it, would talk to a stranger. Pods of the host network share an address legitimately, each with a port of its own.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from sidecar.membership.policy.member_index import MemberIndex

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
    """Every member that is reported with an address, whether it may be published or not.

    A pod that is not published has its address all the same: one that terminates, or belongs to another cluster.
    """

    def __init__(self) -> None:
        self._index = MemberIndex(attrgetter("address"))

    def put(self, key: str, member: Member | None) -> list[str]:
        """Replace the member under *key*, or remove it (None).

        Returns:
            The keys of the other members whose ownership this may change.
        """
        return self._index.put(key, member if member and member.address else None)

    def owner(self, key: str) -> Member | None:
        """The member under *key* if it has its address; None if another pod has it, or if it has none."""
        member = self._index.get(key)
        if member is None or self._index.is_alone(member):
            return member
        own, others = precedence(member), self._index.having(member.address)
        outranked = any(in_conflict(member, other) and precedence(other) > own for other in others)
        return None if outranked else member

    def is_taken(self, member: Member) -> bool:
        """Whether another pod is reported with the address of *member*."""
        return any(in_conflict(member, other) for other in self._index.having(member.address))
