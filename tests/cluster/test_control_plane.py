"""The cluster of the tests is a real one, and survives what tests do to it.

Scope: the fixtures, and what tests rely on of Kubernetes itself. Nothing of ``sidecar`` is tested here.
"""

import asyncio
import time
from contextlib import aclosing
from pathlib import Path

import pytest
import yaml

from tests.cluster import objects
from tests.cluster.access import REVOCATION_SECONDS, revocable_token
from tests.cluster.api import Api, ApiError, Json
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import require_programs

READ_SLICES = [{"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}]

PODS = {f"web-{number}": f"10.1.0.{number + 1}" for number in range(4)}


async def endpoints(api: Api, namespace: str) -> dict[str, Json]:
    """The conditions of every endpoint in the namespace's slices, by address."""
    slices = (await api.list("EndpointSlice", namespace))["items"]
    return {item["addresses"][0]: item["conditions"] for one in slices for item in one["endpoints"] or []}


async def until_endpoints(api: Api, namespace: str, expected: dict[str, Json]) -> None:
    """Wait for the controllers."""
    async with asyncio.timeout(20):
        while await endpoints(api, namespace) != expected:
            await asyncio.sleep(0.02)


def conditions(*, ready: bool = True, serving: bool = True, terminating: bool = False) -> Json:
    """The conditions of an endpoint."""
    return {"ready": ready, "serving": serving, "terminating": terminating}


async def until_refused(api: Api, namespace: str, *, seconds: float) -> ApiError:
    """Send requests until the API server refuses them."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                await api.list("EndpointSlice", namespace)
            except ApiError as error:
                return error
            await asyncio.sleep(0.1)


@pytest.mark.cluster
def test_a_control_plane_leaves_nothing_behind(pytestconfig: pytest.Config) -> None:
    """It is ready in seconds; afterwards no process and no file is left."""
    require_programs(pytestconfig)
    started = time.monotonic()
    control_plane = ControlPlane()
    control_plane.start()
    print(f"ready after {time.monotonic() - started:.1f} s")  # noqa: T201 - a figure to see and not to assert
    programs = [control_plane.etcd.program, control_plane.api_server, control_plane.controller_manager]
    processes = [Path(f"/proc/{program.pid}") for program in programs]
    assert all(process.exists() for process in processes)
    control_plane.stop()
    assert not any(process.exists() for process in processes)
    assert not control_plane.directory.exists()


async def test_controllers_write_slices_for_pods(admin: Api, namespace: str) -> None:
    """The real endpoint-slice controller follows pods from start to end."""
    await admin.create(objects.service("web", namespace))
    await objects.run_pods(admin, namespace, PODS)
    expected = dict.fromkeys(PODS.values(), conditions())
    await until_endpoints(admin, namespace, expected)

    await objects.set_ready(admin, namespace, "web-1", ready=False)
    expected["10.1.0.2"] = conditions(ready=False, serving=False)
    await until_endpoints(admin, namespace, expected)

    await objects.terminate(admin, namespace, "web-2")
    expected["10.1.0.3"] = conditions(ready=False, terminating=True)
    await until_endpoints(admin, namespace, expected)

    await objects.remove(admin, namespace, "web-2")
    del expected["10.1.0.3"]
    await until_endpoints(admin, namespace, expected)


async def test_hundred_pods_in_two_families(admin: Api, namespace: str) -> None:
    """A dual-stack Service has slices of both families, and a hundred pods are quick."""
    await objects.ensure_node(admin)
    await admin.create(objects.service("web", namespace, ipFamilyPolicy="RequireDualStack"))
    pods = {f"web-{number}": (f"10.1.0.{number + 1}", f"fd00:1::{number + 1:x}") for number in range(100)}
    await asyncio.gather(
        *(objects.run_pod(admin, objects.pod(name, namespace), addresses) for name, addresses in pods.items())
    )
    await until_endpoints(admin, namespace, {address: conditions() for both in pods.values() for address in both})


async def test_no_controller_changes_the_slices_of_a_service_without_selector(admin: Api, namespace: str) -> None:
    """They stay as a test writes them."""
    await admin.create(objects.service("web", namespace, selector=None))
    for addresses in (["10.1.0.1"], ["10.1.0.1", "10.1.0.2"]):
        items = [objects.endpoint(address) for address in addresses]
        await objects.write_endpoint_slice(admin, objects.endpoint_slice("web-1", namespace, items, service="web"))
        assert await endpoints(admin, namespace) == dict.fromkeys(addresses, conditions())


async def test_a_role_allows_its_verbs_and_no_other(control_plane: ControlPlane, admin: Api, namespace: str) -> None:
    """A ServiceAccount is limited to its rules; the audit log has its attempts."""
    mark = control_plane.audit_mark()
    token = await control_plane.service_account(namespace, "reader", READ_SLICES)
    async with control_plane.api(token) as reader:
        assert (await reader.list("EndpointSlice", namespace))["items"] == []
        with pytest.raises(ApiError, match="cannot list resource") as refused:
            await reader.list("Pod", namespace)
        assert refused.value.code == 403
        with pytest.raises(ApiError) as refused:
            await reader.create(objects.endpoint_slice("web", namespace, [], service="web"))
        assert refused.value.code == 403
    events = control_plane.audit(since=mark, user=f"system:serviceaccount:{namespace}:reader")
    assert [(event.verb, event.resource, event.namespace, event.code) for event in events] == [
        ("list", "endpointslices", namespace, 200),
        ("list", "pods", namespace, 403),
        ("create", "endpointslices", namespace, 403),
    ]


async def test_a_role_can_be_read_from_a_manifest(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    """The rules of a manifest's Roles are used, the rest is ignored."""
    manifest = tmp_path / "rbac.yaml"
    documents = [{"kind": "ServiceAccount"}, {"kind": "Role", "rules": READ_SLICES}]
    manifest.write_text(yaml.safe_dump_all(documents))
    async with control_plane.api(await control_plane.service_account(namespace, "reader", manifest)) as reader:
        await reader.list("EndpointSlice", namespace)


async def test_a_revoked_token_is_refused(control_plane: ControlPlane, admin: Api, namespace: str) -> None:
    """A token is invalid without its Secret, once it is no longer in the server's cache."""
    await control_plane.service_account(namespace, "reader", READ_SLICES)
    revocable = await revocable_token(admin, namespace, "reader")
    async with control_plane.api(revocable.token) as reader:
        await reader.list("EndpointSlice", namespace)
        revoked = time.monotonic()
        await revocable.revoke(admin)
        refused = await until_refused(reader, namespace, seconds=REVOCATION_SECONDS + 10)
    assert refused.code == 401
    print(f"refused after {time.monotonic() - revoked:.1f} s")  # noqa: T201


async def test_an_unused_revoked_token_is_refused_at_once(
    control_plane: ControlPlane, admin: Api, namespace: str
) -> None:
    """Because it is not in the cache."""
    await control_plane.service_account(namespace, "reader", READ_SLICES)
    revocable = await revocable_token(admin, namespace, "reader")
    await revocable.revoke(admin)
    async with control_plane.api(revocable.token) as reader:
        with pytest.raises(ApiError) as refused:
            await reader.list("EndpointSlice", namespace)
    assert refused.value.code == 401


async def test_data_survives_the_death_of_the_api_server(fresh_control_plane: ControlPlane) -> None:
    """A killed server refuses connections; restarted, it has all objects, and the controllers continue."""
    async with fresh_control_plane.admin() as api:
        await api.create(objects.service("web", "default"))
        await objects.run_pods(api, "default", PODS)
        fresh_control_plane.kill_api_server()
        with pytest.raises(OSError, match="Connect call failed"):
            await api.list("Pod", "default")
        fresh_control_plane.start_api_server()
        assert {item["metadata"]["name"] for item in (await api.list("Pod", "default"))["items"]} == PODS.keys()
        expected = dict.fromkeys(PODS.values(), conditions())
        await until_endpoints(api, "default", expected)

        await objects.remove(api, "default", "web-0")
        del expected[PODS["web-0"]]
        await until_endpoints(api, "default", expected)


async def test_history_is_gone_after_compaction(fresh_control_plane: ControlPlane) -> None:
    """An old resourceVersion is Expired: to a watch, to an exact list, and to the next page of a list."""
    async with fresh_control_plane.admin() as api:
        await objects.run_pods(api, "default", PODS)
        page = (await api.list("Pod", "default", limit="1"))["metadata"]
        version = page["resourceVersion"]
        await objects.remove(api, "default", "web-0")
        async with aclosing(api.watch("Pod", "default", resourceVersion=version)) as events:
            assert (await anext(events))["object"]["metadata"]["name"] == "web-0"

        fresh_control_plane.compact()
        async with aclosing(api.watch("Pod", "default", resourceVersion=version)) as events:
            event = await anext(events)
        assert event["type"] == "ERROR"
        assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
        for parameters in (
            {"resourceVersion": version, "resourceVersionMatch": "Exact"},
            {"limit": "1", "continue": page["continue"]},
        ):
            with pytest.raises(ApiError) as refused:
                await api.list("Pod", "default", **parameters)
            assert (refused.value.code, refused.value.reason) == (410, "Expired")
        assert len((await api.list("Pod", "default"))["items"]) == len(PODS) - 1
