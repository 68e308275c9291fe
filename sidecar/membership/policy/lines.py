"""One line for each pod and port, however many Services select the pod.

Pure. Each Service reports a pod under a key of its own. Of those that are admitted with the same port, the first in
canonical order has the line, in the files of every format. A pod with two ports has two lines, and is one pod.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from sidecar.membership.policy.member_index import MemberIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sidecar.membership.member import Member


class Lines:
    """The admitted members by pod. A change costs the members of the same pod."""

    def __init__(self) -> None:
        self._index = MemberIndex(attrgetter("pod"))

    @property
    def pods(self) -> int:
        """The number of pods that have a line."""
        return self._index.values

    def put(self, key: str, member: Member | None) -> list[str]:
        """Replace the admitted member under *key*, or remove it (None).

        Returns:
            The keys of the other members that may get or lose a line by this.
        """
        return self._index.put(key, member)

    def holder(self, key: str) -> Member | None:
        """The member under *key* if it has a line; None if another key has it, or if it is not admitted."""
        member = self._index.get(key)
        if member is None or self._index.is_alone(member):
            return member
        return member if min(self._same(member)) == key else None

    def is_held(self, member: Member) -> bool:
        """Whether the pod and port of *member* have a line."""
        return any(self._same(member))

    def keys(self, pod: str) -> list[str]:
        """The keys of the admitted members of *pod*."""
        return [member.key for member in self._index.having(pod)]

    def _same(self, member: Member) -> Iterator[str]:
        """The keys under which the pod of *member* is admitted with the same port."""
        return (other.key for other in self._index.having(member.pod) if other.port == member.port)
