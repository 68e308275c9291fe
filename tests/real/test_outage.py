"""The API server goes down and comes back, with or without its history; no file changes before it is back.

Scope: ``kill -9`` of the API server, a cut connection, compaction. An API server that is down from the start is in
``test_start``; one whose packets are dropped, in ``test_blackhole``.

What a restarted API server does (seen with 1.36): its watch cache begins at etcd's current revision. A watch from an
older resourceVersion gets 410, even if the newer revision is a write to another resource; a watch from that revision
continues. Until the authorizer has read the Roles, the response is 403.
"""

import asyncio
import http.client
import itertools
import json
import signal
import time
from pathlib import Path

import aiohttp
import pytest

from sidecar.sources.kubernetes.timing import Timing
from tests.cluster import objects
from tests.cluster.api import Api
from tests.cluster.control_plane import ControlPlane
from tests.cluster.programs import free_port
from tests.real import scene
from tests.real.relay import Relay
from tests.real.sidecar import FILES, Sidecar

OUTAGE_SECONDS = 10.0
BACK_SECONDS = 5.0
"""After the API server is ready again, the files are up to date within this time."""

QUIET_SECONDS = BACK_SECONDS + Timing().proof
"""The same where nothing happens: then the watch has to stay open for a while to prove that it works."""

CUTS = 4
CUT_SECONDS = 3.0
"""A change made while the connection is down is in the files within this time: 1.6 s of backoff, the settle time, and
slack for a busy machine. A load balancer may cut every minute, so the fourth cut must cost no more than the first."""


def revision(control_plane: ControlPlane) -> int:
    """The revision of etcd, which is that of the last write to any resource."""
    connection = http.client.HTTPConnection(control_plane.etcd.url.removeprefix("http://"), timeout=10)
    try:
        connection.request("POST", "/v3/kv/range", json.dumps({"key": "AA=="}))
        return int(json.loads(connection.getresponse().read())["header"]["revision"])
    finally:
        connection.close()


def seen(one: Sidecar) -> int:
    """The resourceVersion up to which the sidecar has seen events."""
    return int(one.status()["sources"][0]["resource_version"] or 0)


async def churn(api: Api, namespace: str, written: list[list[str]]) -> None:
    """Change the members as fast as the API server accepts it, until it is killed; append each set to *written*."""
    for number in itertools.count():
        written.append([f"10.1.{number // 250}.{number % 250 + 1}", f"10.2.{number // 250}.{number % 250 + 1}"])
        try:
            await scene.write_members(api, namespace, written[-1])
        except aiohttp.ClientError:
            return


async def start_api_server(control_plane: ControlPlane) -> float:
    """Start the API server, and return when it became ready, in seconds of the monotonic clock."""
    await asyncio.to_thread(control_plane.start_api_server)
    return time.monotonic()


async def follow(
    control_plane: ControlPlane, directory: Path, sidecar: type[Sidecar], *, server: str | None = None
) -> Sidecar:
    """A sidecar that watches the Service ``web``, which has one member and no selector."""
    access = await scene.admit(control_plane, "default", directory, server=server)
    async with control_plane.admin() as api:
        await api.create(objects.service("web", "default", selector=None))
        await scene.write_members(api, "default", ["10.1.0.1"])
    one = sidecar(directory, access.kubeconfig, "--service=web")
    await one.start()
    await one.until(lambda: one.holds({form: ["10.1.0.1:8080"] for form in FILES}) and watches(one) == 1)
    return one


def watches(one: Sidecar) -> float:
    """How many watches the API server has accepted."""
    return one.metric("membership_api_requests_total", verb="watch", code="200")


def relisted(one: Sidecar) -> float:
    """How often the sidecar's resourceVersion was too old."""
    return one.metric("membership_relists_total", reason="expired")


def settled(one: Sidecar) -> bool:
    """Whether everything that the sidecar has seen is in the files."""
    (checkpoint,) = one.checkpoint()["revisions"].values()
    written = one.metric("membership_file_generation", output=str(one.path("jgroups")))
    return int(checkpoint) == seen(one) and one.checkpoint()["generation"] == written


@pytest.fixture
async def followed(fresh_control_plane: ControlPlane, tmp_path: Path, sidecar: type[Sidecar]) -> Sidecar:
    """A sidecar that follows a cluster of this test alone."""
    return await follow(fresh_control_plane, tmp_path, sidecar)


async def test_a_killed_api_server_changes_no_file_and_is_followed_again(
    fresh_control_plane: ControlPlane, followed: Sidecar
) -> None:
    """Killed during changes and down for 10 s: no file changes, and 5 s after its return all are up to date."""
    written: list[list[str]] = []
    async with fresh_control_plane.admin() as api:
        churning = asyncio.create_task(churn(api, "default", written))
        await followed.until(lambda: len(written) > 100)
        fresh_control_plane.kill_api_server()
        gone = time.monotonic()
        await churning
    await followed.until(lambda: followed.failing() != "" and settled(followed))
    mark, before, relists = fresh_control_plane.audit_mark(), followed.stamps(), relisted(followed)
    assert followed.addresses() in written
    was_behind = seen(followed) < revision(fresh_control_plane)

    await asyncio.sleep(gone + OUTAGE_SECONDS - time.monotonic())
    assert followed.stamps() == before
    assert "cannot be reached" in followed.failing()
    assert followed.get("/readyz")[0] == 200
    assert followed.get("/livez")[0] == 200

    ready = await start_api_server(fresh_control_plane)
    async with fresh_control_plane.admin() as api:
        await scene.write_members(api, "default", ["10.3.0.1"])
        await followed.until(lambda: followed.addresses() == ["10.3.0.1"], BACK_SECONDS)
    scene.figure(f"true again {time.monotonic() - ready:.1f} s after the API server was ready, behind: {was_behind}")
    assert followed.failing() == ""
    lists = [
        event
        for event in fresh_control_plane.audit(since=mark, user=scene.user("default"))
        if (event.verb, event.code) == ("list", 200)
    ]
    assert len(lists) == relisted(followed) - relists == (1 if was_behind else 0)
    assert all("resourceVersionMatch=NotOlderThan" in event.uri for event in lists)


async def kill_when_seen(control_plane: ControlPlane, one: Sidecar, *, and_write: bool) -> int:
    """Kill the API server when the sidecar has seen the newest write, or the one before; the last that it has seen."""
    async with control_plane.admin() as api:
        for number in range(100):
            written = await scene.write_members(api, "default", [f"10.1.0.{number + 2}"])
            await one.until(lambda written=written: seen(one) == written)  # type: ignore[misc]
            if and_write:
                metadata = {"generateName": "other-", "namespace": "default"}
                await api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
            control_plane.kill_api_server()
            if and_write or revision(control_plane) == written:
                return written
            await start_api_server(control_plane)  # another write came in between
    raise AssertionError("somebody writes all the time")


@pytest.mark.parametrize("written_since", [False, True])
async def test_a_restarted_api_server_is_listed_again_only_if_something_was_written(
    fresh_control_plane: ControlPlane, followed: Sidecar, *, written_since: bool
) -> None:
    """If the resourceVersion is still valid, the watch continues; after any write, it gets 410 and one LIST follows."""
    last = await kill_when_seen(fresh_control_plane, followed, and_write=written_since)
    mark = fresh_control_plane.audit_mark()
    ready = await start_api_server(fresh_control_plane)
    await followed.until(lambda: followed.failing() == "", QUIET_SECONDS)
    scene.figure(f"it was answered again {time.monotonic() - ready:.1f} s after the API server was ready")
    async with fresh_control_plane.admin() as api:
        await scene.write_members(api, "default", ["10.3.0.1"])
        await followed.until(lambda: followed.addresses() == ["10.3.0.1"])
    assert relisted(followed) == written_since
    events = scene.requests(fresh_control_plane.audit(since=mark, user=scene.user("default")))
    granted = [event for event in events if event.code == 200]  # until the Roles are read, there may be a 403
    assert [event.verb for event in granted] == (["watch", "list", "watch"] if written_since else ["watch"])
    assert f"resourceVersion={last}&" in granted[0].uri


async def test_a_cut_connection_costs_one_watch_and_no_list(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """However often it is cut, the next watch continues from the last revision, and the files are soon up to date."""
    async with Relay(control_plane.port, port=free_port()) as relay:
        access = await scene.admit(control_plane, namespace, tmp_path, server=relay.url)
        await admin.create(objects.service("web", namespace, selector=None))
        written = await scene.write_members(admin, namespace, ["10.1.0.1"])
        one = sidecar(tmp_path, access.kubeconfig, "--service=web")
        await one.start()
        await one.until(lambda: one.addresses() == ["10.1.0.1"] and watches(one) == 1)
        written = await scene.write_members(admin, namespace, ["10.1.0.2"])
        await one.until(lambda: one.addresses() == ["10.1.0.2"])  # a watch that is cut before it worked lists again
        for number in range(CUTS):
            mark, last = control_plane.audit_mark(), written
            await relay.cut()
            written = await scene.write_members(admin, namespace, [f"10.2.0.{number}"])
            seconds = await one.until(lambda number=number: one.addresses() == [f"10.2.0.{number}"])  # type: ignore[misc]
            scene.figure(f"cut {number + 1}: the change was in the files after {seconds:.1f} s")
            assert seconds < CUT_SECONDS
            begun = scene.requests(control_plane.audit(since=mark, user=scene.user(namespace)))
            assert [(event.verb, event.code) for event in begun] == [("watch", 200)]
            assert f"resourceVersion={last}&" in begun[0].uri
        await one.stop()


async def test_a_member_deleted_while_history_is_lost_leaves_the_files(
    fresh_control_plane: ControlPlane, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """If a member is deleted and etcd compacted while the sidecar is suspended, it lists again."""
    async with Relay(fresh_control_plane.port, port=free_port()) as relay, fresh_control_plane.admin() as api:
        followed = await follow(fresh_control_plane, tmp_path, sidecar, server=relay.url)
        other = objects.endpoint_slice("web-2", "default", [objects.endpoint("10.1.0.2")], service="web")
        await objects.write_endpoint_slice(api, other)
        await followed.until(lambda: followed.addresses() == ["10.1.0.1", "10.1.0.2"])
        followed.send(signal.SIGSTOP)
        await relay.cut()
        mark = fresh_control_plane.audit_mark()
        await api.delete("EndpointSlice", "web-2", "default")
        await asyncio.to_thread(fresh_control_plane.compact)
        followed.send(signal.SIGCONT)
        seconds = await followed.until(lambda: followed.addresses() == ["10.1.0.1"])
        scene.figure(f"true again {seconds:.1f} s after it woke up to a compacted etcd")
        assert relisted(followed) == 1
        events = fresh_control_plane.audit(since=mark, user=scene.user("default"))
        lists = [event for event in events if event.verb == "list"]
        assert [event.code for event in lists] == [200]
        assert "resourceVersionMatch=NotOlderThan" in lists[0].uri
        await followed.stop()
