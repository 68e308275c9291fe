"""The source ``endpoints`` against the real endpoints controller, with a Role for the one object.

More than a thousand addresses are in ``test_sources``, because the daemon reports them.
"""

from sidecar.membership.events import Failed
from sidecar.sources.kubernetes.endpoints import endpoints
from sidecar.sources.kubernetes.objects import Projection
from tests.cluster import objects
from tests.cluster.api import Api, Json
from tests.cluster.control_plane import ControlPlane
from tests.real.reflected import PATIENCE, members, reflected, until_states

READY, NOT_READY = (True, True, False), (False, False, False)


def may_read(name: str) -> list[Json]:
    """The rules for the Endpoints of that name and no others."""
    verbs = ["get", "list", "watch"]
    return [{"apiGroups": [""], "resources": ["endpoints"], "resourceNames": [name], "verbs": verbs}]


async def test_members_follow_pods_from_start_to_end(control_plane: ControlPlane, admin: Api, namespace: str) -> None:
    """Ready, not ready and removed, as in the object; a terminating pod leaves at once."""
    token = await control_plane.service_account(namespace, "reader", may_read("web"))
    await admin.create(objects.service("web", namespace))
    async with reflected(control_plane, token, endpoints(namespace, "web", Projection())) as followed:
        await objects.run_pods(admin, namespace, {"web-0": "10.1.0.1", "web-1": "10.1.0.2"})
        await until_states(followed, web_0=READY, web_1=READY)
        await objects.set_ready(admin, namespace, "web-1", ready=False)
        await until_states(followed, web_0=READY, web_1=NOT_READY)
        (first, _) = members(followed)
        pod = await admin.get("Pod", "web-0", namespace)
        assert (first.uid, first.node, first.service) == (pod["metadata"]["uid"], objects.NODE, "web")
        assert (first.address, first.port) == ("10.1.0.1", 8080)
        await objects.terminate(admin, namespace, "web-0")
        await until_states(followed, web_1=NOT_READY)
        await admin.delete("Service", "web", namespace)
        await until_states(followed)


async def test_a_missing_role_is_reported(control_plane: ControlPlane, admin: Api, namespace: str) -> None:
    """A Role for another object is not enough, and a missing permission changes no member."""
    token = await control_plane.service_account(namespace, "reader", may_read("other"))
    await admin.create(objects.service("web", namespace))
    async with reflected(control_plane, token, endpoints(namespace, "web", Projection())) as followed:
        await followed.until(lambda said: said.of(Failed), within=PATIENCE)
        (failed,) = followed.of(Failed)[:1]
        assert isinstance(failed, Failed)
        assert failed.reason == "forbidden"
        assert "endpoints" in failed.message
        assert not followed.reports


async def test_a_named_port_can_have_two_numbers(control_plane: ControlPlane, admin: Api, namespace: str) -> None:
    """A targetPort by name has a number for each pod, and the controller writes a subset for each number."""
    token = await control_plane.service_account(namespace, "reader", may_read("web"))
    await objects.ensure_node(admin)
    ports = [{"name": "cluster", "port": 1, "targetPort": "cluster"}, {"name": "http", "port": 80, "targetPort": 8080}]
    service = objects.service("web", namespace)
    service["spec"]["ports"] = ports
    await admin.create(service)
    for number, port in enumerate((7800, 7801)):
        body = objects.pod(f"web-{number}", namespace, ports={"cluster": port})
        await objects.run_pod(admin, body, [f"10.1.0.{number + 1}"])
    await objects.run_pod(admin, objects.pod("web-2", namespace), ["10.1.0.3"])  # it has no port of that name
    async with reflected(control_plane, token, endpoints(namespace, "web", Projection(port="cluster"))) as followed:
        await until_states(followed, web_0=READY, web_1=READY)
        assert [member.port for member in members(followed)] == [7800, 7801]
        assert len((await admin.get("Endpoints", "web", namespace))["subsets"]) == 3


async def test_dual_stack_has_one_family_here(control_plane: ControlPlane, admin: Api, namespace: str) -> None:
    """That of the Service's first address family: an Endpoints object has no other."""
    token = await control_plane.service_account(namespace, "reader", may_read("web"))
    await objects.ensure_node(admin)
    await admin.create(
        objects.service("web", namespace, ipFamilyPolicy="RequireDualStack", ipFamilies=["IPv6", "IPv4"])
    )
    await objects.run_pod(admin, objects.pod("web-0", namespace), ["10.1.0.1", "fd00:1::1"])
    async with reflected(control_plane, token, endpoints(namespace, "web", Projection())) as followed:
        await until_states(followed, web_0=READY)
        assert [member.addresses for member in members(followed)] == [("fd00:1::1",)]
