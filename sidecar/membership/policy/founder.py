"""Who may found the cluster: a hint for servers that find nobody to join.

Pure. A server reads it when it starts: it joins if anybody answers, and only if nobody does and it is itself the seed
does it found a cluster; else it waits. Akka and Pekko let the lowest address found one; a pod that is replaced under
the lowest name or address then founds a second cluster as soon as it cannot reach the first. Here it is the oldest
member, so that the role is sticky by itself: no newcomer has it while a member is left that was there before, ready or
not, and it passes to the next oldest only when its holder terminates, is lost, or leaves. Nothing needs to be
remembered for that, hence a new pod's sidecar says the same as an old one's, and after all machines were restarted at
once somebody may still found the cluster.

What is not promised: that all sidecars agree at the same instant (it is advice and no election); that there is a seed
in the file (the oldest member may not be admitted to it: then nobody may found). And where the source does not tell the
times of creation (only pods do) the role falls to the first in canonical order, as it does in Pekko: a StatefulSet's
first pod has it again when it comes back.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

SLACK = 64
"""Stale entries in the queue that are never worth clearing away."""

_UNKNOWN = "~"
"""In place of an unknown time of creation: after every time."""


class Founder:
    """The oldest of all candidates, by time of creation, then by key. A change costs the logarithm of their number."""

    def __init__(self) -> None:
        self._created: dict[str, str] = {}
        self._queue: list[tuple[str, str]] = []

    def put(self, key: str, created: str | None) -> None:
        """The candidate under *key* was created then (RFC 3339, empty if unknown), or None: it is none any more."""
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
        """Its key; empty if there is no candidate."""
        while self._queue and self._created.get(self._queue[0][1]) != self._queue[0][0]:
            heappop(self._queue)
        return self._queue[0][1] if self._queue else ""
