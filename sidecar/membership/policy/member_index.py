"""Members by key, and by a property that several of them may share.

Pure. A value of the property nearly always belongs to one member alone, so the index keeps a tuple only where there are
several. A change costs the members with the same value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sidecar.membership.member import Member


class MemberIndex:
    """Members by key and by a property.

    Args:
        value_of: gives the value of the property.
    """

    def __init__(self, value_of: Callable[[Member], str]) -> None:
        self._value_of = value_of
        self._members: dict[str, Member] = {}
        self._by_value: dict[str, Member | tuple[Member, ...]] = {}

    def get(self, key: str) -> Member | None:
        """The member under *key*."""
        return self._members.get(key)

    def having(self, value: str) -> tuple[Member, ...]:
        """The members with this value."""
        found = self._by_value.get(value, ())
        return found if isinstance(found, tuple) else (found,)

    def is_alone(self, member: Member) -> bool:
        """Whether no other member has the value of *member*."""
        return self._by_value.get(self._value_of(member)) is member

    @property
    def values(self) -> int:
        """The number of distinct values."""
        return len(self._by_value)

    def put(self, key: str, member: Member | None) -> list[str]:
        """Replace the member under *key*, or remove it (None).

        Returns:
            The keys of the other members with the value that it had, or has now.
        """
        before = self._members.get(key)
        if before is member:
            return []
        others: tuple[Member, ...] = ()
        if before is not None:
            del self._members[key]
            others = self._remove(before)
        if member is not None:
            self._members[key] = member
            others += self._add(member)
        if not others:  # nearly always, and quicker
            return []
        return [other.key for other in others]

    def _remove(self, member: Member) -> tuple[Member, ...]:
        """Remove *member*; return the others with its value."""
        value = self._value_of(member)
        found = self._by_value.pop(value)
        if not isinstance(found, tuple):
            return ()
        others = tuple(other for other in found if other is not member)
        self._by_value[value] = others if len(others) > 1 else others[0]
        return others

    def _add(self, member: Member) -> tuple[Member, ...]:
        """Add *member*; return the others with its value."""
        value = self._value_of(member)
        if value not in self._by_value:
            self._by_value[value] = member
            return ()
        others = self.having(value)
        self._by_value[value] = (*others, member)
        return others
