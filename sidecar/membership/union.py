"""The union over origins: one member for each identity, whichever and however many origins report it.

Pure. An EndpointSlice may repeat an endpoint of another one while the controller moves it, and a dual-stack pod stands
in one slice for each family; the union merges such *sightings* by key. It is kept up to date report by report, so that a
change costs the slice that changed and not the set. That it equals the union made from nothing is a law in the tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sidecar.membership.addresses import choose, is_ipv6

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sidecar.membership.events import Report
    from sidecar.membership.member import Member


def merge(sightings: Sequence[tuple[Report, Member]], family: str) -> Member:
    """One member from all that is said of it: the newest origin is believed, and the newest for each address family.

    Args:
        sightings: the reports that report it, with what they report; at least one.
        family: ``auto``, ``ipv4`` or ``ipv6``: which address is the member's. ``auto`` prefers IPv4.
    """
    newest_first = sorted(sightings, key=lambda sighting: (-sighting[0].order, sighting[0].origin))
    newest = newest_first[0][1]
    by_family: dict[bool, tuple[str, ...]] = {}
    for _, member in newest_first:
        for v6 in (False, True):
            found = tuple(address for address in member.addresses if is_ipv6(address) is v6)
            if found:
                by_family.setdefault(v6, found)
    addresses = by_family.get(False, ()) + by_family.get(True, ())
    return msgspec.structs.replace(newest, addresses=addresses, address=choose(addresses, family))


class Union:
    """The members of all reports, by key.

    Args:
        family: as in ``merge``.
    """

    def __init__(self, family: str) -> None:
        self.members: dict[str, Member] = {}
        self._family = family
        self._reports: dict[str, Report] = {}
        self._origins: dict[str, tuple[str, ...]] = {}
        self._shared: set[str] = set()

    def update(self, reports: Mapping[str, Report | None]) -> set[str]:
        """Take the *reports* that are new, by origin (None for one that is gone); the others stay as they are.

        Returns:
            The keys of members that came, went or changed.
        """
        stale: set[str] = set()
        for origin, new in reports.items():
            old = self._reports.pop(origin, None)
            if new is not None:
                self._reports[origin] = new
            stale |= self._reindex(origin, old.members if old else {}, new.members if new else {})
        return {key for key in stale if self._remerge(key)}

    def _reindex(self, origin: str, old: Mapping[str, Member], new: Mapping[str, Member]) -> set[str]:
        # Most members are the same object as before, which costs less to see than that they are equal.
        changed = {key for key, member in new.items() if old.get(key) is not member}
        come = changed - old.keys()
        gone = old.keys() - new.keys() if len(old) + len(come) > len(new) else set()
        for key in gone:
            self._report(key, tuple(other for other in self._origins[key] if other != origin))
        alone = (origin,)
        for key in come:
            self._report(key, (*self._origins[key], origin) if key in self._origins else alone)
        # A shared member is merged again even if this report's view of it is the same: the report may be newer now.
        return gone | changed | (self._shared & new.keys())

    def _report(self, key: str, origins: tuple[str, ...]) -> None:
        """From now on *origins* report the member."""
        if origins:
            self._origins[key] = origins
        else:
            del self._origins[key]
        if len(origins) > 1:
            self._shared.add(key)
        else:
            self._shared.discard(key)

    def _remerge(self, key: str) -> bool:
        sightings = [
            (self._reports[origin], self._reports[origin].members[key]) for origin in self._origins.get(key, ())
        ]
        before = self.members.get(key)
        if not sightings:
            self.members.pop(key, None)
            return before is not None
        after = sightings[0][1] if len(sightings) == 1 else merge(sightings, self._family)
        self.members[key] = after
        return after != before
