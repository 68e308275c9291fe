"""A server with a given status, for the tests of its pages and of its connections."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sidecar.observability.connections import IDLE_SECONDS
from sidecar.observability.metrics import Metrics
from sidecar.observability.server import Server
from sidecar.observability.status import MemberCounts, OutputStatus, SourceStatus, Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SOURCE = SourceStatus(
    scope="endpointslice/default/app",
    synced=True,
    resource_version="7",
    failing="",
    idle_seconds=1.0,
    inactive_seconds=1.0,
)
GOOD = Status(
    version="1",
    published=True,
    generation=3,
    members=2,
    states=MemberCounts(ready=2),
    selected=2,
    waiting_for="",
    waiting_seconds=None,
    write_stuck_seconds=0.0,
    synced=True,
    source="endpointslice",
    fallback_reason="",
    warnings=(),
    sources=(SOURCE,),
    outputs=(OutputStatus(format="json", path="/m/members.json", error="", retry_seconds=None, last_write=1.0),),
    stopping=False,
)


@asynccontextmanager
async def served(
    status: Status = GOOD, metrics: Metrics | None = None, *, idle_seconds: float = IDLE_SECONDS
) -> AsyncIterator[str]:
    """The URL of a server that shows *status*."""
    server = Server(lambda: status, (metrics or Metrics(())).registry, idle_seconds=idle_seconds)
    url = await server.start("127.0.0.1", 0)
    try:
        yield url
    finally:
        await server.stop()
