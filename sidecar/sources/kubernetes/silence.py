"""How long a peer may be silent.

aiohttp's own read time-out sets a timer anew at each piece of a body, which is a fortieth of what a change costs; this
one is set once in a period, and looks then when something was heard last.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class ReadDeadline:
    """A clock that starts again whenever something is heard.

    Args:
        seconds: that may pass without.
        end: called once when they have.
    """

    def __init__(self, seconds: float, end: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._end = end
        self._heard_at = self._loop.time()
        self._timer = self._loop.call_later(seconds, self._look)

    def heard(self) -> None:
        """Something came."""
        self._heard_at = self._loop.time()

    def stop(self) -> None:
        """Nothing needs to come any more."""
        self._timer.cancel()

    def _look(self) -> None:
        until = self._heard_at + self._seconds
        if until > self._loop.time():
            self._timer = self._loop.call_at(until, self._look)
        else:
            self._end()
