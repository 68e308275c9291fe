"""What the sources of a run are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sidecar.settings.services import resolved
from sidecar.sources.kubernetes.objects import Projection

if TYPE_CHECKING:
    from collections.abc import Callable

    from sidecar.observability.metrics import Metrics
    from sidecar.settings.values import Settings
    from sidecar.sources.kubernetes.connection import Connection


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What every source is made from.

    Args:
        settings: what is wanted.
        namespace: the sidecar's own, which Services without one are in.
        connection: to the API server; None if there are no credentials for it.
        metrics: where to count.
        checkpoint: the resourceVersion that was published of a scope, now; empty if there is none.
        clock: seconds of the event loop's clock.
        jitter: a random number in [0, 1).
    """

    settings: Settings
    namespace: str
    connection: Connection | None
    metrics: Metrics
    checkpoint: Callable[[str], str]
    clock: Callable[[], float]
    jitter: Callable[[], float]

    @property
    def projection(self) -> Projection:
        """How objects become members."""
        settings = self.settings
        return Projection(
            port=settings.port,
            family=settings.address_family,
            pod_uid=settings.pod_uid,
            pod_name=settings.pod_name,
            namespace=self.namespace,
        )

    @property
    def services(self) -> list[tuple[str, str]]:
        """Namespace and name of the Services."""
        return resolved(self.settings.service, self.settings.namespace or self.namespace)
