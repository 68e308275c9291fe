"""When the publish loop acts next, and what it does then.

Pure: time is an argument. There are four reasons to act: joins or leaves are due; an output that failed is due again;
and now and then somebody must look whether the files are still what was written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sidecar.membership.policy.timing import NEVER

if TYPE_CHECKING:
    from sidecar.membership.policy.changes import Pending
    from sidecar.membership.policy.timing import Hold, Pace

VERIFY_SECONDS = 60.0
"""Between two looks at whether the files are still what was written, where nothing else happens."""


class Step(NamedTuple):
    """What the loop does next."""

    at: float
    """When; infinity if only an event can tell."""
    render: bool = False
    """Whether changes are rendered first."""
    leaves: bool = False
    """Whether leaves are among them."""
    since: float = NEVER
    """When the first of these changes happened."""


def plan(
    pending: Pending, hold: Hold | None, pace: Pace, *, now: float, published_at: float, first: bool, retry_at: float
) -> Step:
    """The next step.

    Args:
        pending: what could be rendered.
        hold: what keeps it back.
        pace: how changes are collected.
        now: the time.
        published_at: when something was last published.
        first: whether this run has published nothing yet, so that there is no reason to wait.
        retry_at: when an output that failed, or a look at the files, is due.
    """
    if hold and not hold.leaves_only:
        return Step(min(hold.until, retry_at))
    leaves = pace.due(pending.leaves, published_at)
    joins = now if first else pace.due(pending.joins, published_at)
    changes = min(joins, leaves)
    if changes <= now:
        windows = [window for window in (pending.joins, pending.leaves if leaves <= now else None) if window]
        since = min((window.since for window in windows), default=NEVER)
        return Step(now, render=True, leaves=leaves <= now, since=since)
    return Step(min(changes, pending.until, retry_at))
