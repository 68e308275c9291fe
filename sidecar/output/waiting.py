"""When to say again what is being waited for: at once, then at growing intervals.

Pure: time is an argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.membership.policy.timing import NEVER

if TYPE_CHECKING:
    from sidecar.membership.policy.timing import Hold

FIRST_REMINDER, LONGEST_REMINDER = 10.0, 300.0
"""Seconds between two reminders: each interval is twice the one before."""

LISTING_SECONDS = 1.0
"""That a first answer may take before it is worth a line: most take some milliseconds."""


class Waiting:
    """The reminders about one hold after the other."""

    def __init__(self) -> None:
        self.next_at = NEVER
        """When to say it again."""
        self._reason = ""
        self._interval = FIRST_REMINDER

    def is_due(self, hold: Hold | None, now: float) -> bool:
        """Whether to say *now* why *hold* holds; to be asked whenever it may have changed."""
        if hold is None:
            self._reason, self.next_at = "", NEVER
            return False
        if hold.reason != self._reason:
            self._reason, self._interval = hold.reason, FIRST_REMINDER
            self.next_at = now + (LISTING_SECONDS if hold.reason == "not-synced" else 0.0)
        if now < self.next_at:
            return False
        self.next_at = now + self._interval
        self._interval = min(2 * self._interval, LONGEST_REMINDER)
        return True
