"""Which member may found the cluster: a hint for servers that find nobody to join.

Pure. A server reads the hint when it starts: it joins if anybody answers, and it founds a cluster only if nobody does
and it is the seed itself; otherwise it waits. Akka and Pekko let the lowest address found the cluster; a pod that is
replaced under the lowest name or address then founds a second cluster as soon as it cannot reach the first. Here it is
the oldest member, which makes the role sticky by itself: no newcomer gets it while a member is left that was there
before, ready or not, and it passes to the next oldest only when its holder terminates, is lost, or leaves. Nothing has
to be remembered for that, so the sidecar of a new pod picks the same seed as that of an old one, and after all machines
were restarted at once somebody may still found the cluster.

Not promised: that all sidecars agree at the same instant (it is a hint, not an election), and that the file contains a
seed (the oldest member may not be admitted to it; then nobody may found a cluster). Where the source does not report
creation times (only pods do), the first in canonical order gets the role, as in Pekko: the first pod of a StatefulSet
gets it again when it comes back.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

SLACK = 64
"""Stale entries in the queue that are never worth clearing away."""

_UNKNOWN = "~"
"""In place of an unknown creation time: sorts after every time."""


class Founder:
    """The oldest of all candidates, by creation time, then by key. A change costs the logarithm of their number.

    The queue may contain stale entries, of candidates that left or whose creation time changed; they are dropped when
    they reach its front, and cleared away when they outnumber the candidates.
    """

    def __init__(self) -> None:
        self._created: dict[str, str] = {}
        self._queue: list[tuple[str, str]] = []

    def put(self, key: str, created: str | None) -> None:
        """Add, change or remove a candidate.

        Args:
            key: whose.
            created: its creation time (RFC 3339), empty if that is unknown; None if it is not a candidate.
        """
        if created is None:
            self._created.pop(key, None)
            return
        rank = created or _UNKNOWN
        if self._created.get(key) == rank:
            return
        self._created[key] = rank
        heappush(self._queue, (rank, key))
        if len(self._queue) > 2 * len(self._created) + SLACK:
            self._queue = [(rank, key) for key, rank in self._created.items()]
            heapify(self._queue)

    @property
    def seed(self) -> str:
        """The key of the oldest candidate; empty if there is none."""
        while self._queue and self._created.get(self._queue[0][1]) != self._queue[0][0]:
            heappop(self._queue)
        return self._queue[0][1] if self._queue else ""
