"""Every source in the daemon, with the Role of the project for it and no other permission.

Scope: which source is active, why, and that the files follow it. How objects are read is tested with the sources;
failures of DNS are in ``test_dns_daemon``, and the fallback to DNS is in ``test_fallback``.
"""

import asyncio
from pathlib import Path

import pytest

from tests.cluster import objects
from tests.cluster.access import rules_of
from tests.cluster.api import Api
from tests.cluster.control_plane import ControlPlane
from tests.cluster.coredns import CoreDns
from tests.real import scene
from tests.real.sidecar import FILES, ROLE, Sidecar

CAPACITY = 1000
"""Addresses that the controller keeps in an Endpoints object (pkg/controller/endpoint, ``maxCapacity``)."""

AT_ONCE = 16
"""Pods that are created at the same time."""

CONTROLLERS_SECONDS = 40.0
"""For the controller to see a thousand pods, on a machine that is busy with other tests."""


async def run_two(admin: Api, namespace: str) -> None:
    """The Service ``app`` with two ready pods."""
    await admin.create(objects.service("app", namespace))
    await objects.run_pods(admin, namespace, {"web-0": "10.1.0.1", "web-1": "10.1.0.2"})


def in_every_file(*addresses: str) -> dict[str, list[str]]:
    """What ``Sidecar.read`` finds if all files have these members."""
    return {form: [f"{address}:8080" for address in addresses] for form in FILES}


async def test_endpoints_need_permission_for_one_object_only(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """The Role names the object; the files are those of EndpointSlices, without what Endpoints do not have."""
    access = await scene.admit(control_plane, namespace, tmp_path, roles=[scene.ENDPOINTS_ROLE])
    await run_two(admin, namespace)
    mark = control_plane.audit_mark()
    one = sidecar(tmp_path, access.kubeconfig, "--service=app", "--source=endpoints")
    await one.start()
    await one.until(lambda: one.holds(in_every_file("10.1.0.1", "10.1.0.2")))
    assert one.members() == await scene.members_of_pods(admin, namespace, service="app")
    assert one.source() == one.status()["source"] == "endpoints"
    await objects.remove(admin, namespace, "web-0")
    await one.until(lambda: one.holds(in_every_file("10.1.0.2")))
    await one.stop()
    seen = scene.requests(control_plane.audit(since=mark, user=scene.user(namespace)))
    assert {(event.verb, event.resource, event.code) for event in seen} == {
        ("list", "endpoints", 200),
        ("watch", "endpoints", 200),
    }
    assert all("fieldSelector=metadata.name%3Dapp" in event.uri for event in seen)


async def test_endpoints_beyond_a_thousand_are_reported_as_truncated(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """A thousand are listed, with a warning in /status, the metrics and the log until there are no more than that."""
    access = await scene.admit(control_plane, namespace, tmp_path, roles=[scene.ENDPOINTS_ROLE])
    await objects.ensure_node(admin)

    async def run_every(start: int) -> None:
        for number in range(start, CAPACITY + 1, AT_ONCE):
            address = f"10.1.{number // 250}.{number % 250 + 1}"
            await objects.run_pod(admin, objects.pod(f"web-{number}", namespace), [address])

    await asyncio.gather(*(run_every(start) for start in range(AT_ONCE)))
    one = sidecar(tmp_path, access.kubeconfig, "--service=app", "--source=endpoints")
    await one.start()
    await admin.create(objects.service("app", namespace))
    await one.until(lambda: one.status()["warnings"] != [], CONTROLLERS_SECONDS)
    (warning,) = one.status()["warnings"]
    assert warning.startswith(f"endpoints/{namespace}/app is truncated")
    assert "Use --source endpointslice." in warning
    await one.until(lambda: one.metric("membership_source_warnings") == 1)
    await one.until(lambda: [line["reason"] for line in one.logged("source incomplete")] == [warning])
    await one.until(lambda: len(one.members()) == CAPACITY)
    assert all(len(found) == CAPACITY for found in one.read().values())
    await objects.remove(admin, namespace, "web-7")
    await one.until(lambda: one.status()["warnings"] == [], CONTROLLERS_SECONDS)
    await one.until(lambda: one.metric("membership_source_warnings") == 0)
    await one.until(lambda: all(member["name"] != "web-7" for member in one.members()))
    assert len(one.members()) == CAPACITY


async def test_pods_are_followed_by_their_labels(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """No Service is needed; a pod leaves when its label or its node no longer matches."""
    access = await scene.admit(control_plane, namespace, tmp_path, roles=[scene.PODS_ROLE])
    await objects.run_pods(admin, namespace, {"web-0": "10.1.0.1", "web-1": "10.1.0.2"})
    other = objects.pod("web-2", namespace, node_name="another")
    await objects.run_pod(admin, other, ["10.1.0.3"])
    options = ("--source=pods", "--selector=app in (web, www), !old", f"--field-selector=spec.nodeName={objects.NODE}")
    one = sidecar(tmp_path, access.kubeconfig, *options)
    await one.start()
    await one.until(lambda: one.holds(in_every_file("10.1.0.1", "10.1.0.2")))
    assert one.source() == one.status()["source"] == "pods"
    pods = {pod["metadata"]["name"]: pod["metadata"] for pod in (await admin.list("Pod", namespace))["items"]}
    for member in one.members():
        assert member["uid"] == pods[member["name"]]["uid"]
        assert member["created"] == pods[member["name"]]["creationTimestamp"]
    await admin.patch("Pod", "web-0", {"metadata": {"labels": {"old": "yes"}}}, namespace)
    await one.until(lambda: one.holds(in_every_file("10.1.0.2")))
    await one.stop()
    seen = scene.requests(control_plane.audit(user=scene.user(namespace)))
    assert {(event.verb, event.resource, event.namespace) for event in seen} == {
        ("list", "pods", namespace),
        ("watch", "pods", namespace),
    }


@pytest.mark.parametrize("port", ["8080", "http"])
async def test_dns_is_followed_without_the_api_server(
    cluster_dns: CoreDns, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar], port: str
) -> None:
    """Without kubeconfig and ServiceAccount: the ready pods of a headless Service, by A and AAAA or by SRV records."""
    await run_two(admin, namespace)
    options = (f"--service=app.{namespace}", "--source=dns", f"--port={port}", "--pod-ip=10.1.0.2")
    one = sidecar(tmp_path, None, *options, *scene.ask_dns(cluster_dns))
    await one.start()
    await one.until(lambda: one.holds(in_every_file("10.1.0.1", "10.1.0.2")))
    assert one.source() == one.status()["source"] == "dns"
    assert {member["address"]: member["self"] for member in one.members()} == {"10.1.0.1": False, "10.1.0.2": True}
    assert one.metric("membership_api_requests_total") == 0
    await objects.set_ready(admin, namespace, "web-0", ready=False)
    seconds = await one.until(lambda: one.holds(in_every_file("10.1.0.2")))
    scene.figure(f"port {port}: a leave was in the files after {seconds:.1f} s, TTL {scene.TTL} s")


async def test_auto_uses_endpoints_until_slices_may_be_read(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """With only the Role for Endpoints it uses them and reports why; once their Role is bound, it uses slices."""
    access = await scene.admit(control_plane, namespace, tmp_path, roles=[scene.ENDPOINTS_ROLE])
    await run_two(admin, namespace)
    one = sidecar(tmp_path, access.kubeconfig, "--service=app")
    await one.start()
    await one.until(lambda: one.source() == "endpoints" and one.holds(in_every_file("10.1.0.1", "10.1.0.2")))
    await one.until(lambda: one.logged("source changed") != [])
    (line,) = one.logged("source changed")
    status = one.status()
    assert line["source"] == status["source"] == "endpoints"
    remedy = f"Grant get, list and watch on endpointslices.discovery.k8s.io in namespace {namespace}"
    for message in (line["reason"], status["fallback_reason"]):
        assert remedy in message
        assert f"the service account {scene.ACCOUNT} of namespace {namespace}" in message
    assert (active(one, "endpointslice"), active(one, "endpoints"), active(one, "dns")) == (0, 1, 0)
    assert one.get("/readyz")[0] == 200

    await scene.bind(admin, namespace, "late", rules_of(ROLE))
    seconds = await one.until(lambda: one.source() == "endpointslice", 30)
    scene.figure(f"slices took over {seconds:.1f} s after their Role was bound")
    await one.until(lambda: active(one, "endpointslice") == 1)
    assert one.members() == await scene.members_of_pods(admin, namespace, service="app")
    assert one.holds(in_every_file("10.1.0.1", "10.1.0.2"))
    status = one.status()
    assert (status["source"], status["fallback_reason"]) == ("endpointslice", "")
    assert [source["scope"] for source in status["sources"]] == [f"endpointslice/{namespace}/app"]
    await one.until(lambda: [line["source"] for line in one.logged("source changed")] == ["endpoints", "endpointslice"])
    await objects.remove(admin, namespace, "web-0")
    await one.until(lambda: one.holds(in_every_file("10.1.0.2")))


async def test_auto_uses_dns_without_any_role(
    control_plane: ControlPlane,
    cluster_dns: CoreDns,
    admin: Api,
    namespace: str,
    tmp_path: Path,
    sidecar: type[Sidecar],
) -> None:
    """The members are those of DNS, and the reason names every missing permission."""
    access = await scene.admit(control_plane, namespace, tmp_path, roles=[])
    await run_two(admin, namespace)
    one = sidecar(tmp_path, access.kubeconfig, "--service=app", "--port=8080", *scene.ask_dns(cluster_dns))
    await one.start()
    await one.until(lambda: one.source() == "dns" and one.holds(in_every_file("10.1.0.1", "10.1.0.2")))
    await one.until(lambda: active(one, "dns") == 1)
    status = one.status()
    assert status["source"] == "dns"
    assert "endpointslices.discovery.k8s.io" in status["fallback_reason"]
    assert {line["source"] for line in one.logged("source changed")} == {"dns"}
    reported = " ".join(line["reason"] for line in one.logged("source failing"))
    for resource in ("endpointslices.discovery.k8s.io", "endpoints"):
        assert f"Grant get, list and watch on {resource} in namespace {namespace} to the service account" in reported
    await objects.run_pods(admin, namespace, {"web-2": "10.1.0.3"})
    await one.until(lambda: one.holds(in_every_file("10.1.0.1", "10.1.0.2", "10.1.0.3")))


def active(one: Sidecar, source: str) -> float:
    """Whether that source is active, according to the metrics."""
    return one.metric("membership_source_active", source=source)
