"""Places endpoints in slices as the endpoint-slice controller does.

Removed endpoints leave gaps. New endpoints go into slices that are written anyway, then into the slice that is closest
to full and has room for all of them, then into new slices. Creations are written first, then updates, then deletions,
so that an endpoint that moves may be in two slices for a moment. The algorithm is that of ``reconcileByPortMapping``;
the objects are built in ``projections``. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TypeAlias

PER_SLICE = 100
"""Endpoints per slice, the default of ``--max-endpoints-per-slice``."""

Slice: TypeAlias = dict[str, None]
"""Names of members, in order."""


@dataclass(slots=True)
class Writes:
    """The slices to write, in this order."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)


class Slices:
    """The slices of one service and one address family.

    Args:
        names: Names for new slices, shared by the families of a service.
        per_slice: The maximum number of endpoints per slice.
    """

    def __init__(self, names: Iterator[str], per_slice: int = PER_SLICE) -> None:
        self.members: dict[str, Slice] = {}
        """By the name of the slice."""

        self._names = names
        self._per_slice = per_slice
        self._slice_of: dict[str, str] = {}

    def reconcile(self, wanted: Mapping[str, object], changed: Iterable[str]) -> Writes:
        """Place new members and take out those that are no longer wanted.

        Args:
            wanted: The desired members, by name.
            changed: The names of the members that are new, removed or changed.
        """
        touched: dict[str, None] = {}
        homeless: list[str] = []
        for name in changed:
            home = self._slice_of.get(name)
            if home is None and name in wanted:
                homeless.append(name)
            elif home is not None:
                touched[home] = None
                if name not in wanted:
                    del self.members[home][name], self._slice_of[name]
        before = set(self.members)
        self._place(homeless, touched)
        return self._writes(before, touched)

    def _place(self, homeless: list[str], touched: dict[str, None]) -> None:
        for name in sorted(touched, key=lambda name: -len(self.members[name])):
            self._fill(name, homeless)
        while homeless:
            home = self._closest_to_full(len(homeless), touched) or self._new()
            touched[home] = None
            self._fill(home, homeless)

    def _fill(self, home: str, homeless: list[str]) -> None:
        room = self._per_slice - len(self.members[home])
        for name in homeless[:room]:
            self.members[home][name] = None
            self._slice_of[name] = home
        del homeless[:room]

    def _closest_to_full(self, newcomers: int, touched: Mapping[str, None]) -> str | None:
        fitting = (
            name
            for name, members in self.members.items()
            if name not in touched and len(members) + newcomers <= self._per_slice
        )
        return max(fitting, key=lambda name: len(self.members[name]), default=None)

    def _new(self) -> str:
        name = next(self._names)
        self.members[name] = {}
        return name

    def _writes(self, before: set[str], touched: Mapping[str, None]) -> Writes:
        empty = [name for name, members in self.members.items() if not members]
        if len(empty) == len(self.members):
            del empty[:1]
        writes = Writes(deleted=empty)
        for name in empty:
            del self.members[name]
        for name in touched:
            if name in self.members:
                (writes.updated if name in before else writes.created).append(name)
        if not self.members:
            writes.created.append(self._new())
        return writes


def names(prefix: str) -> Iterator[str]:
    """Names like those of generateName, but the same in every run."""
    letters = "bcdfghjklmnpqrstvwxz2456789"
    for number in count(7_368_787, 7_368_787):  # coprime to 27**5: consecutive names differ visibly and none repeats
        suffix = (letters[number // len(letters) ** place % len(letters)] for place in range(5))
        yield f"{prefix}-{''.join(suffix)}"
