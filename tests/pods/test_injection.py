"""A pod with the label gets the sidecar from the API server, and works.

Scope: what runs. What the API server adds, and to which pods, is tested without pods.
"""

import json
from collections.abc import Iterator

import pytest
import yaml

from tests.cluster import objects
from tests.cluster.api import Json
from tests.cluster.node import Node
from tests.pods.scene import DEPLOY, SIDECAR, Scene
from tests.pods.workload import LABELS, READ_FIRST, bare_pod, container, stateful_set

FOLDER = DEPLOY / "injection"

LABEL = {"membership-sidecar/service": "app"}

TRIES = 100
"""A new policy is in force within a second, which can only be seen by trying; a try takes 0.1 s."""


@pytest.fixture(scope="module")
def injecting_node(loaded_node: Node) -> Iterator[Node]:
    """The node of a cluster with the policy in force until the end of these tests."""
    kubectl = loaded_node.kubectl
    probe = json.dumps(bare_pod("probe", "default", labels=LABEL))
    kubectl("apply", "--kustomize", FOLDER)
    try:
        for _ in range(TRIES):
            stored = json.loads(kubectl("create", "--dry-run=server", "--output=json", "--filename=-", given=probe))
            if "initContainers" in stored["spec"]:
                break
        else:
            pytest.fail("the policy is not in force")
        yield loaded_node
    finally:
        kubectl("delete", "--kustomize", FOLDER)


def apply_rights(scene: Scene) -> None:
    """Apply what a user needs beside the policy: the Role and the Service, here without a selector."""
    service = scene.directory / "service.yaml"
    service.write_text(yaml.safe_dump(objects.service("app", scene.namespace, selector=None)))
    scene.apply(DEPLOY / "rbac", service)


def with_lists() -> Json:
    """The spec of a pod with all lists, its account's token, and an init container that reads the file as well."""
    first = container("cat /membership/members.json", "first")
    first["volumeMounts"] = [{"name": "membership", "mountPath": "/membership"}]
    return {
        "automountServiceAccountToken": True,
        "initContainers": [first],
        "containers": [container(READ_FIRST, volumeMounts=[{"name": "own", "mountPath": "/own"}])],
        "volumes": [{"name": "own", "emptyDir": {}}, {"name": "membership", "emptyDir": {}}],
    }


@pytest.mark.usefixtures("injecting_node")
async def test_labelled_pods_run_with_the_sidecar(scene: Scene) -> None:
    """Without any list of its own or with all of them, a labelled pod starts main once the first file exists."""
    apply_rights(scene)
    pods = {"plain": {"containers": [container(READ_FIRST)]}, "full": with_lists()}
    for name, spec in pods.items():
        created = await scene.api.create(bare_pod(name, scene.namespace, labels=LABEL, **spec))
        assert created["spec"]["initContainers"][0]["name"] == SIDECAR
    for name in pods:
        await scene.until_serving(name)
        assert (await scene.containers(name))["main"]["state"]["waiting"]["reason"] == "PodInitializing"

    await scene.write_members("10.1.0.1")
    await scene.until_ready(*pods)
    for name, reader in (("plain", "main"), ("full", "first"), ("full", "main")):
        assert await scene.found(name, reader) == ["10.1.0.1"]
    assert await scene.restarts() == {}


@pytest.mark.usefixtures("injecting_node")
async def test_other_pods_are_not_changed(scene: Scene) -> None:
    """Without the label there is no sidecar; beside the sidecar of the component there is no second one."""
    await scene.api.create(bare_pod("other", scene.namespace, labels=LABELS))
    service = objects.service("app", scene.namespace, selector=None)
    scene.run(stateful_set(READ_FIRST, labels=LABELS | LABEL), service)
    await scene.write_members("10.1.0.1")
    await scene.until_ready("other", "app-0")
    made = await scene.pods()
    other, app = (made[name]["spec"] for name in ("other", "app-0"))
    assert [one["name"] for one in other["containers"]] == ["main"]
    assert not other.keys() & {"initContainers", "volumes"}
    assert [one["name"] for one in app["initContainers"]] == [SIDECAR]
    assert [one["name"] for one in app["containers"]] == ["main"]
    assert [one["name"] for one in app["volumes"]] == ["membership", "membership-token"]
    assert await scene.restarts() == {}
