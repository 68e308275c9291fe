"""The memory of the sidecar in a pod, as the kubelet counts it."""

from pathlib import Path

from tests.cluster import objects
from tests.cluster.api import Json
from tests.cluster.node.machine import hierarchies
from tests.pods.scene import SIDECAR, Scene, until
from tests.pods.workload import stateful_set

MEMBERS, SLICE = 1000, 100
SLICES = MEMBERS // SLICE

LIMIT = 40 * 2**20
"""The limit of the working set, in bytes, at that many members."""


def endpoint(number: int, namespace: str) -> Json:
    """An endpoint with all fields that the controller writes."""
    name = f"app-{number:04}"
    target = {"kind": "Pod", "namespace": namespace, "name": name, "uid": f"00000000-0000-4000-8000-{number:012}"}
    place = {"nodeName": f"worker-{number % 50}", "zone": f"zone-{number % 3}"}
    return objects.endpoint(f"10.1.{number // 250}.{number % 250 + 1}") | place | {"targetRef": target}


async def write_slice(scene: Scene, number: int, *, ready: bool = True) -> None:
    """Write the slice of that number; one endpoint in it is ready or not."""
    first = number * SLICE
    endpoints = [endpoint(first + place, scene.namespace) for place in range(SLICE)]
    endpoints[0]["conditions"] |= {"ready": ready, "serving": ready}
    body = objects.endpoint_slice(f"app-{number}", scene.namespace, endpoints, service="app")
    await objects.write_endpoint_slice(scene.api, body)


async def change_all(scene: Scene, *, ready: bool) -> None:
    """Make one endpoint of each slice not ready, which removes it from the file, or ready again."""
    for number in range(SLICES):
        await write_slice(scene, number, ready=ready)
    expected = MEMBERS if ready else MEMBERS - SLICES

    async def followed() -> bool:
        return len(await scene.members("app-0")) == expected

    await until(f"the file has {expected} members", followed)


def working_set(container: str) -> int:
    """The working set in bytes: the memory in use except for inactive file pages."""
    (group,) = [found for root in hierarchies() if (found := memory_group(root, container))]
    version_2 = (group / "memory.current").exists()
    used = int((group / ("memory.current" if version_2 else "memory.usage_in_bytes")).read_text())
    details = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    return used - int(details["inactive_file" if version_2 else "total_inactive_file"])


def memory_group(root: Path, container: str) -> Path | None:
    """The container's control group in the hierarchy, if that accounts for memory."""
    groups = (group for group in root.rglob(f"*{container}*") if group.is_dir())
    return next((group for group in groups if (group / "memory.stat").exists()), None)


async def test_a_thousand_members_fit_into_the_memory_limit(scene: Scene) -> None:
    """After a hundred changes of a file with a thousand members, the working set is within the limit."""
    service = objects.service("app", scene.namespace, selector=None)
    for number in range(SLICES):
        await write_slice(scene, number)
    scene.run(stateful_set(), service)
    await scene.until_ready("app-0")
    container = await scene.container_id("app-0", SIDECAR)
    assert len(await scene.members("app-0")) == MEMBERS
    first = working_set(container)
    for _ in range(5):
        await change_all(scene, ready=False)
        await change_all(scene, ready=True)
    last = working_set(container)
    print(f"working set {first / 2**20:.1f} MiB at first, {last / 2**20:.1f} MiB after changes")  # noqa: T201
    assert last <= LIMIT
