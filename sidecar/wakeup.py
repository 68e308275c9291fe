"""How a loop sleeps: until there is news, or until a moment that it has planned."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

NEVER = float("inf")


async def wait_for(news: asyncio.Event, until: float, clock: Callable[[], float]) -> float:
    """Wait for *news* or *until* then; return the time that it is, which is not before *until* if there was no news.

    Args:
        news: set by whoever has some; the caller clears it.
        until: seconds of the event loop's clock; infinity to wait for news alone.
        clock: the event loop's clock.
    """
    try:
        async with asyncio.timeout_at(None if until == NEVER else until):
            await news.wait()
    except TimeoutError:
        return max(until, clock())  # a loop may wake up the resolution of its clock too early
    return clock()
