"""The union over origins: one member per key, whichever and however many origins report it.

Pure. An EndpointSlice may repeat an endpoint of another slice while the controller moves it, and a dual-stack pod is in
one slice for each address family. A *sighting* is what one origin reports about a member; the union merges the
sightings of each key. It is kept up to date report by report, so a change costs the slice that changed and not the
whole set. That it always equals the union built from scratch is a law in the tests.
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
    """One member from all its sightings: the newest is believed, and for each address family the newest that has one.

    Args:
        sightings: the reports that contain the member, each with the member in it; at least one.
        family: ``auto``, ``ipv4`` or ``ipv6``: which address the member is used with. ``auto`` prefers IPv4.
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
        """The origins that report a member, by its key."""
        self._shared: set[str] = set()
        """The keys of the members that several origins report."""

    def update(self, reports: Mapping[str, Report | None]) -> set[str]:
        """Replace some reports; those of other origins stay.

        Args:
            reports: by origin, what it reports now; None for an origin that is gone.

        Returns:
            The keys of the members that joined, left or changed.
        """
        stale: set[str] = set()
        for origin, new in reports.items():
            old = self._reports.pop(origin, None)
            if new is not None:
                self._reports[origin] = new
            stale |= self._reindex(origin, old.members if old else {}, new.members if new else {})
        return {key for key in stale if self._remerge(key)}

    def _reindex(self, origin: str, old: Mapping[str, Member], new: Mapping[str, Member]) -> set[str]:
        """Record which members *origin* reports; return the keys of those to merge again."""
        # Most members are the same object as before; identity is cheaper to test than equality.
        changed = {key for key, member in new.items() if old.get(key) is not member}
        added = {key for key in changed if key not in old}
        removed = old.keys() - new.keys() if len(old) + len(added) > len(new) else set()
        for key in removed:
            self._set_origins(key, tuple(other for other in self._origins[key] if other != origin))
        alone = (origin,)
        for key in added:
            self._set_origins(key, (*self._origins[key], origin) if key in self._origins else alone)
        # Even if a shared member is the same in this report, it must be merged again: the report may be the newest now.
        return removed | changed | (self._shared & new.keys())

    def _set_origins(self, key: str, origins: tuple[str, ...]) -> None:
        if origins:
            self._origins[key] = origins
        else:
            del self._origins[key]
        if len(origins) > 1:
            self._shared.add(key)
        else:
            self._shared.discard(key)

    def _remerge(self, key: str) -> bool:
        """Merge the sightings of one member; return whether that changed it."""
        sightings = [
            (self._reports[origin], self._reports[origin].members[key]) for origin in self._origins.get(key, ())
        ]
        if not sightings:
            del self.members[key]
            return True
        before = self.members.get(key)
        after = sightings[0][1] if len(sightings) == 1 else merge(sightings, self._family)
        self.members[key] = after
        return after != before
