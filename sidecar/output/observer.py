"""What is shown of the publish loop: its metrics and its log lines. Decides nothing."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import structlog

from sidecar.membership.policy.guards import REASONS
from sidecar.output.publication import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sidecar.errors import PublishError
    from sidecar.membership.member import Member
    from sidecar.membership.policy.timing import Hold
    from sidecar.observability.metrics import Metrics
    from sidecar.output.publication import Publication
    from sidecar.output.written import Difference

log = structlog.get_logger(__name__)

NAMES_LOGGED = 10
"""Names of members that joined or left in a log line; more would be a long line at each relist."""


class Observer:
    """The metrics and the log of a publish loop.

    Args:
        metrics: where to count.
        paths: of the outputs, which name them.
        members: those in the files, by key.
    """

    def __init__(self, metrics: Metrics, paths: Sequence[str], members: Mapping[str, Member]) -> None:
        self.last_writes: dict[str, float] = {}
        """When each output was last replaced, in seconds since 1970, by its path."""
        self._metrics = metrics
        self._paths = paths
        self._members = members
        self._writes = {
            (path, outcome): metrics.writes.labels(path, outcome.value) for path in paths for outcome in Outcome
        }
        self._last_writes = {path: metrics.last_write.labels(path) for path in paths}
        self._generations = {path: metrics.generation.labels(path) for path in paths}
        metrics.measure_members(members.values)

    def measure_holds(self, held_by: Callable[[], str]) -> None:
        """Show the reason that *held_by* gives when somebody asks."""
        for reason in REASONS:
            self._metrics.guard_held.labels(reason).set_function(partial(lambda known: held_by() == known, reason))

    def measure_predecessor(self, written: Mapping[str, float], generation: int) -> None:
        """Show what a predecessor wrote: a restart whose files are up to date writes nothing, and they keep their age.

        Args:
            written: when each output was last replaced, in seconds since 1970, by its path.
            generation: how often they were changed.
        """
        for path, at in written.items():
            self._note_write(path, at)
            self._generations[path].set(generation)

    def publication(self, published: Publication, *, again: bool) -> None:
        """Count what became of each output; with *again*, that one is still as it was written is no news."""
        for path, outcome in zip(self._paths, published.outcomes, strict=True):
            if outcome is None or (again and outcome is Outcome.UNCHANGED):
                continue
            self._writes[path, outcome].inc()
            if outcome is Outcome.WRITTEN:
                self._note_write(path, time.time())
                self._generations[path].set(published.generation)

    def _note_write(self, path: str, at: float) -> None:
        self.last_writes[path] = at
        self._last_writes[path].set(at)

    def failures(self, failed: Iterable[tuple[str, PublishError, float]]) -> None:
        """Count and log outputs that could not be written: path, error, and seconds until the next attempt."""
        for path, error, wait in failed:
            self._metrics.write_errors.labels(path, error.code).inc()
            log.error("file not written", path=path, reason=error.message, retry_seconds=round(wait, 3))

    def restored(self, paths: Iterable[str]) -> None:
        """Log outputs that somebody else had removed or changed."""
        for path in paths:
            log.warning("file restored", path=path, reason="somebody else had removed or changed it")

    def recovered(self, paths: Iterable[str]) -> None:
        """Log outputs that can be written again."""
        for path in paths:
            log.info("file recovered", path=path)

    def published(self, difference: Difference, published: Publication, now: float) -> None:
        """Log what is new in the files, and measure how long it took from the first of these changes to *now*."""
        if difference.since <= now:
            self._metrics.change_to_write.observe(now - difference.since)
        log.info(
            "published",
            generation=published.generation,
            members=len(self._members),
            joined=_names(difference.joined),
            left=_names(difference.left),
            updated=len(difference.updated),
            outcomes=[outcome.value if outcome else "waiting" for outcome in published.outcomes],
        )

    def waiting(self, hold: Hold, now: float) -> None:
        """Log why the newest set is not published."""
        left = hold.until - now
        limit = {"seconds_left": round(left, 1)} if left < float("inf") else {}
        log.info("waiting", guard=hold.reason, reason=hold.message, **limit)

    def gave_up_waiting(self, reason: str) -> None:
        """Log that the first file is written although something is missing."""
        log.warning("start timeout passed", reason=f"publishing all the same: {reason}")

    def stuck(self, seconds: float) -> None:
        """Log a write that does not end."""
        message = f"The volume has not responded for {seconds:g} s, and the files have not been updated since."
        log.error("write stuck", paths=list(self._paths), reason=message)


def _names(members: Iterable[Member]) -> list[str]:
    names = [member.name or member.address for member in members]
    rest = len(names) - NAMES_LOGGED
    return [*names[:NAMES_LOGGED], f"and {rest} more"] if rest > 0 else names
