"""A Service that changes all the time, and a reader that reads a pod's files all the time."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import objects
from tests.cluster.api import Json
from tests.cluster.programs import Program
from tests.pods.scene import Scene
from tests.readers.tight_loop import size

ROOT = Path(__file__).parents[2]

PAUSE = 0.02
"""Seconds between two changes."""

FILES = {"json": "members.json", "jgroups": "hosts.txt"}

OUTPUT = " ".join(f"{form}=/membership/{name}" for form, name in FILES.items())
"""The sidecar's outputs, for the reader."""


def members(state: int, namespace: str) -> Json:
    """The service in a numbered state, as ``tight_loop`` expects it: the port of every member is the number."""
    endpoints = [objects.endpoint(f"10.0.0.{number + 1}") for number in range(size(state))]
    return objects.endpoint_slice("app-1", namespace, endpoints, service="app", ports={"member": state})


@dataclass
class Churn:
    """What was written, and what was read."""

    state: int = 0
    reads: int = 0
    states: int = 0
    """The number of different states that the reader saw."""


@asynccontextmanager
async def churning(scene: Scene, pod: str) -> AsyncIterator[Churn]:
    """Until the end of the block, change the service continually and read the pod's files as fast as possible.

    Raises:
        AssertionError: if a file was incomplete, missing or older than what was read before.
    """
    volume = await scene.volume(pod)
    files = [f"{form}={volume / name}" for form, name in FILES.items()]
    command: list[str | Path] = ["env", "-C", ROOT, sys.executable, "-m", "tests.readers.tight_loop", *files]
    reader = Program(command, log=scene.directory / "reader.log")
    churn = Churn()
    changing = asyncio.create_task(_change(scene, churn))
    reader.start()
    try:
        yield churn
    finally:
        changing.cancel()
        reader.stop()
    report = json.loads(reader.log_tail())
    assert report["problem"] == ""
    churn.reads, churn.states = report["reads"], report["states"]


async def _change(scene: Scene, churn: Churn) -> None:
    while True:
        churn.state += 1
        await objects.write_endpoint_slice(scene.api, members(churn.state, scene.namespace))
        await asyncio.sleep(PAUSE)
