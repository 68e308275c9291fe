"""The main container waits for the first complete file, and a waiting pod reports the reason.

Scope: the order of containers, which only a kubelet enforces. When a file is published is tested without pods.
"""

import json

from tests.cluster import objects
from tests.pods.scene import SIDECAR, Scene, until
from tests.pods.workload import READ_FIRST, stateful_set


async def test_main_starts_after_the_first_file(scene: Scene) -> None:
    """Without members there is no file and only the sidecar runs; main finds the file as soon as it starts."""
    scene.run(stateful_set(READ_FIRST), objects.service("app", scene.namespace, selector=None))
    await scene.until_serving("app-0")
    status = await scene.status("app-0")
    assert not status["published"]
    assert status["waiting_for"]
    assert await scene.get("app-0", "/startupz") is None
    waiting = (await scene.containers("app-0"))["main"]["state"]["waiting"]
    assert waiting["reason"] == "PodInitializing"
    assert not (await scene.volume("app-0") / "members.json").exists()

    await scene.write_members("10.1.0.1")
    print(f"main runs {await scene.until_started('app-0'):.1f} s after the members came")  # noqa: T201 - a figure
    assert await scene.found("app-0") == ["10.1.0.1"]
    assert await scene.restarts() == {}


async def test_pod_waits_for_the_api_server(scene: Scene) -> None:
    """If the API server is down when the pod starts, status and log say so; when it is back, everything starts."""
    with scene.api_server_away():
        scene.run(stateful_set(READ_FIRST), objects.service("app", scene.namespace, selector=None))
        await scene.write_members("10.1.0.1")
        await scene.until_serving("app-0")
        reason = "cannot be reached"

        async def reported() -> bool:
            status = await scene.status("app-0")
            return any(reason in source["failing"] for source in status["sources"])

        await until(f"/status says: {reason}", reported)
        lines = [json.loads(line) for line in scene.log("app-0", SIDECAR).splitlines()]
        assert any(line["event"] == "source failing" and reason in str(line) for line in lines)
        assert "waiting" in (await scene.containers("app-0"))["main"]["state"]
        assert await scene.get("app-0", "/livez") == b"ok\n"
    print(f"main runs {await scene.until_started('app-0'):.1f} s after the API server came")  # noqa: T201 - a figure
    assert await scene.restarts() == {}


async def test_the_start_timeout_ends_the_wait(scene: Scene) -> None:
    """Without a response by then, the sidecar exits with code 1 and a message and is restarted; main is not started."""
    with scene.api_server_away():
        service = objects.service("app", scene.namespace, selector=None)
        scene.run(stateful_set(READ_FIRST), service, start_timeout="3s")
        await scene.write_members("10.1.0.1")

        async def restarted() -> bool:
            status = (await scene.containers("app-0") if await scene.pods() else {}).get(SIDECAR, {})
            return bool(status.get("restartCount", 0))

        await until("the sidecar was started again", restarted)
        ended = (await scene.containers("app-0"))[SIDECAR]["lastState"]["terminated"]
        assert (ended["exitCode"], ended["reason"]) == (1, "Error")
        assert "No complete answer within --start-timeout" in scene.log("app-0", SIDECAR, "--previous")
        assert "--start-timeout" in ended["message"]  # kubectl describe pod shows it
        assert "waiting" in (await scene.containers("app-0"))["main"]["state"]
        assert not (await scene.volume("app-0") / "members.json").exists()
    await scene.until_started("app-0")
    assert set(await scene.restarts()) == {f"app-0/{SIDECAR}"}


async def test_the_start_timeout_publishes_too_few_members(scene: Scene) -> None:
    """With fewer members than required by then, the first file has those, and main starts."""
    service = objects.service("app", scene.namespace, selector=None)
    scene.run(stateful_set(READ_FIRST), service, start_timeout="5s", min_members="2")
    await scene.write_members("10.1.0.1")
    await scene.until_started("app-0")
    assert await scene.found("app-0") == ["10.1.0.1"]
    assert await scene.restarts() == {}
