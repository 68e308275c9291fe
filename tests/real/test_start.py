"""Starts: with the API server down, after a crash, and with a checkpoint that the cluster has not reached.

Scope: the first publication of a process, which is never older than what the previous process published. Running
processes are in ``test_outage``.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cluster import objects
from tests.cluster.api import Api
from tests.cluster.audit import AuditEvent
from tests.cluster.control_plane import ControlPlane
from tests.cluster.programs import free_port
from tests.real import scene
from tests.real.relay import Relay
from tests.real.sidecar import FILES, Sidecar

FUTURE = 10**6
"""Revisions that are lost when etcd is restored from a backup."""

FUTURE_SECONDS = 30.0
"""Three requests of 3 s each, with backoff between them."""


@pytest.fixture
async def relay(control_plane: ControlPlane) -> AsyncIterator[Relay]:
    """The relay to the API server, open."""
    async with Relay(control_plane.port, port=free_port()) as relay:
        yield relay


def number_of(addresses: list[str]) -> int:
    """The number of the set of ``churn`` in the file."""
    *_, high, low = addresses[0].split(".")
    return int(high) * 250 + int(low)


async def churn(api: Api, namespace: str) -> None:
    """Count up in the address of the only member until cancelled."""
    for number in itertools.count(1):
        await scene.write_members(api, namespace, [f"10.1.{number // 250}.{number % 250}"])


def lists(control_plane: ControlPlane, namespace: str, since: int = 0) -> list[AuditEvent]:
    """The LIST requests of the sidecar."""
    events = control_plane.audit(since=since, user=scene.user(namespace))
    return [event for event in scene.requests(events) if event.verb == "list"]


async def test_nothing_is_published_before_the_api_server_responds(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar], relay: Relay
) -> None:
    """While it is down there is no file, and /readyz is 503 with the reason; then the first file is written."""
    access = await scene.admit(control_plane, namespace, tmp_path, server=relay.url)
    await admin.create(objects.service("web", namespace, selector=None))
    await scene.write_members(admin, namespace, ["10.1.0.1"])
    await relay.close()
    one = sidecar(tmp_path, access.kubeconfig, "--service=web")
    await one.start()
    await one.until(lambda: len(one.logged("source failing")) > 1)
    assert one.stamps() == {}
    code, body = one.get("/readyz")
    assert code == 503
    assert f"not published yet: no complete answer yet: {relay.url} cannot be reached" in body
    assert one.get("/livez")[0] == 200
    status = one.status()
    assert not status["published"]
    assert "cannot be reached" in status["sources"][0]["failing"]
    await relay.open()
    seconds = await one.until(lambda: one.holds({form: ["10.1.0.1:8080"] for form in FILES}))
    scene.figure(f"first file {seconds:.1f} s after the API server came")
    await one.until(lambda: one.get("/readyz")[0] == 200)
    await one.stop()


async def test_the_start_timeout_ends_the_sidecar_if_nothing_responds(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, sidecar: type[Sidecar], relay: Relay
) -> None:
    """With exit code 1, a message with the option and the reason, and no file."""
    access = await scene.admit(control_plane, namespace, tmp_path, server=relay.url)
    await relay.close()
    one = sidecar(tmp_path, access.kubeconfig, "--service=web", "--start-timeout=2s")
    one.spawn()
    assert await one.wait() == 1
    assert one.stderr.read_text().startswith(
        f"membership-sidecar: No complete answer within --start-timeout: {relay.url} cannot be reached"
    )
    assert one.stamps() == {}
    await relay.open()


async def test_a_restart_continues_from_the_checkpoint(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """Killed while members change, the next process neither requests nor publishes an older state."""
    access = await scene.admit(control_plane, namespace, tmp_path)
    await admin.create(objects.service("web", namespace, selector=None))
    # Without a settle time, so that the files are always close behind the API server.
    one = sidecar(tmp_path, access.kubeconfig, "--service=web", "--settle=0s", "--settle-max=0s")
    churning = asyncio.create_task(churn(admin, namespace))
    await one.start()
    await one.until(lambda: one.status()["generation"] > 20)
    await one.kill()
    checkpoint, last = one.checkpoint(), number_of(one.addresses())
    (revision,) = checkpoint["revisions"].values()
    mark = control_plane.audit_mark()

    one.spawn()
    shown = [last]
    while len(set(shown)) < 20:
        shown.append(number_of(one.addresses()))
        await one.until(lambda: number_of(one.addresses()) != shown[-1])
    assert shown == sorted(shown)
    (first, *_) = lists(control_plane, namespace, mark)
    assert f"&resourceVersion={revision}&resourceVersionMatch=NotOlderThan" in first.uri
    assert one.checkpoint()["generation"] > checkpoint["generation"]
    churning.cancel()


async def test_a_restart_with_the_same_members_changes_no_file(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """Same inode and mtime: a reader does not notice that the sidecar was killed."""
    access = await scene.admit(control_plane, namespace, tmp_path)
    await admin.create(objects.service("web", namespace, selector=None))
    await scene.write_members(admin, namespace, ["10.1.0.1", "10.1.0.2"])
    one = sidecar(tmp_path, access.kubeconfig, "--service=web")
    await one.start()
    await one.until(lambda: bool(one.logged("published")))
    before = one.stamps()
    await one.kill()
    await one.start()
    await one.until(lambda: bool(one.logged("published")))
    assert one.logged("published")[0]["outcomes"] == ["unchanged"] * len(FILES)
    assert one.stamps() == before


async def test_a_checkpoint_that_the_cluster_has_lost_is_given_up(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """If the API server has not reached the checkpoint after three requests, the sidecar accepts the current state."""
    access = await scene.admit(control_plane, namespace, tmp_path)
    await admin.create(objects.service("web", namespace, selector=None))
    await scene.write_members(admin, namespace, ["10.1.0.1"])
    one = sidecar(tmp_path, access.kubeconfig, "--service=web")
    await one.start()
    await one.until(lambda: one.logged("published") != [])
    await one.kill()
    checkpoint = one.checkpoint()
    lost = {scope: str(int(revision) + FUTURE) for scope, revision in checkpoint["revisions"].items()}
    one.state_file.write_text(json.dumps(checkpoint | {"revisions": lost}))
    await scene.write_members(admin, namespace, ["10.1.0.2"])
    mark = control_plane.audit_mark()

    await one.start()
    await one.until(lambda: "behind what was already seen" in one.failing())
    assert one.addresses() == ["10.1.0.1"]
    seconds = await one.until(lambda: one.addresses() == ["10.1.0.2"], FUTURE_SECONDS)
    scene.figure(f"a lost future was given up {seconds:.1f} s after the first vain attempt")
    *vain, last = lists(control_plane, namespace, mark)
    assert [event.code for event in vain] == [504] * 3
    assert last.code == 200
    assert "resourceVersion" not in last.uri
    (revision,) = one.checkpoint()["revisions"].values()
    assert int(revision) < FUTURE
