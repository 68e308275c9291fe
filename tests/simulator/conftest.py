"""A simulator and a client of it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from sidecar.simulator import Simulator
from tests.simulator.client import Client


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """A server on a free port."""
    async with Simulator() as running:
        yield running


@pytest.fixture
async def local(simulator: Simulator) -> AsyncIterator[Client]:
    """A client of the simulator with a new connection for each request."""
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(simulator.url, connector=connector) as session:
        yield Client(session)
