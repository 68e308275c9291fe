"""The files follow a Service as it is scaled, with the real endpoint-slice controller.

Scope: every format, from no pod to a hundred and back. Other kinds of Services are in ``test_services``.
"""

import asyncio
from functools import partial
from pathlib import Path

from tests.cluster import objects
from tests.cluster.api import Api
from tests.cluster.control_plane import ControlPlane
from tests.real import scene
from tests.real.sidecar import FILES, Sidecar

SIZES = (1, 4, 100, 3)
"""The sizes after zero. A hundred is the capacity of one slice."""

LATE_SECONDS = 1.5
"""The longest delay of a file after the last slice: --settle-max, and slack for a busy machine."""


async def scale(api: Api, namespace: str, size: int) -> None:
    """Make the pods web-0 to web-(size-1) exist."""
    running = {item["metadata"]["name"] for item in (await api.list("Pod", namespace))["items"]}
    wanted = {f"web-{number}": f"10.1.0.{number + 1}" for number in range(size)}
    await objects.run_pods(api, namespace, {name: wanted[name] for name in wanted.keys() - running})
    await asyncio.gather(*(objects.remove(api, namespace, name) for name in running - wanted.keys()))


def last_slice_write(control_plane: ControlPlane, namespace: str) -> float:
    """When the controller last wrote a slice of the namespace, in seconds since the epoch."""
    events = control_plane.audit(user=scene.CONTROLLER)
    return max(scene.seconds_of(event) for event in events if event.namespace == namespace)


async def test_every_file_has_the_existing_pods(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """From 0 to 1, 4, 100 and 3 pods, every format has the pods of the API."""
    access = await scene.admit(control_plane, namespace, tmp_path)
    await admin.create(objects.service("web", namespace))
    one = sidecar(tmp_path, access.kubeconfig, "--service=web", "--min-members=0")
    await one.start()
    await one.until(lambda: one.read() == {form: [] for form in FILES})
    for size in SIZES:
        await scale(admin, namespace, size)
        truth = await scene.members_of_pods(admin, namespace)
        assert len(truth) == size
        every_file = dict.fromkeys(FILES, scene.host_ports(truth))
        await one.until(partial(one.holds, every_file))
        assert one.members() == truth
        delay = one.written_at() - last_slice_write(control_plane, namespace)
        scene.figure(f"{size} pods: the files were there {delay * 1000:.0f} ms after the last slice")
        assert delay < LATE_SECONDS
