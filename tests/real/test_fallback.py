"""Fallback to DNS when the API server is down for too long, and back: a file never mixes the two sources.

Scope: ``--source auto`` of a daemon with the Role of the project, against the real API server and CoreDNS, which serves
what it saw last. That the sources do not flap is tested without a cluster.
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
"""For the fallback to DNS, or the return to the API, on a machine that is busy with other tests."""

PODS = {"web-0": "10.3.0.1", "web-1": "10.3.0.2"}
IN_EVERY_FILE = {form: [f"{address}:8080" for address in PODS.values()] for form in FILES}


@pytest.fixture
def fresh_dns(pytestconfig: pytest.Config, fresh_control_plane: ControlPlane) -> Iterator[CoreDns]:
    """The DNS server of a cluster that only this test uses."""
    require_programs(pytestconfig, ["coredns"])
    server = CoreDns(fresh_control_plane, ttl=scene.TTL)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def relay(control_plane: ControlPlane) -> AsyncIterator[Relay]:
    """The relay to the shared API server; a test leaves it open."""
    async with Relay(control_plane.port, port=free_port()) as relay:
        yield relay


def options(server: CoreDns, *, port: str = "") -> tuple[str, ...]:
    """The options of a sidecar that soon falls back to that server. The port, which DNS does not have, is the API's."""
    return ("--service=web", f"--port={port}", f"--fallback-after={AFTER:g}s", *scene.ask_dns(server))


def origin(member: Json) -> str:
    """The source of a member: only the API has a pod's name and UID."""
    return "endpointslice" if member["uid"] and member["name"] else "dns"


def check_purity(contents: list[Json]) -> None:
    """Assert that every content names its source and has members of that source only."""
    for content in contents:
        assert {origin(member) for member in content["members"]} <= {content["source"]}


def sources(contents: list[Json]) -> list[str]:
    """The sources of the contents, in order and without repetitions."""
    return [source for source, _ in groupby(content["source"] for content in contents)]


def active(one: Sidecar, source: str) -> bool:
    """Whether the source is active, according to the metrics and /status."""
    active = one.metric("membership_source_active", source=source) == 1
    return active and one.metric("membership_source_active") == 1 and one.status()["source"] == source


async def test_dns_takes_over_from_a_killed_api_server_and_hands_back(
    fresh_control_plane: ControlPlane, fresh_dns: CoreDns, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """File, /status, metrics and log name the source, the addresses stay the same, and no reader ever sees a mix."""
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
        assert one.stamps() == before  # the same response again is not published

        started = time.monotonic()
        await asyncio.to_thread(fresh_control_plane.start_api_server)
        await one.until(lambda: one.source() == "endpointslice", OVER_SECONDS)
        back = time.monotonic() - started
        await one.until(lambda: active(one, "endpointslice") and one.status()["fallback_reason"] == "")
        assert one.members() == truth
        async with fresh_control_plane.admin() as admin:
            # The controllers may take half a minute to reconnect to the API server; the sidecar does not.
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


async def test_members_change_during_the_fallback(
    control_plane: ControlPlane,
    cluster_dns: CoreDns,
    relay: Relay,
    admin: Api,
    namespace: str,
    tmp_path: Path,
    sidecar: type[Sidecar],
) -> None:
    """Only the sidecar is cut off: it follows joins and leaves by DNS, and changes the source in one step each way."""
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
            # A change just before the API server is back is in its next list.
            await objects.remove(admin, namespace, "web-1")
            await objects.run_pods(admin, namespace, {"web-3": "10.3.0.4"})
        finally:
            await relay.open()
        truth = await scene.members_of_pods(admin, namespace)
        await one.until(lambda: one.source() == "endpointslice" and one.members() == truth, 2 * OVER_SECONDS)
    contents = observer.contents()
    check_purity(contents)
    assert sources(contents) == ["endpointslice", "dns", "endpointslice"]


async def test_short_outages_cause_no_fallback(
    control_plane: ControlPlane,
    cluster_dns: CoreDns,
    relay: Relay,
    admin: Api,
    namespace: str,
    tmp_path: Path,
    sidecar: type[Sidecar],
) -> None:
    """Cut off repeatedly for less than the limit, the sidecar keeps its files and sends no DNS query."""
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


async def test_off_disables_the_fallback(
    control_plane: ControlPlane,
    cluster_dns: CoreDns,
    relay: Relay,
    admin: Api,
    namespace: str,
    tmp_path: Path,
    sidecar: type[Sidecar],
) -> None:
    """With ``--fallback-after off`` the files keep what the API server sent last, while another sidecar falls back."""
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
