"""A pod is deleted: it leaves the files of the other pods, and its own sidecar works until the end.

Scope: how a kubelet ends a pod, and what the sidecar does.
"""

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

from tests.cluster import objects
from tests.pods.scene import SIDECAR, Scene, until
from tests.pods.workload import DRAIN, LABELS, stateful_set

EXIT_SECONDS = 1.0
"""For the sidecar, after the main container has ended."""


def exit_of(container: str, events: Path) -> tuple[float, int] | None:
    """When the container's process ended, in seconds since the epoch, and its exit status; None while it runs."""
    for line in events.read_text().splitlines():
        if "/tasks/exit " not in line:
            continue
        event: dict[str, Any] = json.loads(line.partition("/tasks/exit ")[2])
        if event["id"] == container:
            at = event["exited_at"]
            return at["seconds"] + at.get("nanos", 0) / 1e9, event.get("exit_status", 0)
    return None


async def names(scene: Scene, pod: str) -> list[str]:
    """The pods of the Service ``app`` in the pod's file."""
    return [member["name"] for member in await scene.members(pod) if member["service"] == "app"]


async def until_named(scene: Scene, pods: list[str], expected: list[str]) -> float:
    """Wait until the files of these pods have exactly the expected members."""

    async def named() -> bool:
        return [await names(scene, pod) for pod in pods] == [expected] * len(pods)

    return await until(f"the files of {', '.join(pods)} name {', '.join(expected)}", named)


async def test_a_deleted_pod_leaves_the_files_of_the_others(scene: Scene) -> None:
    """Even while another Service that they follow changes all the time."""
    await scene.api.create(objects.service("load", scene.namespace, selector=None))
    service = objects.service("app", scene.namespace, selector=LABELS, publish_not_ready=True)
    loading = asyncio.create_task(load(scene))
    scene.run(stateful_set(replicas=4), service, service="app,load")
    everyone = [f"app-{number}" for number in range(4)]
    await scene.until_ready(*everyone)
    await until_named(scene, everyone, everyone)
    await scene.scale("app", 3)
    seconds = await until_named(scene, everyone[:3], everyone[:3])
    loading.cancel()
    print(f"gone from all files after {seconds:.1f} s")  # noqa: T201 - a figure
    assert await scene.restarts() == {}


async def load(scene: Scene) -> None:
    """Change the other Service continually."""
    for number in itertools.count():
        endpoints = [objects.endpoint(f"10.0.0.{1 + place}") for place in range(number % 20)]
        body = objects.endpoint_slice("load-1", scene.namespace, endpoints, service="load")
        await objects.write_endpoint_slice(scene.api, body)


async def test_the_sidecar_outlives_the_main_container(scene: Scene) -> None:
    """While main drains, the sidecar still publishes; once main has ended, it exits with 0 within a second."""
    service = objects.service("app", scene.namespace, selector=LABELS, publish_not_ready=True)
    scene.run(stateful_set(DRAIN, replicas=2), service)
    await scene.until_ready("app-0", "app-1")
    containers = [await scene.container_id("app-1", name) for name in ("main", SIDECAR)]
    events = scene.directory / "events"
    recorder = scene.node.events(events)
    recorder.start()
    try:
        await until_named(scene, ["app-1"], ["app-0", "app-1"])
        await scene.scale("app", 1)
        await until_named(scene, ["app-1"], ["app-0"])
        assert exit_of(containers[0], events) is None

        async def ended() -> bool:
            return all(exit_of(container, events) for container in containers)

        await until("both containers have ended", ended)
    finally:
        recorder.stop()
    main, sidecar = (exit_of(container, events) for container in containers)
    assert main is not None
    assert sidecar is not None
    print(f"the sidecar ended {sidecar[0] - main[0]:.3f} s after main")  # noqa: T201 - a figure
    assert (main[1], sidecar[1]) == (0, 0)
    assert 0 < sidecar[0] - main[0] < EXIT_SECONDS
