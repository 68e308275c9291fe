"""A container of the pod is killed: the files stay correct, and the other container is not affected.

Scope: how the kubelet restarts a container, and what the sidecar then does. Kills at every moment of a publication are
in ``test_crash``.
"""

import json

from tests.cluster import objects
from tests.pods.churn import OUTPUT, churning, members
from tests.pods.scene import SIDECAR, Scene, until
from tests.pods.workload import stateful_set

HOG = """
import os, time
for _ in range(60):
    if os.fork() == 0:
        kept = bytearray(os.urandom(4096) * 1024)
        time.sleep(60)
time.sleep(60)
"""
"""Many small programs of 4 MiB each: the kernel kills the sidecar because it is larger than each of them."""

SEEN = 5
"""The minimum number of states that the reader must see, or the test proves little. On an idle machine it sees dozens,
on a busy one the sidecar and the reader skip many."""


async def run(scene: Scene) -> None:
    """A pod whose sidecar follows a Service without a selector, which has members."""
    service = objects.service("app", scene.namespace, selector=None)
    await objects.write_endpoint_slice(scene.api, members(1, scene.namespace))
    scene.run(stateful_set(), service, output=OUTPUT, settle="0ms", settle_max="0ms")
    await scene.until_ready("app-0")


async def until_restarted(scene: Scene, container: str) -> float:
    """Wait until the container has been restarted and runs."""

    async def restarted() -> bool:
        status = (await scene.containers("app-0"))[container]
        return status["restartCount"] == 1 and "running" in status["state"]

    return await until(f"{container} was started again", restarted)


async def until_followed(scene: Scene, state: int) -> None:
    """Wait until the pod's file has this state or a newer one."""

    async def followed() -> bool:
        return int((await scene.members("app-0"))[0]["port"]) >= state

    await until(f"the file has state {state}", followed)


async def test_a_killed_sidecar_is_restarted(scene: Scene) -> None:
    """Killed during changes, it is restarted; no file vanished or went back in time, and main was not restarted."""
    await run(scene)
    async with churning(scene, "app-0") as churn:
        await until_followed(scene, 20)
        await scene.kill("app-0", SIDECAR)
        killed = churn.state
        seconds = await until_restarted(scene, SIDECAR)
        await until_followed(scene, killed + 20)
    print(f"started again after {seconds:.1f} s; {churn.reads} reads saw {churn.states} states")  # noqa: T201
    assert churn.states >= SEEN
    assert await scene.restarts() == {f"app-0/{SIDECAR}": 1}
    assert (await scene.containers("app-0"))[SIDECAR]["lastState"]["terminated"]["exitCode"] == 137


async def test_a_sidecar_out_of_memory_is_restarted(scene: Scene) -> None:
    """Killed by the kernel during changes, it is restarted; the files and main are not affected."""
    await run(scene)
    async with churning(scene, "app-0") as churn:
        await until_followed(scene, 20)
        sidecar = await scene.container_id("app-0", SIDECAR)
        python = ["/usr/local/bin/python3", "-c", HOG]
        scene.node.ctr("tasks", "exec", "--detach", "--exec-id=hog", sidecar, *python)
        seconds = await until_restarted(scene, SIDECAR)
        await until_followed(scene, churn.state + 20)
    print(f"started again after {seconds:.1f} s; {churn.reads} reads saw {churn.states} states")  # noqa: T201
    assert churn.states >= SEEN
    assert await scene.restarts() == {f"app-0/{SIDECAR}": 1}
    assert (await scene.containers("app-0"))[SIDECAR]["lastState"]["terminated"]["reason"] == "OOMKilled"


async def test_a_killed_main_container_does_not_affect_the_sidecar(scene: Scene) -> None:
    """Main is restarted, the sidecar is not, and with the same members the files are not rewritten."""
    await run(scene)
    file = await scene.volume("app-0") / "members.json"
    sidecar, before = await scene.container_id("app-0", SIDECAR), file.stat()
    await scene.kill("app-0", "main")
    await until_restarted(scene, "main")
    assert await scene.container_id("app-0", SIDECAR) == sidecar
    assert await scene.restarts() == {"app-0/main": 1}
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert json.loads(file.read_bytes())["members"][0]["port"] == 1
