"""An API server, and a connection to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sidecar.simulator import Simulator
from tests.sources.kubernetes.requests import TOKEN
from tests.support.builders import (
    certificate,
    connected,
    credentials_for,
    endpoint_slice,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sidecar.sources.kubernetes.connection import Connection


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """An API server with one slice."""
    async with Simulator() as running:
        running.put("endpointslices", endpoint_slice())
        yield running


@pytest.fixture
async def connection(simulator: Simulator) -> AsyncIterator[Connection]:
    """A connection to it."""
    async with connected(credentials_for(simulator.url, token=TOKEN)) as made:
        yield made


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Two certificates and their keys: one now, one after."""
    directory = tmp_path_factory.mktemp("certificates")
    return {name: certificate(directory, name) for name in ("now", "after")}
