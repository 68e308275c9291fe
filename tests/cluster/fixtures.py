"""Fixtures that run a control plane, or a whole node, for any test that asks for one.

Such tests are marked ``cluster``: ``-m "not cluster"`` leaves the fast ones. Where the programs are not built, they are
skipped with the reason and the remedy; ``--require-cluster`` makes that a failure, for a build that must not skip.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from tests.cluster import binaries
from tests.cluster.api import Api
from tests.cluster.control_plane import PROGRAMS, ControlPlane
from tests.cluster.coredns import CoreDns
from tests.cluster.kubectl import Kubectl
from tests.cluster.node import NODE_PROGRAMS, Node, obstacle, running
from tests.images import catalogue

CLUSTER_FIXTURES = {"control_plane", "fresh_control_plane", "node"}
"""A test that uses one of these fixtures, directly or indirectly, runs against a cluster."""

TOOLS = ("openssl", "setpriv")
"""Programs that must be installed on the machine."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption(
        "--require-cluster", action="store_true", help="fail where a test would skip for want of a cluster"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "cluster: runs against a real Kubernetes (set by the fixtures)")
    # Before Python 3.14, a synchronous test that runs first makes looptime create an event loop which nobody closes.
    # Once the loop of this thread is set to None, looptime creates none.
    asyncio.set_event_loop(None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests, before ``-m`` selects among them."""
    for item in items:
        if CLUSTER_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("cluster")


def require_programs(config: pytest.Config, programs: Sequence[str] = PROGRAMS) -> None:
    """Skip the test unless the programs exist; fail it with ``--require-cluster``."""
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    unless(config, f"not installed: {', '.join(absent)}" if absent else binaries.missing(programs))


def require_node(config: pytest.Config) -> None:
    """Skip the test unless there can be a node with images here; fail it under ``--require-cluster``."""
    unless(config, obstacle())
    require_programs(config, [*PROGRAMS, *NODE_PROGRAMS])
    unless(config, catalogue.obstacle())


def unless(config: pytest.Config, reason: str | None) -> None:
    """Skip the test if there is a reason; with ``--require-cluster``, fail it."""
    if reason is None:
        return
    if config.getoption("--require-cluster"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def control_plane(pytestconfig: pytest.Config) -> Iterator[ControlPlane]:
    """The cluster that all tests share, started for the first one. Do not break it: others use it."""
    require_programs(pytestconfig)
    yield from _running()


@pytest.fixture
def fresh_control_plane(pytestconfig: pytest.Config) -> Iterator[ControlPlane]:
    """A cluster for this test alone, which may kill or compact it."""
    require_programs(pytestconfig)
    yield from _running()


@pytest.fixture(scope="session")
def node(pytestconfig: pytest.Config) -> Iterator[Node]:
    """The node that all tests share, with a control plane of its own, and only the image of the sandbox."""
    require_node(pytestconfig)
    with running(catalogue.pause()) as node:
        yield node


@pytest.fixture(scope="session")
def coredns(pytestconfig: pytest.Config, control_plane: ControlPlane) -> Iterator[CoreDns]:
    """The DNS server of the shared cluster."""
    require_programs(pytestconfig, ["coredns"])
    server = CoreDns(control_plane)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def kubectl(pytestconfig: pytest.Config) -> Kubectl:
    """The program ``kubectl``, not yet for any cluster."""
    require_programs(pytestconfig, ["kubectl"])
    return Kubectl(binaries.path("kubectl"))


@pytest.fixture
async def admin(control_plane: ControlPlane) -> AsyncIterator[Api]:
    """An open session of the shared cluster's administrator."""
    async with control_plane.admin() as api:
        yield api


@pytest.fixture
async def namespace(admin: Api) -> str:
    """A new namespace of the shared cluster.

    It is not deleted: the cluster is gone soon anyway, and until then the controllers' work of emptying it would
    disturb the next test.
    """
    metadata = {"generateName": "test-"}
    created = await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    return str(created["metadata"]["name"])


def _running() -> Iterator[ControlPlane]:
    control_plane = ControlPlane()
    control_plane.start()
    yield control_plane
    control_plane.stop()
