"""Whether a source works, as its metrics, its events and ``/status`` say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from sidecar.membership.events import Failed, Recovered
from sidecar.observability.metrics import EVENT_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from sidecar.observability.metrics import Metrics

log = structlog.get_logger(__name__)


class Health:
    """The health of one source, whose metrics it keeps.

    Args:
        scope: the source's.
        metrics: where to count.
        clock: seconds of the event loop's clock.
    """

    def __init__(self, scope: str, metrics: Metrics, clock: Callable[[], float]) -> None:
        self.failing = False
        """Whether the newest attempt failed, and nothing has proved since that the source works again."""
        self.active_at = self.heard_at = clock()
        self.unheard = False
        """Whether an attempt has failed since anything usable arrived."""
        self._scope = scope
        self._clock = clock
        self._events = {kind: metrics.events.labels(scope, kind) for kind in EVENT_TYPES}
        self._last_sync = metrics.last_sync.labels(scope)
        self._up = metrics.source_up.labels(scope)

    def tried(self) -> None:
        """The source did something, be it a retry."""
        self.active_at = self._clock()

    def received(self, kind: str) -> None:
        """Something usable arrived.

        Args:
            kind: one of ``EVENT_TYPES``.
        """
        self.active_at = self.heard_at = self._clock()
        self.unheard = False
        self._events[kind].inc()
        self._last_sync.set_to_current_time()

    def refused(self) -> None:
        """An ERROR arrived, which is nothing usable."""
        self._events["ERROR"].inc()

    def failed(self, reason: str, message: str) -> Failed:
        """An attempt failed: the event that says so."""
        self.failing = self.unheard = True
        self._up.set(0)
        return Failed(scope=self._scope, reason=reason, message=message, arrived=self._clock())

    def recovered(self) -> Recovered:
        """The source is known to work: the event that says so, which matters only if it was failing."""
        if self.failing:
            log.info("source recovered", source=self._scope)
        self.failing = False
        self._up.set(1)
        return Recovered(scope=self._scope)
