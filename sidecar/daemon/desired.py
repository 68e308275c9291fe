"""Keeps asking how many replicas there should be, as long as the first file waits for that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sidecar.daemon.replicas import desired_replicas
from sidecar.errors import SourceError

if TYPE_CHECKING:
    from sidecar.backoff import Backoff
    from sidecar.output.publish_loop import PublishLoop
    from sidecar.sources.kubernetes.connection import Connection

SECONDS = 5.0
"""Between two requests: the number changes when somebody scales the workload, which is rare while it starts."""


async def follow_replicas(
    connection: Connection, namespace: str, pod_name: str, publish_loop: PublishLoop, retry: Backoff
) -> None:
    """Tell *publish_loop* how many replicas there should be of the pod's workload, until the first file is out."""
    while not publish_loop.published:
        try:
            publish_loop.want(await desired_replicas(connection, namespace, pod_name))
            await asyncio.sleep(SECONDS)
        except SourceError as error:
            publish_loop.replicas_unknown(error.message)
            await asyncio.sleep(retry.delay(error.retry_after))
