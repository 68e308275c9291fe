"""Has the publisher write in a thread of its own, and notices a volume that does not answer.

A write that hangs in the kernel (a dead NFS server, a frozen disk) cannot be ended from here. It is reported, the
liveness probe fails, and the end of the program does not wait for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiofiles.os import wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from concurrent.futures import Executor

    from sidecar.output.pipeline import Pipeline
    from sidecar.output.publication import Publication
    from sidecar.output.publisher import Publisher


class Writer:
    """The publisher's thread.

    Args:
        publisher: writes.
        executor: runs it: one thread, so that publications never overlap.
        clock: seconds of the event loop's clock.
        limit: seconds after which a write that has not ended is stuck.
        stuck: called with them when one is.
    """

    def __init__(
        self,
        publisher: Publisher,
        executor: Executor,
        *,
        clock: Callable[[], float],
        limit: float,
        stuck: Callable[[float], None],
    ) -> None:
        self._publisher = publisher
        self._publish = wrap(publisher.publish)
        self._executor = executor
        self._clock = clock
        self._limit = limit
        self._stuck = stuck
        self._since: float | None = None

    @property
    def stuck_seconds(self) -> float:
        """For how long a write has been in progress that should have ended; 0 if none is."""
        seconds = 0.0 if self._since is None else self._clock() - self._since
        return seconds if seconds >= self._limit else 0.0

    async def write(self, pipeline: Pipeline, only: Collection[int], *, again: bool) -> Publication:
        """Write what *pipeline* has rendered to the outputs with these numbers; see ``Publisher.publish``."""
        self._since = self._clock()
        timer = asyncio.get_running_loop().call_later(self._limit, self._stuck, self._limit)
        try:
            return await self._publish(
                pipeline.bodies,
                pipeline.resource_versions(self._publisher.checkpoint.resource_versions),
                members=pipeline.record,
                only=only,
                again=again,
                executor=self._executor,
            )
        finally:
            timer.cancel()
            self._since = None
