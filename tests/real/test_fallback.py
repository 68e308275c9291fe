"""DNS in place of an API server that is away for too long, and back: never both in one file.

Scope: ``--source auto`` of a daemon with the Role that ships, against the real API server and CoreDNS, which goes on
with what it heard last. That nothing flaps, whatever the histories, is tested without a cluster.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from itertools import groupby
from pathlib import Path

import pytest

from tests.cluster import objects
from tests.cluster.api import Api, Json
from tests.cluster.control_plane import ControlPlane
from tests.cluster.coredns import CoreDns
from tests.cluster.fixtures import require_programs
from tests.cluster.programs import free_port
from tests.real import scene
from tests.real.observer import Observer
from tests.real.relay import Relay
from tests.real.sidecar import FILES, Sidecar

AFTER = 2.0
"""Seconds, the limit that the tests set."""

OVER_SECONDS = 20.0
"""For DNS to take over, or the API to take back over, on a machine that is busy with other tests."""

PODS = {"web-0": "10.3.0.1", "web-1": "10.3.0.2"}
IN_EVERY_FILE = {form: [f"{address}:8080" for address in PODS.values()] for form in FILES}


@pytest.fixture
def fresh_dns(pytestconfig: pytest.Config, fresh_control_plane: ControlPlane) -> Iterator[CoreDns]:
    """The DNS server of a cluster that is only the test's."""
    require_programs(pytestconfig, ["coredns"])
    server = CoreDns(fresh_control_plane, ttl=scene.TTL)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def relay(control_plane: ControlPlane) -> AsyncIterator[Relay]:
    """The wire to the shared API server; a test leaves it open."""
    async with Relay(control_plane.port, port=free_port()) as relay:
        yield relay


def options(server: CoreDns, *, port: str = "") -> tuple[str, ...]:
    """Of a sidecar that falls back on that server soon. The port that DNS does not tell is what the API told."""
    return ("--service=web", f"--port={port}", f"--fallback-after={AFTER:g}s", *scene.ask_dns(server))


def origin(member: Json) -> str:
    """Who told of the member: only the API knows a pod's name and UID."""
    return "endpointslice" if member["uid"] and member["name"] else "dns"


def check_purity(contents: list[Json]) -> None:
    """Every content names its source, and all of its members are of that source."""
    for content in contents:
        assert {origin(member) for member in content["members"]} <= {content["source"]}


def sources(contents: list[Json]) -> list[str]:
    """The sources, one after the other."""
    return [source for source, _ in groupby(content["source"] for content in contents)]


def active(one: Sidecar, source: str) -> bool:
    """Whether the sidecar believes that one, by the metrics and /status."""
    believed = one.metric("membership_source_active", source=source) == 1
    return believed and one.metric("membership_source_active") == 1 and one.status()["source"] == source


async def test_dns_takes_over_from_a_killed_api_server_and_hands_back(
    fresh_control_plane: ControlPlane, fresh_dns: CoreDns, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """Marked in file, /status, metrics and log, with the same addresses; a tight reader never sees a mix."""
    access = await scene.admit(fresh_control_plane, "default", tmp_path)
    async with fresh_control_plane.admin() as admin:
        await admin.create(objects.service("web", "default"))
        await objects.run_pods(admin, "default", PODS)
        truth = await scene.members_of_pods(admin, "default")
    one = sidecar(tmp_path, access.kubeconfig, *options(fresh_dns))
    with Observer(one.path("json")) as observer:
        await one.start()
        await one.until(lambda: one.source() == "endpointslice" and one.members() == truth)
        fresh_control_plane.kill_api_server()
        away = await one.until(lambda: one.source() == "dns", OVER_SECONDS)
        await one.until(lambda: active(one, "dns"))
        await one.until(lambda: one.holds(IN_EVERY_FILE))
        assert "cannot be reached" in one.status()["fallback_reason"]
        assert one.get("/readyz")[0] == one.get("/livez")[0] == 200
        before = one.stamps()
        polls = one.metric("membership_dns_queries_total", type="A", rcode="NOERROR")
        await one.until(lambda: one.metric("membership_dns_queries_total", type="A", rcode="NOERROR") > polls + 1)
        assert one.stamps() == before  # the same answer again is no publication

        started = time.monotonic()
        await asyncio.to_thread(fresh_control_plane.start_api_server)
        await one.until(lambda: one.source() == "endpointslice", OVER_SECONDS)
        back = time.monotonic() - started
        await one.until(lambda: active(one, "endpointslice") and one.status()["fallback_reason"] == "")
        assert one.members() == truth
        async with fresh_control_plane.admin() as admin:
            # The controllers may take half a minute to look at the API server again; the sidecar does not.
            target = {"kind": "Pod", "namespace": "default", "name": "web-2", "uid": "uid-2"}
            third = objects.endpoint("10.3.0.3") | {"targetRef": target}
            await admin.create(objects.endpoint_slice("web-hand", "default", [third], service="web"))
        await one.until(lambda: one.addresses() == [*PODS.values(), "10.3.0.3"])
    contents = observer.contents()
    check_purity(contents)
    assert sources(contents) == ["endpointslice", "dns", "endpointslice"]
    assert [line["source"] for line in one.logged("source changed")] == ["dns", "endpointslice"]
    assert away >= AFTER
    scene.figure(f"DNS {away:.1f} s after the kill, the API {back:.1f} s after its start, {observer.looks} looks")


async def test_members_change_while_dns_stands_in(
    control_plane: ControlPlane,
    cluster_dns: CoreDns,
    relay: Relay,
    admin: Api,
    namespace: str,
    tmp_path: Path,
    sidecar: type[Sidecar],
) -> None:
    """Only the sidecar is cut off: it follows DNS through joins and leaves, and slices again, in one step each way."""
    access = await scene.admit(control_plane, namespace, tmp_path, server=relay.url)
    await admin.create(objects.service("web", namespace))
    await objects.run_pods(admin, namespace, PODS)
    one = sidecar(tmp_path, access.kubeconfig, *options(cluster_dns, port="http"), "--hold-down=1s", "--max-shrink=40%")
    with Observer(one.path("json")) as observer:
        await one.start()
        await one.until(lambda: len(one.members()) == len(PODS))
        await relay.close()
        try:
            await one.until(lambda: active(one, "dns") and one.source() == "dns", OVER_SECONDS)
            await objects.run_pods(admin, namespace, {"web-2": "10.3.0.3"})
            await one.until(lambda: len(one.addresses()) == 3, OVER_SECONDS)
            await objects.remove(admin, namespace, "web-0")
            await one.until(lambda: sorted(one.addresses()) == ["10.3.0.2", "10.3.0.3"], OVER_SECONDS)
            assert one.source() == "dns"
            # What happens just before its return is in the list that it gives then.
            await objects.remove(admin, namespace, "web-1")
            await objects.run_pods(admin, namespace, {"web-3": "10.3.0.4"})
        finally:
            await relay.open()
        truth = await scene.members_of_pods(admin, namespace)
        await one.until(lambda: one.source() == "endpointslice" and one.members() == truth, 2 * OVER_SECONDS)
    contents = observer.contents()
    check_purity(contents)
    assert sources(contents) == ["endpointslice", "dns", "endpointslice"]


async def test_short_absence_is_no_reason_for_dns(
    control_plane: ControlPlane,
    cluster_dns: CoreDns,
    relay: Relay,
    admin: Api,
    namespace: str,
    tmp_path: Path,
    sidecar: type[Sidecar],
) -> None:
    """Cut off again and again for less than the limit, it keeps to its files and asks DNS nothing."""
    access = await scene.admit(control_plane, namespace, tmp_path, server=relay.url)
    await admin.create(objects.service("web", namespace))
    await objects.run_pods(admin, namespace, PODS)
    limit = ("--fallback-after=1m", "--service=web", *scene.ask_dns(cluster_dns))
    one = sidecar(tmp_path, access.kubeconfig, *limit)
    await one.start()
    await one.until(lambda: one.holds(IN_EVERY_FILE))
    before = one.stamps()
    for _ in range(2):
        await relay.close()
        try:
            await one.until(lambda: one.failing() != "")
        finally:
            await relay.open()
        await one.until(lambda: one.failing() == "")
    assert one.stamps() == before
    assert one.metric("membership_dns_queries_total") == 0
    assert one.logged("source changed") == []


async def test_off_means_that_dns_never_takes_over(
    control_plane: ControlPlane,
    cluster_dns: CoreDns,
    relay: Relay,
    admin: Api,
    namespace: str,
    tmp_path: Path,
    sidecar: type[Sidecar],
) -> None:
    """With ``--fallback-after off`` beside one that does, the files stay what the API server said last."""
    access = await scene.admit(control_plane, namespace, tmp_path, server=relay.url)
    await admin.create(objects.service("web", namespace))
    await objects.run_pods(admin, namespace, PODS)
    never = ("--service=web", "--fallback-after=off", *scene.ask_dns(cluster_dns))
    every = await scene.run_each(sidecar, tmp_path, access, {"off": never, "soon": options(cluster_dns)})
    for one in every.values():
        await one.until(lambda one=one: one.holds(IN_EVERY_FILE))  # type: ignore[misc]
    before = every["off"].stamps()
    await relay.close()
    try:
        await every["soon"].until(lambda: every["soon"].source() == "dns", OVER_SECONDS)
        await every["off"].until(lambda: "cannot be reached" in every["off"].failing())
        assert every["off"].stamps() == before
        assert every["off"].status()["source"] == "endpointslice"
    finally:
        await relay.open()
