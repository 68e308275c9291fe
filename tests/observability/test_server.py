"""The pages over a real socket: probes, metrics, status. Out of scope: when they change (``daemon``)."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.errors import SourceError
from sidecar.observability.metrics import Metrics
from sidecar.observability.server import listen
from sidecar.observability.status import STALLED_SECONDS, Status
from tests.observability.serving import GOOD, SOURCE, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def client_of(status: Status = GOOD, metrics: Metrics | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a server that shows *status*."""
    async with served(status, metrics) as url, aiohttp.ClientSession(url) as client:
        yield client


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
            msgspec.structs.replace(GOOD, sources=(msgspec.structs.replace(SOURCE, failing="unreachable"),)),
            (200, 200, 200),
            id="an unreachable API server is no reason to restart, or to leave the Service",
        ),
        pytest.param(
            msgspec.structs.replace(GOOD, sources=(msgspec.structs.replace(SOURCE, inactive_seconds=STALLED_SECONDS),)),
            (503, 200, 200),
            id="a source that does not even retry is stuck",
        ),
        pytest.param(
            msgspec.structs.replace(GOOD, write_stuck_seconds=31.0),
            (503, 200, 200),
            id="a volume that does not respond",
        ),
    ],
)
async def test_the_probes_follow_the_status(status: Status, codes: tuple[int, int, int]) -> None:
    """The status codes of /livez, /readyz and /startupz."""
    async with client_of(status) as client:
        found = []
        for path in ("/livez", "/readyz", "/startupz"):
            async with client.get(path) as response:
                found.append(response.status)
                text = await response.text()
                assert text == "ok\n" if response.status == 200 else (status.waiting_for or status.complaint) in text
    assert tuple(found) == codes


async def test_status_is_json() -> None:
    """It can be parsed back into the same status."""
    async with client_of() as client, client.get("/status") as response:
        assert response.content_type == "application/json"
        assert msgspec.json.decode(await response.read(), type=Status) == GOOD


async def test_every_known_series_starts_at_zero() -> None:
    """So that rates and alerts work from the first scrape on."""
    metrics = Metrics(["/m/members.json"])
    metrics.expect(SOURCE.scope)
    async with client_of(GOOD, metrics) as client, client.get("/metrics") as response:
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


async def test_openmetrics_is_served_on_request() -> None:
    """Prometheus requests it."""
    async with (
        client_of() as client,
        client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}) as response,
    ):
        assert response.content_type == "application/openmetrics-text"
        assert (await response.text()).endswith("# EOF\n")


@pytest.mark.parametrize("host", ["::", "127.0.0.1"])
def test_the_server_accepts_ipv4(host: str) -> None:
    """[::] accepts both address families on one port."""
    with listen(host, 0) as listening:
        socket.create_connection(("127.0.0.1", listening.getsockname()[1]), timeout=5).close()


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz", "/startupz", "/status"])
async def test_head_returns_the_headers_of_every_page(path: str) -> None:
    """Without a body; a client may check a page before it fetches it."""
    async with client_of() as client:
        async with client.get(path) as response:
            expected = (response.status, response.content_type)
        async with client.head(path) as response:
            assert (response.status, response.content_type) == expected
            assert response.content_length
            assert await response.read() == b""


@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", "/status", 405), ("GET", "/", 404), ("HEAD", "/x", 404)]
)
async def test_other_pages_and_methods_are_refused(method: str, path: str, status: int) -> None:
    """405 names the methods that are allowed."""
    async with client_of() as client, client.request(method, path) as response:
        assert response.status == status
        assert response.headers.get("Allow") == ("GET, HEAD" if status == 405 else None)


@pytest.mark.parametrize("version", ["x", "1.x", "\xff", ""])
async def test_a_malformed_accept_header_is_refused(version: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is the client's mistake, so the log has no traceback."""
    accept = {"Accept": f"application/openmetrics-text; version={version}"}
    async with client_of() as client, client.get("/metrics", headers=accept) as response:
        assert response.status == (400 if version else 200)
    assert caplog.records == []


PARTS = ("application/openmetrics-text", "text/plain", "version=", "escaping=", "allow-utf-8", *";, =.-019x")
ACCEPT = st.lists(st.sampled_from(PARTS), max_size=12).map("".join)


@given(ACCEPT)
@example("application/openmetrics-text; version=x")
@example("text/plain; version=1.x")
def test_any_accept_header_is_served_or_refused(accept: str) -> None:
    """No header makes the page fail."""

    async def ask() -> int:
        async with client_of() as client, client.get("/metrics", headers={"Accept": accept.strip()}) as response:
            return response.status

    assert asyncio.run(ask()) in {200, 400}
