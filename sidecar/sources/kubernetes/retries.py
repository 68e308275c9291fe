"""How long to wait after a failed request before the next one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from sidecar.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable

    from sidecar.errors import SourceError
    from sidecar.sources.kubernetes.credentials import Credentials
    from sidecar.sources.kubernetes.timing import Timing

log = structlog.get_logger(__name__)


class Retries:
    """The waits of one reflector.

    Args:
        scope: the reflector's, for the log.
        credentials: read again after a 401.
        clock: monotonic seconds.
        jitter: a random number in [0, 1).
        timing: the durations.
    """

    def __init__(
        self,
        scope: str,
        credentials: Credentials,
        *,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        timing: Timing,
    ) -> None:
        self._scope = scope
        self._credentials = credentials
        self._failing = Backoff(clock=clock, jitter=jitter, initial=timing.retry, cap=timing.retry_cap)
        self._refused = Backoff(clock=clock, jitter=jitter, initial=timing.retry, cap=timing.refused_cap)
        self._retried_401 = False

    def accepted(self) -> None:
        """The server accepted the token: the next 401 is retried at once again."""
        self._retried_401 = False

    def reset(self) -> None:
        """What failed had worked before: the next wait is the shortest again."""
        self._failing.reset()

    async def wait(self, error: SourceError) -> None:
        """Wait as long as *error* calls for; after a 401 read the credentials again, and the first time do not wait."""
        if error.reason == "unauthorized":
            self._credentials.invalidate()
            if not self._retried_401:
                self._retried_401 = True
                log.info("credentials read again", source=self._scope, reason=error.message)
                return
        backoff = self._refused if error.reason == "refused" else self._failing
        delay = backoff.delay(error.retry_after)
        log.warning("source failing", source=self._scope, reason=error.message, retry_seconds=round(delay, 3))
        await asyncio.sleep(delay)
