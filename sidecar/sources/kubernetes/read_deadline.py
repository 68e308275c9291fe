"""A deadline for the next byte.

aiohttp's own read timeout sets a new timer for each piece of a body, which is a fortieth of what a change costs. This
one sets a timer once per period, and looks then at when something last arrived.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class ReadDeadline:
    """A timer that starts again whenever something arrives.

    Args:
        seconds: how long nothing may arrive.
        expired: called once when nothing has arrived for that long.
    """

    def __init__(self, seconds: float, expired: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._expired = expired
        self._heard_at = self._loop.time()
        self._timer = self._loop.call_later(seconds, self._look)

    def heard(self) -> None:
        """Something arrived."""
        self._heard_at = self._loop.time()

    def stop(self) -> None:
        """Nothing more is expected."""
        self._timer.cancel()

    def _look(self) -> None:
        until = self._heard_at + self._seconds
        if until > self._loop.time():
            self._timer = self._loop.call_at(until, self._look)
        else:
            self._expired()
