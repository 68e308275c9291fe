"""A container of the pod dies: the files stay true, and the other container does not notice.

Scope: what the kubelet does about a death, and what the sidecar makes of it. Kills at every moment of a publication are
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
"""Many small programs of 4 MiB each: none of them is as large as the sidecar, which the kernel therefore chooses."""

SEEN = 5
"""Different states that the reader saw at least, else what it did not find means little. On a quiet machine it sees
dozens; on a busy one the sidecar writes, and the reader reads, one state of many."""


async def run(scene: Scene) -> None:
    """A pod whose sidecar follows a Service without a selector, which has members."""
    service = objects.service("app", scene.namespace, selector=None)
    await objects.write_endpoint_slice(scene.api, members(1, scene.namespace))
    scene.run(stateful_set(), service, output=OUTPUT, settle="0ms", settle_max="0ms")
    await scene.until_ready("app-0")


async def until_restarted(scene: Scene, container: str) -> float:
    """Wait until the container has been started again, and runs."""

    async def restarted() -> bool:
        status = (await scene.containers("app-0"))[container]
        return status["restartCount"] == 1 and "running" in status["state"]

    return await until(f"{container} was started again", restarted)


async def until_followed(scene: Scene, state: int) -> None:
    """Wait until the pod's file has a state that is at least as new."""

    async def followed() -> bool:
        return int((await scene.members("app-0"))[0]["port"]) >= state

    await until(f"the file has state {state}", followed)


async def test_killed_sidecar_comes_back(scene: Scene) -> None:
    """Killed -9 amid changes, it is started again; no file vanished or went back; main was not restarted."""
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


async def test_sidecar_without_memory_comes_back(scene: Scene) -> None:
    """Killed by the kernel for want of memory amid changes, it is started again; the files and main are unharmed."""
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


async def test_killed_main_leaves_the_sidecar_alone(scene: Scene) -> None:
    """Main is started again; the sidecar goes on, and with the same members the files are the very same."""
    await run(scene)
    file = await scene.volume("app-0") / "members.json"
    sidecar, before = await scene.container_id("app-0", SIDECAR), file.stat()
    await scene.kill("app-0", "main")
    await until_restarted(scene, "main")
    assert await scene.container_id("app-0", SIDECAR) == sidecar
    assert await scene.restarts() == {"app-0/main": 1}
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert json.loads(file.read_bytes())["members"][0]["port"] == 1
