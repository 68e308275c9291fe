"""When a change may be published.

Pure: every time is an argument, in seconds of one monotonic clock. Joins are fast and leaves are calm: while the
endpoint-slice controller moves an endpoint from one slice to another it may for a moment be in neither, and a member
that leaves the file and comes back costs a clustered server more than one that leaves 200 ms late. So leaves settle by
themselves, and a join never waits for one.
"""

from __future__ import annotations

import msgspec

NEVER = float("inf")


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Changes that wait to be published."""

    since: float
    """When the first of them happened."""
    changed: float
    """When the newest of them happened."""
    leaving: bool = False
    """Whether they take published members away."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long changes are collected, in seconds."""

    settle: float
    settle_max: float

    def due(self, window: Window | None, published: float) -> float:
        """When *window* is to be published; never if it is None.

        Args:
            window: joins and updates, or leaves.
            published: when the last publication happened.
        """
        if window is None:
            return NEVER
        if not window.leaving and window.since - published >= self.settle:
            return window.since
        return min(window.changed + self.settle, window.since + max(self.settle, self.settle_max))


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Something that keeps the newest set, or the leaves in it, from being published."""

    reason: str
    """One of ``guards.REASONS``."""
    message: str
    """Why, for an operator."""
    until: float
    """When to look again if nothing happens before; infinity if only an event can end it."""
    leaves_only: bool = False
    """Whether joins and updates are published all the same."""
    over: bool = False
    """Whether its time limit has passed and waiting is of no use: the program ends with the message."""
