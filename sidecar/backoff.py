"""How long to wait before the next attempt.

Pure: the clock and the jitter are arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


LONGEST_ASKED = 120.0
"""The longest wait that a server may ask for, in seconds. Real ones ask for 1 to 30; 300 without an attempt count as a
stuck source."""


class Backoff:
    """Exponential backoff with full jitter on top.

    The defaults are client-go's (tools/cache/reflector.go: 800 ms, factor 2, cap 30 s, jitter 1.0, reset after two
    minutes without a failure), so that a fleet of sidecars weighs on an API server as a fleet of its own clients does.

    Args:
        initial: seconds before the second attempt.
        cap: seconds it grows to; with the jitter, twice that.
        healthy: seconds without a failure after which it starts again from *initial*.
        clock: a monotonic clock.
        jitter: a random number in [0, 1).
    """

    FACTOR = 2.0

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        initial: float = 0.8,
        cap: float = 30.0,
        healthy: float = 120.0,
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._initial = initial
        self._cap = cap
        self._healthy = healthy
        self._next = initial
        self._last = float("-inf")

    def reset(self) -> None:
        """Start again from the first step, because what failed before works."""
        self._next = self._initial

    def delay(self, at_least: float = 0.0) -> float:
        """Seconds to wait now: this step or *at_least* (a Retry-After, the same for everybody; capped), with jitter."""
        now = self._clock()
        if now - self._last > self._healthy:
            self._next = self._initial
        self._last = now
        step, self._next = self._next, min(self._next * self.FACTOR, self._cap)
        return max(step, min(at_least, LONGEST_ASKED)) + step * self._jitter()
