"""Idle connections do not disturb the sidecar: it publishes, responds to its probes, and logs one line.

Scope: the process with its limit on file descriptors. What happens to a single connection is in ``test_connections``.
"""

import asyncio
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from sidecar.simulator import ScriptedService, Simulator
from tests.real.sidecar import Sidecar
from tests.real.test_failures_reported import to_simulator

DESCRIPTORS = 256
CONNECTIONS = 349

JOIN_SECONDS = 5.0
"""A join takes milliseconds; the machine may be busy."""


@pytest.mark.slow
async def test_idle_connections_stop_neither_publishing_nor_probes(tmp_path: Path, sidecar: type[Sidecar]) -> None:
    """349 idle connections to a sidecar with 256 file descriptors: a join is published, and the log has one line."""
    async with Simulator() as simulator:
        service = ScriptedService(simulator)
        service.scale(1)
        kubeconfig = to_simulator(simulator, tmp_path / "kubeconfig")
        limit = ("prlimit", f"--nofile={DESCRIPTORS}")
        one = sidecar(tmp_path, kubeconfig, "--service=app", "--source=endpointslice", within=limit)
        await one.start()
        await one.until(lambda: len(one.members()) == 1)
        port = int(one.url.rpartition(":")[2])
        with ExitStack() as open_connections:
            for _ in range(CONNECTIONS):
                open_connections.enter_context(socket.create_connection(("127.0.0.1", port)))
            simulator.cut_watches()  # the next watch takes a new file descriptor
            service.scale(2)
            await one.until(lambda: len(one.members()) == 2, JOIN_SECONDS)
            assert (await asyncio.to_thread(one.get, "/livez"))[0] == 200
        assert [line for line in one.lines() if line["level"] == "error"] == []
        assert len(one.logged("too many HTTP connections")) == 1
        await one.stop()
