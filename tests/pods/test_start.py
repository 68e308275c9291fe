"""The main container waits for the first complete file, and a pod that waits says why.

Scope: the order of containers, which only a kubelet keeps. When a file is published is tested without pods.
"""

import json

from tests.cluster import objects
from tests.pods.scene import SIDECAR, Scene, until
from tests.pods.workload import WAIT, stateful_set

READ_FIRST = f"cat /membership/members.json || exit 1; {WAIT}"
"""An application that cannot do without the file."""


async def until_sidecar_serves(scene: Scene) -> None:
    """Wait for the status of the pod's sidecar."""

    async def serves() -> bool:
        return bool("app-0" in await scene.pods() and await scene.status("app-0"))

    await until("the sidecar serves its status", serves)


async def write_members(scene: Scene, *addresses: str) -> None:
    """Let these be the endpoints of the Service, which has no selector."""
    endpoints = [objects.endpoint(address) for address in addresses]
    body = objects.endpoint_slice("app-1", scene.namespace, endpoints, service="app")
    await objects.write_endpoint_slice(scene.api, body)


async def test_main_starts_with_the_first_file(scene: Scene) -> None:
    """Without members there is no file, and nothing but the sidecar runs; the first thing that main does finds it."""
    scene.run(stateful_set(READ_FIRST), objects.service("app", scene.namespace, selector=None))
    await until_sidecar_serves(scene)
    status = await scene.status("app-0")
    assert not status["published"]
    assert status["held"]
    assert await scene.get("app-0", "/startupz") is None
    waiting = (await scene.containers("app-0"))["main"]["state"]["waiting"]
    assert waiting["reason"] == "PodInitializing"
    assert not (await scene.volume("app-0") / "members.json").exists()

    await write_members(scene, "10.1.0.1")
    print(f"main runs {await scene.until_started('app-0'):.1f} s after the members came")  # noqa: T201 - a figure
    assert [member["address"] for member in json.loads(scene.log("app-0", "main"))["members"]] == ["10.1.0.1"]
    assert await scene.restarts() == {}


async def test_pod_waits_for_the_api_server(scene: Scene) -> None:
    """With the API server away as the pod starts, status and log say so; once it is back, everything starts."""
    with scene.api_server_away():
        scene.run(stateful_set(READ_FIRST), objects.service("app", scene.namespace, selector=None))
        await write_members(scene, "10.1.0.1")
        await until_sidecar_serves(scene)
        reason = "cannot be reached"

        async def told() -> bool:
            status = await scene.status("app-0")
            return any(reason in source["failing"] for source in status["sources"])

        await until(f"/status says: {reason}", told)
        lines = [json.loads(line) for line in scene.log("app-0", SIDECAR).splitlines()]
        assert any(line["event"] == "source failing" and reason in str(line) for line in lines)
        assert "waiting" in (await scene.containers("app-0"))["main"]["state"]
        assert await scene.get("app-0", "/livez") == b"ok\n"
    print(f"main runs {await scene.until_started('app-0'):.1f} s after the API server came")  # noqa: T201 - a figure
    assert await scene.restarts() == {}


async def test_start_timeout_ends_the_wait(scene: Scene) -> None:
    """Without an answer by then, the sidecar ends with exit code 1 and a sentence, and starts again; main does not."""
    with scene.api_server_away():
        service = objects.service("app", scene.namespace, selector=None)
        scene.run(stateful_set(READ_FIRST), service, start_timeout="3s")
        await write_members(scene, "10.1.0.1")

        async def restarted() -> bool:
            status = (await scene.containers("app-0") if await scene.pods() else {}).get(SIDECAR, {})
            return bool(status.get("restartCount", 0))

        await until("the sidecar was started again", restarted)
        ended = (await scene.containers("app-0"))[SIDECAR]["lastState"]["terminated"]
        assert (ended["exitCode"], ended["reason"]) == (1, "Error")
        assert "No complete answer within --start-timeout" in scene.log("app-0", SIDECAR, "--previous")
        assert "waiting" in (await scene.containers("app-0"))["main"]["state"]
        assert not (await scene.volume("app-0") / "members.json").exists()
    await scene.until_started("app-0")
    assert set(await scene.restarts()) == {f"app-0/{SIDECAR}"}
