"""How each output fares: whether its last write failed, and when it is tried again.

Pure: time is an argument. Each output is retried by itself, with a backoff of its own, so that one that fails never
delays the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.membership.policy.timing import NEVER
from sidecar.output.publication import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sidecar.backoff import Backoff
    from sidecar.errors import PublishError
    from sidecar.output.publication import Publication


class Output:
    """One of them.

    Args:
        path: its name in metrics and status.
        backoff: between attempts after a failure.
    """

    def __init__(self, path: str, backoff: Backoff) -> None:
        self.path = path
        self.error: PublishError | None = None
        """Why the last write failed; None if it did not."""
        self.retry_at = NEVER
        """When it is tried again, while there is an error."""
        self._backoff = backoff

    def succeeded(self) -> None:
        """It holds what it should."""
        self.error, self.retry_at = None, NEVER
        self._backoff.reset()

    def failed(self, error: PublishError, now: float) -> None:
        """It could not be written."""
        self.error, self.retry_at = error, now + self._backoff.delay()


class Outputs:
    """All of them.

    Args:
        paths: their names, in the order of the bodies.
        backoff: makes a backoff.
    """

    def __init__(self, paths: Sequence[str], backoff: Callable[[], Backoff]) -> None:
        self.all = tuple(Output(path, backoff()) for path in paths)

    @property
    def errors(self) -> list[PublishError]:
        """What is wrong now."""
        return [output.error for output in self.all if output.error]

    @property
    def retry_at(self) -> float:
        """When the first of those that failed is due; infinity if none failed."""
        return min(output.retry_at for output in self.all)

    def due(self, now: float, *, healthy: bool) -> set[int]:
        """The numbers of those to try *now*: those that failed and are due again, and the *healthy* ones if wanted."""
        return {at for at, output in enumerate(self.all) if (output.retry_at <= now if output.error else healthy)}

    def take(self, publication: Publication, now: float) -> list[Output]:
        """Note what became of a publication; return the outputs that recovered."""
        errors = iter(publication.errors)
        recovered = []
        for output, outcome in zip(self.all, publication.outcomes, strict=True):
            if outcome is Outcome.ERROR:
                output.failed(next(errors), now)
            elif outcome is not None:
                recovered += [output] if output.error else []
                output.succeeded()
        return recovered
