"""The source ``pods``, and ``replicas``, against the real API server and the real controllers.

There is no kubelet: the tests write what it would report through the status subresource. What controllers write is
real: hashes, owners, and the effects of a lost node on its pods.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from sidecar.daemon.replicas import desired_replicas
from sidecar.errors import SourceError
from sidecar.membership.events import Listed
from sidecar.sources.kubernetes.objects import Projection
from sidecar.sources.kubernetes.pods import PodProjection, pods
from tests.cluster import binaries, objects
from tests.cluster.api import Api
from tests.cluster.control_plane import ControlPlane
from tests.cluster.programs import Program
from tests.real.reflected import PATIENCE, members, reflected, states, until_states
from tests.real.scene import ACCOUNT, user
from tests.real.workloads import held, run_all, workload
from tests.support.builders import Followed, connected, credentials_for

READ_PODS = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]

READY, NOT_READY = (True, True, False), (False, False, False)
DRAINING, GOING = (False, True, True), (False, False, True)

ZONED = "node-in-a-zone"


def projection(**how: str) -> PodProjection:
    """The collection of pods, with their only port."""
    return PodProjection(projection=Projection(), **how)


async def reader(control_plane: ControlPlane, namespace: str) -> str:
    """The token of a ServiceAccount that may only read pods."""
    return await control_plane.service_account(namespace, ACCOUNT, READ_PODS)


def at(address: str) -> Callable[[Followed], bool]:
    """Whether there is exactly one member, with that address."""
    return lambda followed: [member.address for member in members(followed)] == [address]


# --- From start to end


async def test_a_pod_from_start_to_end(control_plane: ControlPlane, admin: Api, namespace: str) -> None:
    """Created, started, ready, terminating until its finalizer is removed, and deleted."""
    await objects.ensure_node(admin)
    async with reflected(
        control_plane, await reader(control_plane, namespace), pods(namespace, "app=web", "", projection())
    ) as followed:
        await admin.create(held(objects.pod("web-0", namespace, hostname="first", subdomain="web")))
        await followed.until(lambda said: said.reports, within=PATIENCE)
        assert not members(followed)
        await admin.patch_status("Pod", "web-0", objects.running(["10.1.0.1"], ready=False), namespace)
        await until_states(followed, web_0=NOT_READY)
        await objects.set_ready(admin, namespace, "web-0", ready=True)
        await until_states(followed, web_0=READY)
        await admin.delete("Pod", "web-0", namespace, grace=0)
        await until_states(followed, web_0=DRAINING)
        await objects.set_ready(admin, namespace, "web-0", ready=False)
        await until_states(followed, web_0=GOING)
        (member,) = members(followed)
        meta = (await admin.get("Pod", "web-0", namespace))["metadata"]
        assert (member.uid, member.hostname, member.node) == (meta["uid"], "first", objects.NODE)
        assert (member.created, member.port) == (meta["creationTimestamp"], 8080)
        await admin.patch("Pod", "web-0", {"metadata": {"finalizers": None}}, namespace)
        await until_states(followed)


async def test_a_reused_address_is_another_member(control_plane: ControlPlane, admin: Api, namespace: str) -> None:
    """While a finalizer keeps the old pod, two pods have the address; the UIDs distinguish them."""
    await objects.ensure_node(admin)
    async with reflected(
        control_plane, await reader(control_plane, namespace), pods(namespace, "app=web", "", projection())
    ) as followed:
        await objects.run_pod(admin, held(objects.pod("web-old", namespace)), ["10.1.0.1"])
        await admin.delete("Pod", "web-old", namespace, grace=0)
        await objects.run_pod(admin, objects.pod("web-new", namespace), ["10.1.0.1"])
        await until_states(followed, web_new=READY, web_old=DRAINING)
        new, old = members(followed)
        assert new.address == old.address == "10.1.0.1"
        assert new.uid != old.uid
        assert datetime.fromisoformat(new.created) >= datetime.fromisoformat(old.created)


async def test_a_recreated_pod_is_another_member(control_plane: ControlPlane, admin: Api, namespace: str) -> None:
    """As a StatefulSet recreates it: with the same name and another UID."""
    await objects.ensure_node(admin)
    async with reflected(
        control_plane, await reader(control_plane, namespace), pods(namespace, "app=web", "", projection())
    ) as followed:
        uids = set()
        for address in ("10.1.0.1", "10.1.0.2"):
            await objects.run_pod(admin, objects.pod("web-0", namespace), [address])
            await followed.until(at(address), within=PATIENCE)
            uids |= {member.uid for member in members(followed)}
            await objects.remove(admin, namespace, "web-0")
        await until_states(followed)
        assert len(uids) == 2


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
async def test_a_finished_pod_leaves(control_plane: ControlPlane, admin: Api, namespace: str, phase: str) -> None:
    """Whatever else its status says; and a later list does not even contain it."""
    await objects.run_pods(admin, namespace, {"web-0": "10.1.0.1", "web-1": "10.1.0.2"})
    token = await reader(control_plane, namespace)
    collection = pods(namespace, "app=web", "", projection())
    async with reflected(control_plane, token, collection) as followed:
        await until_states(followed, web_0=READY, web_1=READY)
        await admin.patch_status("Pod", "web-0", {"phase": phase}, namespace)
        await until_states(followed, web_1=READY)
    async with reflected(control_plane, token, collection) as later:
        await until_states(later, web_1=READY)
        assert list(later.reports) == [f"pods/{namespace}/web-1"]


# --- Selectors and pages


async def test_label_and_field_selectors(control_plane: ControlPlane, admin: Api, namespace: str) -> None:
    """Label values, absent labels, and fields; a pod whose label changes leaves."""
    await objects.ensure_node(admin)
    await objects.ensure_node(admin, ZONED, zone="zone-a")
    for number, (tier, node) in enumerate([("a", ZONED), ("b", ZONED), ("c", ZONED), ("a", objects.NODE)]):
        body = objects.pod(f"web-{number}", namespace, labels={"tier": tier}, node_name=node)
        await objects.run_pod(admin, body, [f"10.1.0.{number + 1}"])
    collection = pods(namespace, "tier in (a, b), !old", f"spec.nodeName={ZONED}", projection())
    async with reflected(control_plane, await reader(control_plane, namespace), collection) as followed:
        await until_states(followed, web_0=READY, web_1=READY)
        await admin.patch("Pod", "web-1", {"metadata": {"labels": {"old": "yes"}}}, namespace)
        await until_states(followed, web_0=READY)
        await admin.patch("Pod", "web-2", {"metadata": {"labels": {"tier": "b"}}}, namespace)
        await until_states(followed, web_0=READY, web_2=READY)


async def test_a_large_list_is_read_in_pages(control_plane: ControlPlane, admin: Api, namespace: str) -> None:
    """By a restarted sidecar, which must not list from the cache: each page is one request."""
    wanted = {f"web-{number}": f"10.1.0.{number + 1}" for number in range(5)}
    await objects.run_pods(admin, namespace, wanted)
    seen = (await admin.list("Pod", namespace))["metadata"]["resourceVersion"]
    token = await reader(control_plane, namespace)
    collection = pods(namespace, "app=web", "", projection())
    small = msgspec.structs.replace(collection, query={**collection.query, "limit": "2"})
    mark = control_plane.audit_mark()
    async with reflected(control_plane, token, small, not_older_than=seen) as followed:
        await followed.until(lambda said: said.of(Listed), within=PATIENCE)
        assert {member.name: member.address for member in members(followed)} == wanted
        await objects.set_ready(admin, namespace, "web-3", ready=False)
        await followed.until(lambda said: states(said)["web-3"] == NOT_READY, within=PATIENCE)
    lists = [event for event in control_plane.audit(since=mark, user=user(namespace)) if event.verb == "list"]
    assert ["continue" in parse_qs(urlsplit(event.uri).query) for event in lists] == [False, True, True]


# --- Addresses and places


async def test_dual_stack_and_host_network(control_plane: ControlPlane, admin: Api, namespace: str) -> None:
    """Both addresses of each pod, IPv4 first; two pods with host network share addresses and are two members."""
    await objects.ensure_node(admin)
    await objects.run_pod(admin, objects.pod("web-0", namespace), ["fd00:1::1", "10.1.0.1"])
    for number in (1, 2):
        body = objects.pod(f"web-{number}", namespace, ports={"http": 8080 + number}, hostNetwork=True)
        await objects.run_pod(admin, body, ["192.168.0.9", "fd00:9::9"])
    collection = pods(namespace, "app=web", "", projection())
    async with reflected(control_plane, await reader(control_plane, namespace), collection) as followed:
        await until_states(followed, web_0=READY, web_1=READY, web_2=READY)
        assert [(member.addresses, member.port) for member in members(followed)] == [
            (("10.1.0.1", "fd00:1::1"), 8080),
            (("192.168.0.9", "fd00:9::9"), 8081),
            (("192.168.0.9", "fd00:9::9"), 8082),
        ]
        assert len({member.key for member in members(followed)}) == 3


async def test_a_pod_has_its_zone(control_plane: ControlPlane, admin: Api, namespace: str) -> None:
    """The API server copies it from the node when the pod is bound, so that the sidecar need not read nodes."""
    await objects.ensure_node(admin, ZONED, zone="zone-a")
    body = objects.pod("web-0", namespace)
    del body["spec"]["nodeName"]
    await admin.create(body)
    target = {"apiVersion": "v1", "kind": "Node", "name": ZONED}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web-0"}, "target": target}
    await admin.request("POST", f"/api/v1/namespaces/{namespace}/pods/web-0/binding", body=binding)
    await admin.patch_status("Pod", "web-0", objects.running(["10.1.0.1"]), namespace)
    collection = pods(namespace, "app=web", "", projection())
    async with reflected(control_plane, await reader(control_plane, namespace), collection) as followed:
        await until_states(followed, web_0=READY)
        (member,) = members(followed)
        assert (member.node, member.zone) == (ZONED, "zone-a")


# --- Rollouts and replicas


def grouped(expected: dict[str, list[bool]]) -> Callable[[Followed], bool]:
    """Whether the rollouts of the members are these, with the readiness of each member."""

    def look(followed: Followed) -> bool:
        found: dict[str, list[bool]] = {}
        for member in members(followed):
            found.setdefault(member.rollout, []).append(member.ready)
        return found == expected

    return look


async def test_a_rolling_deployment(control_plane: ControlPlane, admin: Api, namespace: str) -> None:
    """From one ReplicaSet to the next, the members of both are distinguished by hash, owner and version."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    await admin.create(workload("Deployment", "web", namespace, replicas=2, strategy=strategy))
    old = await run_all(admin, namespace, 2)
    token = await reader(control_plane, namespace)
    async with contextlib.AsyncExitStack() as stack:
        by = {
            split: await stack.enter_async_context(
                reflected(control_plane, token, pods(namespace, "app=web", "", projection(split=split)))
            )
            for split in ("auto", "owner", "version")
        }
        change = {"spec": {"template": {"metadata": {"labels": {"version": "2"}}}}}
        await admin.patch("Deployment", "web", change, namespace)
        new = await run_all(admin, namespace, 1, version="2", ready=False)
        sides = [one[0]["metadata"] for one in (old, new)]
        names = {
            "auto": [meta["labels"]["pod-template-hash"] for meta in sides],
            "owner": [meta["ownerReferences"][0]["uid"] for meta in sides],
            "version": ["1", "2"],
        }
        for split, followed in by.items():
            before, after = names[split]
            wanted = {before: [True, True], after: [False]}
            await followed.until(grouped(wanted), within=PATIENCE)
        await objects.set_ready(admin, namespace, new[0]["metadata"]["name"], ready=True)
        await by["version"].until(grouped({"1": [True, True], "2": [True]}), within=PATIENCE)


@contextlib.asynccontextmanager
async def asking(
    control_plane: ControlPlane, namespace: str, *resources: str
) -> AsyncIterator[Callable[[str], Awaitable[int]]]:
    """The desired replicas of a pod's workload, read with permission to get pods and these resources."""
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
        {"apiGroups": ["apps"], "resources": list(resources), "verbs": ["get"]},
    ]
    token = await control_plane.service_account(namespace, ACCOUNT, rules)
    async with connected(credentials_for(control_plane.url, token=token, ca=control_plane.ca_file)) as connection:
        yield lambda name: desired_replicas(connection, namespace, name)


async def test_replicas_of_a_deployment(control_plane: ControlPlane, admin: Api, namespace: str) -> None:
    """The number of the Deployment, also after it is scaled, and not that of its ReplicaSet."""
    await admin.create(workload("Deployment", "web", namespace, replicas=2))
    name = (await run_all(admin, namespace, 2))[0]["metadata"]["name"]
    async with asking(control_plane, namespace, "replicasets", "deployments") as ask:
        assert await ask(name) == 2
        await admin.patch("Deployment", "web", {"spec": {"paused": True}}, namespace)
        await admin.patch("Deployment", "web", {"spec": {"replicas": 5}}, namespace)
        assert await ask(name) == 5


async def test_replicas_of_a_stateful_set(control_plane: ControlPlane, admin: Api, namespace: str) -> None:
    """The full number, although it creates one pod after the other."""
    await admin.create(workload("StatefulSet", "web", namespace, replicas=3, serviceName="web"))
    await run_all(admin, namespace, 1)
    async with asking(control_plane, namespace, "statefulsets") as ask:
        assert await ask("web-0") == 3


async def test_replicas_of_a_daemon_set(control_plane: ControlPlane, admin: Api, namespace: str) -> None:
    """One pod for each suitable node."""
    for number in (1, 2):
        name = f"{namespace}-{number}"
        await objects.ensure_node(admin, name)
        await admin.patch("Node", name, {"metadata": {"labels": {"for": namespace}}})
    body = workload("DaemonSet", "web", namespace)
    anywhere = {
        "nodeSelector": {"for": namespace},
        "tolerations": [{"operator": "Exists"}],
    }  # the taint not-ready, without kubelets
    body["spec"]["template"]["spec"] |= anywhere
    await admin.create(body)
    name = (await run_all(admin, namespace, 2))[0]["metadata"]["name"]
    async with asking(control_plane, namespace, "daemonsets") as ask:
        assert await ask(name) == 2


async def test_a_missing_permission_to_read_replicas_is_reported(
    control_plane: ControlPlane, admin: Api, namespace: str
) -> None:
    """The message names the verb and the resource for the Role."""
    await admin.create(workload("Deployment", "web", namespace, replicas=1))
    name = (await run_all(admin, namespace, 1))[0]["metadata"]["name"]
    async with asking(control_plane, namespace, "replicasets") as ask:
        with pytest.raises(SourceError, match=f"get on deployments.apps in namespace {namespace}") as caught:
            await ask(name)
        assert caught.value.reason == "forbidden"
        with pytest.raises(SourceError, match="not found") as caught:
            await ask("web-nobody")
        assert caught.value.reason == "not_found"


# --- Lost nodes


@contextlib.contextmanager
def impatient_controller(control_plane: ControlPlane) -> Iterator[None]:
    """A node-lifecycle controller that gives up an unresponsive node after a second instead of most of a minute.

    The other controllers run without it, because no node of the cluster ever responds.
    """
    command = [
        str(binaries.path("kube-controller-manager")),
        f"--kubeconfig={control_plane.kubeconfig(control_plane.directory / 'lifecycle.kubeconfig')}",
        "--controllers=node-lifecycle-controller",
        "--secure-port=0",
        "--leader-elect=false",
        "--node-monitor-period=200ms",
        "--node-monitor-grace-period=1s",
        "--node-startup-grace-period=1s",
    ]
    program = Program(command, log=control_plane.directory / "lifecycle.log")
    program.start()
    try:
        yield
    finally:
        program.kill()


async def test_a_lost_node_is_distinguished_from_a_failing_probe(fresh_control_plane: ControlPlane) -> None:
    """The controller sets Ready to false on pods that were ready, and nothing else; the kubelet sets it back."""
    namespace, node = "default", "node-to-lose"
    async with fresh_control_plane.admin() as admin:
        await objects.ensure_node(admin)
        await objects.ensure_node(admin, node)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        alive = {"type": "Ready", "status": "True", "lastHeartbeatTime": now, "lastTransitionTime": now}
        await admin.patch_status("Node", node, {"conditions": [alive]})
        for number, (where, ready) in enumerate([(node, True), (node, False), (objects.NODE, True)]):
            body = objects.pod(f"web-{number}", namespace, node_name=where)
            await objects.run_pod(admin, body, [f"10.1.0.{number + 1}"], ready=ready)
        token = await reader(fresh_control_plane, namespace)
        async with reflected(fresh_control_plane, token, pods(namespace, "app=web", "", projection())) as followed:
            await until_states(followed, web_0=READY, web_1=NOT_READY, web_2=READY)
            assert not any(member.lost for member in members(followed))
            with impatient_controller(fresh_control_plane):
                await until_states(followed, web_0=NOT_READY, web_1=NOT_READY, web_2=READY)
            assert [member.lost for member in members(followed)] == [True, False, False]
            await objects.set_ready(admin, namespace, "web-0", ready=True)
            await until_states(followed, web_0=READY, web_1=NOT_READY, web_2=READY)
            assert not any(member.lost for member in members(followed))
