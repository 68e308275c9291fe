"""The fixtures of this package."""

from collections.abc import Iterator

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.coredns import CoreDns
from tests.cluster.fixtures import require_programs
from tests.real.scene import TTL
from tests.real.sidecar import Sidecar


@pytest.fixture
def sidecar() -> Iterator[type[Sidecar]]:
    """The class ``Sidecar``; its processes end with the test."""
    made: list[Sidecar] = []

    class Mortal(Sidecar):
        def spawn(self, command: str = "run") -> None:
            made.append(self)
            super().spawn(command)

    yield Mortal
    for one in made:
        one.clean_up()


@pytest.fixture(scope="session")
def cluster_dns(pytestconfig: pytest.Config, control_plane: ControlPlane) -> Iterator[CoreDns]:
    """A DNS server of the shared cluster that only these tests use, because they kill and restart it."""
    require_programs(pytestconfig, ["coredns"])
    server = CoreDns(control_plane, ttl=TTL)
    server.start()
    yield server
    server.stop()
