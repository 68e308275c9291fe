"""The HTTP surface over a real socket: probes, metrics, status. Out of scope: when they change (test_keeper)."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import msgspec
import pytest

from sidecar.errors import SourceError
from sidecar.observability.metrics import Metrics
from sidecar.observability.server import Server, listen
from sidecar.observability.status import STALLED_SECONDS, MemberCounts, OutputStatus, SourceStatus, Status

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
async def served(status: Status, metrics: Metrics) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a server that shows *status*."""
    server = Server(lambda: status, metrics.registry)
    url = await server.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession(url) as client:
            yield client
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("status", "codes"),
    [
        pytest.param(GOOD, (200, 200, 200), id="all is well"),
        pytest.param(
            msgspec.structs.replace(GOOD, published=False, waiting_for="no complete answer yet"),
            (200, 503, 503),
            id="no file yet",
        ),
        pytest.param(
            msgspec.structs.replace(GOOD, sources=(msgspec.structs.replace(SOURCE, failing="away"),)),
            (200, 200, 200),
            id="an API server that is away is no reason to restart, or to leave the Service",
        ),
        pytest.param(
            msgspec.structs.replace(GOOD, sources=(msgspec.structs.replace(SOURCE, inactive_seconds=STALLED_SECONDS),)),
            (503, 200, 200),
            id="a source that does not even retry is stuck",
        ),
        pytest.param(
            msgspec.structs.replace(GOOD, write_stuck_seconds=31.0),
            (503, 200, 200),
            id="a volume that does not answer",
        ),
    ],
)
async def test_what_the_probes_say(status: Status, codes: tuple[int, int, int]) -> None:
    """The table of /livez, /readyz and /startupz."""
    async with served(status, Metrics(())) as client:
        found = []
        for path in ("/livez", "/readyz", "/startupz"):
            async with client.get(path) as response:
                found.append(response.status)
                text = await response.text()
                assert text == "ok\n" if response.status == 200 else (status.waiting_for or status.complaint) in text
    assert tuple(found) == codes


async def test_status_is_json() -> None:
    """It parses back to the same status."""
    async with served(GOOD, Metrics(())) as client, client.get("/status") as response:
        assert response.content_type == "application/json"
        assert msgspec.json.decode(await response.read(), type=Status) == GOOD


async def test_every_known_series_starts_at_zero() -> None:
    """So that a rate over it, and an alert on it, work from the first scrape on."""
    metrics = Metrics(["/m/members.json"])
    metrics.expect(SOURCE.scope)
    async with served(GOOD, metrics) as client, client.get("/metrics") as response:
        text = await response.text()
    for result in ("written", "unchanged", "error"):
        assert f'membership_file_writes_total{{output="/m/members.json",result="{result}"}} 0.0' in text
    for reason in SourceError.REASONS:
        assert f'membership_watch_restarts_total{{reason="{reason}",source="{SOURCE.scope}"}} 0.0' in text
    assert f'membership_source_up{{source="{SOURCE.scope}"}} 0.0' in text
    assert "membership_build_info{" in text
    assert "membership_change_to_write_seconds_bucket" in text
    assert "process_resident_memory_bytes" in text
    assert "_created" not in text


async def test_openmetrics_is_spoken_to_those_who_ask() -> None:
    """Prometheus asks."""
    async with (
        served(GOOD, Metrics(())) as client,
        client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}) as response,
    ):
        assert response.content_type == "application/openmetrics-text"
        assert (await response.text()).endswith("# EOF\n")


@pytest.mark.parametrize("host", ["::", "127.0.0.1"])
def test_all_addresses_take_ipv4(host: str) -> None:
    """[::] takes both families on one port."""
    with listen(host, 0) as listening:
        socket.create_connection(("127.0.0.1", listening.getsockname()[1]), timeout=5).close()
