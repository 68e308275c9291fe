"""Readers that never rest see no torn, empty, missing or older file while the sidecar is killed again and again.

Scope: the daemon as it is shipped, in a process of its own, against the simulator; kill -9 at random moments. Each
call that could be interrupted is in ``test_publisher``; what the API server may do wrong, in the tests of the sources.
"""

import asyncio
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sidecar.output.checkpoint import Checkpoint
from sidecar.simulator import Simulator
from tests.cluster.programs import Program
from tests.readers.tight_loop import size

ROOT = Path(__file__).parents[2]

OUTPUTS = {"json": "members.json", "hazelcast-xml": "hazelcast.xml", "jgroups": "hosts.txt"}
"""In the order in which they are written."""
LAST = OUTPUTS["jgroups"]

SCOPE = "endpointslice/default/app"

PATIENCE = 20.0
"""Seconds that the daemon may take to publish a change, its start included, on a machine that is busy."""

PUBLICATION = 0.01
"""Seconds from a change to its publication, generously; a kill falls anywhere within."""

START = 0.6
"""Seconds from its start to its first publication."""

RELAPSE = 0.2
"""How many of the kills are followed by another one within that time."""

CALM = 0.8
"""How many of the changes are waited for; behind the others the next one comes at once."""

TICK = 0.0005
"""Seconds between two looks at whether a change has been published."""


def endpoint_slice(state: int) -> dict[str, object]:
    """The service in a state, as ``tight_loop`` expects it: the port of every member is the state's number."""
    endpoints = [
        {
            "addresses": [f"10.0.0.{number + 1}"],
            "conditions": {"ready": True},
            "targetRef": {"kind": "Pod", "namespace": "default", "name": f"app-{number}", "uid": f"uid-{number}"},
        }
        for number in range(size(state))
    ]
    return {
        "metadata": {"name": "app-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "app"}},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "member", "port": state, "protocol": "TCP"}],
    }


def daemon(directory: Path, url: str) -> Program:
    """The sidecar, told to be as fast as it can."""
    config = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": "default"}}],
        "clusters": [{"name": "it", "cluster": {"server": url}}],
        "users": [{"name": "it", "user": {}}],
    }
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    options = ["--service", "app", "--kubeconfig", str(kubeconfig), "--settle", "0ms", "--settle-max", "0ms"]
    for form, name in OUTPUTS.items():
        options += ["--output", f"{form}={directory / 'volume' / name}"]
    run = [sys.executable, "-m", "sidecar", "run", *options, "--listen", "off", "--log-level", "warning"]
    return Program(["env", f"PYTHONPATH={ROOT}", *run], log=directory / "log")


@contextmanager
def reading(volume: Path, number: int) -> Iterator[list[subprocess.Popen[str]]]:
    """So many readers at work, until they are told to end."""
    files = [f"{form}={volume / name}" for form, name in OUTPUTS.items()]
    command = [sys.executable, "-m", "tests.readers.tight_loop"]
    readers = []
    try:
        for first in range(number):
            order = files[first % len(files) :] + files[: first % len(files)]
            readers.append(subprocess.Popen([*command, *order], cwd=ROOT, stdout=subprocess.PIPE, text=True))
        yield readers
    finally:
        for reader in readers:
            with reader:
                reader.kill()


PORT = re.compile(rb"(\d+)(\]\n|</member>|,\"hostname\")")
"""Of the first member, in any of the formats."""


class Death(NamedTuple):
    """What a kill left."""

    generation: int
    amid: bool
    """Whether it fell between the checkpoint and the last output."""


@dataclass
class World:
    """The service, the sidecar that follows it, and what is known of both."""

    simulator: Simulator
    sidecar: Program
    volume: Path
    state: int = 0
    revisions: dict[int, int] = field(default_factory=dict)
    """The resourceVersion of each state."""

    def change(self) -> None:
        """Let there be the next state."""
        self.state += 1
        stored = self.simulator.put("endpointslices", endpoint_slice(self.state))
        self.revisions[self.state] = int(stored["metadata"]["resourceVersion"])

    def published(self) -> int:
        """The state of the file that is written last, 0 if there is none."""
        try:
            body = (self.volume / LAST).read_bytes()
        except FileNotFoundError:
            return 0
        found = re.search(rb"\[(\d+)\]\n$", body)
        return int(found[1]) if found else 0

    async def until_published(self, state: int) -> None:
        """Wait for it."""
        deadline = time.monotonic() + PATIENCE
        while self.published() < state:
            assert time.monotonic() < deadline, self.sidecar.log_tail()
            assert self.sidecar.pid is not None, self.sidecar.log_tail()
            await asyncio.sleep(TICK)

    def kill(self) -> Death:
        """Kill the sidecar -9; what a successor finds is a checkpoint that is no older than any file."""
        self.sidecar.kill()
        checkpoint = Checkpoint.decode((self.volume / f".{OUTPUTS['json']}.state").read_bytes()).checkpoint
        states = [PORT.search((self.volume / name).read_bytes()) for name in OUTPUTS.values()]
        revisions = {self.revisions[int(state[1])] for state in states if state}
        assert int(checkpoint.resource_versions[SCOPE]) >= max(revisions)
        return Death(checkpoint.generation, amid=revisions != {int(checkpoint.resource_versions[SCOPE])})


async def storm(directory: Path, *, readers: int, changes: int, kills: int, seed: int) -> str:
    """Let it happen, and fail on whatever must not be.

    Args:
        directory: for everything.
        readers: how many there are, each of which takes all of a core that it can get.
        changes: how many there are.
        kills: how many of them meet a kill -9, some of them another one while the sidecar starts again.
        seed: of everything that is left to chance.

    Returns:
        How it went.
    """
    jitter = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    deadly = set(jitter.sample(range(2, changes), kills))
    volume = directory / "volume"
    volume.mkdir()
    deaths: list[Death] = []
    async with Simulator() as simulator:
        world = World(simulator, daemon(directory, simulator.url), volume)
        world.change()
        world.sidecar.start()
        try:
            await world.until_published(1)
            with reading(volume, readers) as processes:
                for state in range(2, changes + 1):
                    world.change()
                    if state in deadly:
                        deaths += await kill_and_start(world, jitter)
                    if state in deadly or jitter.random() < CALM:
                        await world.until_published(state)
                    assert all(reader.poll() is None for reader in processes), findings(processes)
                await world.until_published(changes)
                deaths.append(world.kill())
                found = findings(processes)
        finally:
            world.sidecar.kill()
    assert deaths == sorted(deaths, key=lambda death: death.generation)
    assert [report["problem"] for report in found] == [""] * readers
    assert [report["last"] for report in found] == [[changes] * len(OUTPUTS)] * readers
    reads, states = (sum(report[count] for report in found) for count in ("reads", "states"))
    amid = sum(death.amid for death in deaths)
    went = f"{changes} changes, {deaths[-1].generation} publications, {len(deaths)} kills ({amid} amid a publication)"
    return f"{went}, {reads} reads and {states} states seen by {readers} readers"


async def kill_and_start(world: World, jitter: random.Random) -> list[Death]:
    """Kill the sidecar in the middle of a publication, perhaps its successor while it starts."""
    await asyncio.sleep(jitter.uniform(0, PUBLICATION))
    deaths = [world.kill()]
    world.sidecar.start()
    if jitter.random() < RELAPSE:
        await asyncio.sleep(jitter.uniform(0, START))
        deaths.append(world.kill())
        world.sidecar.start()
    return deaths


def findings(readers: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    """End the readers; what they tell."""
    for reader in readers:
        reader.terminate()
    return [json.loads(reader.communicate()[0]) for reader in readers]


async def test_readers_while_the_sidecar_is_killed(tmp_path: Path) -> None:
    """A reader for each order of the files, 200 changes and 3 kills: no torn, empty or older file."""
    sys.stdout.write(await storm(tmp_path, readers=len(OUTPUTS), changes=200, kills=3, seed=1))


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_readers_while_the_sidecar_is_killed_50_times(tmp_path: Path) -> None:
    """10 readers, 10,000 changes and 50 kills: no torn, empty or older file."""
    sys.stdout.write(await storm(tmp_path, readers=10, changes=10_000, kills=50, seed=2))
