"""Clusters without native sidecars: an init container waits for the first file, a container keeps it up to date.

Scope: the order of these containers and main. That the manifests are accepted is tested without pods.
"""

from http import HTTPStatus

from tests.cluster import objects
from tests.pods.scene import SIDECAR, Scene, until
from tests.pods.workload import READ_FIRST, stateful_set

GATE = "membership-once"
"""The init container."""


async def until_answered(scene: Scene) -> None:
    """Wait until the gate has a list from the API server, and watches."""
    account = f"system:serviceaccount:{scene.namespace}:default"
    audit = scene.node.control_plane.audit

    async def watched() -> bool:
        return any(event.verb == "watch" and event.code == HTTPStatus.OK for event in audit(user=account))

    await until("the gate watches", watched)


async def addresses(scene: Scene) -> list[str]:
    """The addresses in the pod's file."""
    return [member["address"] for member in await scene.members("app-0")]


async def test_the_gate_holds_main_until_the_first_file(scene: Scene) -> None:
    """Without members main is not started; then it finds the first file, which is kept up to date."""
    service = objects.service("app", scene.namespace, selector=None)
    scene.run(stateful_set(READ_FIRST), service, "component-classic")
    await until_answered(scene)
    containers = await scene.containers("app-0")
    assert [containers[name]["state"]["waiting"]["reason"] for name in ("main", SIDECAR)] == ["PodInitializing"] * 2
    assert not (await scene.volume("app-0") / "members.json").exists()

    await scene.write_members("10.1.0.1")
    await scene.until_ready("app-0")
    assert await scene.found("app-0") == ["10.1.0.1"]
    assert (await scene.containers("app-0"))[GATE]["state"]["terminated"]["exitCode"] == 0

    expected = ["10.1.0.1", "10.1.0.2"]
    await scene.write_members(*expected)

    async def followed() -> bool:
        return await addresses(scene) == expected

    await until("the file follows the members", followed)
    assert await scene.restarts() == {}
