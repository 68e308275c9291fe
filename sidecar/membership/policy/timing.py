"""When a selection may be published.

Pure: every time is an argument, in seconds of one monotonic clock. Joins are fast and leaves are calm: while the
endpoint-slice controller moves an endpoint from one slice to another it may for a moment be in none of them, and a
member that leaves the file and comes back costs a clustered server more than one that leaves 200 ms late.
"""

from __future__ import annotations

import msgspec


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A difference between what is selected and what is published."""

    since: float
    """When the first change of it happened."""
    changed: float
    """When the newest change of it happened."""
    leaving: bool
    """Whether a published member is not selected any more."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long changes are collected, in seconds."""

    settle: float
    settle_max: float

    def due(self, pending: Window, published: float) -> float:
        """When *pending* is to be published.

        Args:
            pending: the difference.
            published: when the last publication happened.
        """
        if not pending.leaving and pending.since - published >= self.settle:
            return pending.since
        return min(pending.changed + self.settle, pending.since + max(self.settle, self.settle_max))


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
    """Whether the time for it is over and waiting has no use: the program is to end with the message."""
