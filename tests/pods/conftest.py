"""What the tests of this directory share: a node with the images, and a namespace for each test."""

from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest

from tests.cluster.api import Api, path_of
from tests.cluster.node import Node
from tests.images import catalogue
from tests.pods.scene import Scene, until

START_SECONDS = 240
"""For the first test, which starts the node and builds the image of the current code."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Allow the tests of this directory the time that pods take."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(START_SECONDS))


@pytest.fixture(scope="session")
def loaded_node(node: Node) -> Node:
    """The shared node, with all images."""
    node.load(catalogue.sidecar())
    node.load(catalogue.readers(), *catalogue.READERS)
    return node


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the state of the cluster to the report of a failure."""
    report = yield
    scene = getattr(item, "funcargs", {}).get("scene")
    if report.failed and report.when == "call" and isinstance(scene, Scene):
        report.sections.append(("cluster", scene.description()))
    return report


@pytest.fixture
async def scene(loaded_node: Node, tmp_path: Path) -> AsyncIterator[Scene]:
    """A new namespace, and how to work in it. Its pods are killed afterwards."""
    async with loaded_node.control_plane.admin() as api:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "test-"}}
        namespace = str((await api.create(body))["metadata"]["name"])
        await until("the namespace has its service account", lambda: has_account(api, namespace))
        yield Scene(loaded_node, api, namespace, tmp_path)
        for kind in ("StatefulSet", "Deployment"):
            await api.request("DELETE", path_of(kind, namespace))
        await api.request("DELETE", path_of("Pod", namespace), parameters={"gracePeriodSeconds": "0"})
        await api.delete("Namespace", namespace)


async def has_account(api: Api, namespace: str) -> bool:
    """Whether pods can be created in the namespace."""
    accounts = await api.list("ServiceAccount", namespace)
    return any(item["metadata"]["name"] == "default" for item in accounts["items"])
