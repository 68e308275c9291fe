"""Kinds of Services: dual-stack, with named ports, several of them, with publishNotReadyAddresses.

Scope: what the real controller writes for them, and the resulting files. The meaning of slices is tested without a
cluster.
"""

import re
from pathlib import Path

from tests.cluster import objects
from tests.cluster.access import rules_of
from tests.cluster.api import Api, Json
from tests.cluster.control_plane import ControlPlane
from tests.real import scene
from tests.real.sidecar import FILES, ROLE, Sidecar


def in_every_file(*host_ports: str) -> dict[str, list[str]]:
    """What ``Sidecar.read`` finds if all files have these members."""
    return {form: list(host_ports) for form in FILES}


async def test_a_dual_stack_pod_is_one_member_with_two_addresses(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """Its two slices are merged by UID: the json file has both addresses, every other file the IPv4 one."""
    access = await scene.admit(control_plane, namespace, tmp_path)
    await objects.ensure_node(admin)
    await admin.create(objects.service("web", namespace, ipFamilyPolicy="RequireDualStack"))
    for number in (1, 2):
        both = f"10.1.0.{number}", f"fd00:1::{number}"
        await objects.run_pod(admin, objects.pod(f"web-{number}", namespace), both)
    one = sidecar(tmp_path, access.kubeconfig, "--service=web")
    await one.start()
    truth = await scene.members_of_pods(admin, namespace)
    await one.until(lambda: one.members() == truth)
    assert [member["addresses"] for member in truth] == [["10.1.0.1", "fd00:1::1"], ["10.1.0.2", "fd00:1::2"]]
    await one.until(lambda: one.holds(in_every_file("10.1.0.1:8080", "10.1.0.2:8080")))
    slices = (await admin.list("EndpointSlice", namespace))["items"]
    assert sorted(item["addressType"] for item in slices) == ["IPv4", "IPv6"]


async def test_the_port_is_chosen_by_its_name(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """--port chooses one of several ports; without it, nothing is published and the message lists the ports."""
    access = await scene.admit(control_plane, namespace, tmp_path)
    await admin.create(objects.service("web", namespace, ports={"http": 8080, "cluster": 7800}))
    await objects.run_pods(admin, namespace, {"web-0": "10.1.0.1"})
    chosen = sidecar(tmp_path / "chosen", access.kubeconfig, "--service=web", "--port=cluster")
    unsure = sidecar(tmp_path / "unsure", access.kubeconfig, "--service=web")
    await chosen.start()
    await chosen.until(lambda: chosen.holds(in_every_file("10.1.0.1:7800")))
    await unsure.start()
    await unsure.until(lambda: "has several ports" in unsure.get("/readyz")[1])
    assert {"cluster (7800)", "http (8080)"} <= set(re.findall(r"\w+ \(\d+\)", unsure.get("/readyz")[1]))
    assert unsure.stamps() == {}


async def test_two_services_in_two_namespaces_are_one_set(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """With the Role in each namespace, the files have the union; neither Service is published without the other."""
    metadata = {"name": f"{namespace}-far"}
    far = str((await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))["metadata"]["name"])
    access = await scene.admit(control_plane, namespace, tmp_path)
    for where in (namespace, far):
        await admin.create(objects.service("web", where))
    await objects.run_pods(admin, namespace, {"web-0": "10.1.0.1"})
    await objects.run_pods(admin, far, {"web-0": "10.2.0.1"})
    one = sidecar(tmp_path, access.kubeconfig, "--service=web", f"--service=web.{far}")
    await one.start()
    await one.until(lambda: "403" in one.failing())
    assert one.stamps() == {}
    await scene.bind(admin, far, "membership-sidecar", rules_of(ROLE), account=namespace)
    truth = [*await scene.members_of_pods(admin, namespace), *await scene.members_of_pods(admin, far)]
    truth.sort(key=lambda member: str(member["namespace"]))
    await one.until(lambda: one.members() == truth)
    await objects.run_pods(admin, far, {"web-1": "10.2.0.2"})
    await one.until(lambda: sorted(one.addresses()) == ["10.1.0.1", "10.2.0.1", "10.2.0.2"])


async def test_publish_not_ready_addresses_makes_every_pod_a_member(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """Pods that are not ready are listed as well, as ready but not serving."""
    access = await scene.admit(control_plane, namespace, tmp_path)
    await admin.create(objects.service("web", namespace, publish_not_ready=True))
    await objects.run_pods(admin, namespace, {"web-0": "10.1.0.1"})
    await objects.run_pods(admin, namespace, {"web-1": "10.1.0.2"}, ready=False)
    one = sidecar(tmp_path, access.kubeconfig, "--service=web", "--not-ready=exclude")
    await one.start()
    await one.until(lambda: one.holds(in_every_file("10.1.0.1:8080", "10.1.0.2:8080")))
    await one.until(lambda: conditions(one) == {"web-0": (True, True), "web-1": (True, False)})
    await objects.set_ready(admin, namespace, "web-1", ready=True)
    await one.until(lambda: conditions(one) == {"web-0": (True, True), "web-1": (True, True)})


async def test_a_terminating_pod_leaves_the_files(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """It leaves long before it is deleted, even with publishNotReadyAddresses."""
    access = await scene.admit(control_plane, namespace, tmp_path)
    await admin.create(objects.service("web", namespace))
    await admin.create(objects.service("all", namespace, publish_not_ready=True))
    await objects.run_pods(admin, namespace, {"web-0": "10.1.0.1", "web-1": "10.1.0.2"})
    both = [sidecar(tmp_path / name, access.kubeconfig, f"--service={name}") for name in ("web", "all")]
    for one in both:
        await one.start()
        await one.until(lambda one=one: one.holds(in_every_file("10.1.0.1:8080", "10.1.0.2:8080")))  # type: ignore[misc]
    await objects.terminate(admin, namespace, "web-1")
    for one in both:
        await one.until(lambda one=one: one.holds(in_every_file("10.1.0.1:8080")))  # type: ignore[misc]
    assert (await admin.get("Pod", "web-1", namespace))["metadata"]["deletionTimestamp"]


def conditions(one: Sidecar) -> dict[str, tuple[bool, bool]]:
    """Ready and serving in the json file, by name."""
    members: list[Json] = one.members()
    return {member["name"]: (member["ready"], member["serving"]) for member in members}
