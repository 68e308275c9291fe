"""A container that is terminated right after its start ends, although its process has PID 1.

The kernel drops a signal to PID 1 for which there is no handler, and the kubelet sends SIGTERM only once: if it is
dropped, the container runs until the end of its grace period.
"""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.node.machine import Machine
from tests.pods.scene import PATIENCE, Scene, until
from tests.pods.workload import IMAGE, RESTRICTED, bare_pod

if TYPE_CHECKING:
    from tests.cluster.api import Json

END_SECONDS = 10.0
"""It takes a fraction of a second, on a machine that is not busy."""


def processes(machine: Machine, service: str) -> set[int]:
    """The processes on the node whose Python has been started as the sidecar of that Service."""
    found = set()
    for number in machine.processes():
        try:
            program, *arguments = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
        except OSError:  # it has just ended
            continue
        if b"python" in program and f"--service={service}".encode() in arguments:
            found.add(number)
    return found


def terminate_at_start(machine: Machine, service: str, delay: float) -> None:
    """Wait for the process, and send it SIGTERM as soon as it is there or a moment later."""
    until = time.monotonic() + PATIENCE
    while not (found := processes(machine, service)):
        assert time.monotonic() < until
    time.sleep(delay)
    for number in found:
        os.kill(number, signal.SIGTERM)


@pytest.mark.parametrize("milliseconds", [0, 50])
async def test_a_signal_right_after_the_start_ends_the_sidecar(scene: Scene, milliseconds: int) -> None:
    """Sent while the interpreter still starts, SIGTERM ends the container with exit code 0."""
    service = f"early-{milliseconds}"
    command = ["run", f"--service={service}", "--output=json=/membership/members.json"]
    sidecar: Json = {"name": "main", "image": IMAGE, "args": command, "securityContext": RESTRICTED}
    sidecar |= {"volumeMounts": [{"name": "membership", "mountPath": "/membership"}]}
    spec = {"containers": [sidecar], "restartPolicy": "Never", "volumes": [{"name": "membership", "emptyDir": {}}]}
    pod = bare_pod("early", scene.namespace, labels={}, automountServiceAccountToken=True, **spec)
    sending = asyncio.create_task(
        asyncio.to_thread(terminate_at_start, scene.node.machine, service, milliseconds / 1000)
    )
    await scene.api.create(pod)
    await sending

    async def ended() -> bool:
        return "terminated" in (await scene.containers("early")).get("main", {}).get("state", {})

    await until("the container has ended", ended, seconds=END_SECONDS)
    assert (await scene.containers("early"))["main"]["state"]["terminated"]["exitCode"] == 0
