"""A scripted service: the objects after each command. Tested with a store alone, without a server."""

import pytest

from sidecar.simulator import ScriptedService, Store
from sidecar.simulator.resources import Object


@pytest.fixture
def store() -> Store:
    """Where it is written."""
    return Store()


def slices(store: Store, family: str = "IPv4") -> list[Object]:
    """The slices of a family."""
    return [obj for _, obj in store.objects("endpointslices") if obj["addressType"] == family]


def endpoints(store: Store, family: str = "IPv4") -> dict[str, Object]:
    """The endpoints of all slices, by the name of the pod."""
    return {it["targetRef"]["name"]: it for obj in slices(store, family) for it in obj["endpoints"] or ()}


def test_a_service_without_members_has_one_empty_slice(store: Store) -> None:
    """As the controller writes it, with null instead of an empty list."""
    ScriptedService(store)
    assert [(obj["endpoints"], obj["ports"]) for obj in slices(store)] == [(None, None)]


def test_a_slice_names_its_service(store: Store) -> None:
    """By the label and the owner that clients select by."""
    ScriptedService(store, "web").scale(1)
    (metadata,) = [obj["metadata"] for obj in slices(store)]
    assert metadata["labels"]["kubernetes.io/service-name"] == "web"
    assert metadata["labels"]["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    assert metadata["ownerReferences"][0]["uid"] == (store.get("services", "default", "web") or {})["metadata"]["uid"]


def test_an_endpoint_describes_its_pod(store: Store) -> None:
    """Name, uid, address, node, zone, conditions."""
    ScriptedService(store).scale(2)
    endpoint = endpoints(store)["app-1"]
    assert endpoint["addresses"] == ["10.244.0.2"]
    assert endpoint["conditions"] == {"ready": True, "serving": True, "terminating": False}
    assert (endpoint["hostname"], endpoint["nodeName"], endpoint["zone"]) == ("app-1", "node-1", "zone-b")
    assert endpoint["targetRef"]["uid"]


@pytest.mark.parametrize(
    ("command", "conditions"),
    [
        ("lose", {"ready": False, "serving": False, "terminating": False}),
        ("terminate", {"ready": False, "serving": True, "terminating": True}),
    ],
)
def test_conditions(store: Store, command: str, conditions: dict[str, bool]) -> None:
    """A lost member is not ready; a terminating one still serves."""
    service = ScriptedService(store)
    service.scale(2)
    getattr(service, command)("app-1")
    assert endpoints(store)["app-1"]["conditions"] == conditions
    assert endpoints(store)["app-0"]["conditions"]["ready"]


def test_a_lost_member_recovers(store: Store) -> None:
    """With the same identity."""
    service = ScriptedService(store)
    service.scale(1)
    before = endpoints(store)
    service.lose("app-0")
    service.recover("app-0")
    assert endpoints(store) == before


def test_publish_not_ready_addresses_makes_every_endpoint_ready(store: Store) -> None:
    """``serving`` still has the pod's own readiness."""
    service = ScriptedService(store, publish_not_ready=True)
    service.scale(1)
    service.lose("app-0")
    assert endpoints(store)["app-0"]["conditions"] == {"ready": True, "serving": False, "terminating": False}


def test_a_replaced_member_has_another_identity(store: Store) -> None:
    """The same name, another uid and address, and a moment without either."""
    service = ScriptedService(store)
    service.scale(2)
    before = endpoints(store)["app-0"]
    revision = store.revision
    service.replace("app-0")
    after = endpoints(store)["app-0"]
    assert before["targetRef"]["uid"] != after["targetRef"]["uid"]
    assert before["addresses"] != after["addresses"]
    names = [
        {it["targetRef"]["name"] for it in (change.after or {})["endpoints"] or ()}
        for change in store.changes("endpointslices", revision)
    ]
    assert names == [{"app-1"}, {"app-0", "app-1"}]


def test_scaling_down_removes_the_last(store: Store) -> None:
    """As a StatefulSet does."""
    service = ScriptedService(store)
    service.scale(5)
    service.scale(2)
    assert [member.name for member in service.members] == ["app-0", "app-1"]
    assert set(endpoints(store)) == {"app-0", "app-1"}


def test_each_address_family_has_slices_of_its_own(store: Store) -> None:
    """With the same pods, by uid."""
    ScriptedService(store, dual_stack=True).scale(3)
    four, six = endpoints(store), endpoints(store, "IPv6")
    assert six["app-2"]["addresses"] == ["fd00:10:244::3"]
    assert [it["targetRef"]["uid"] for it in four.values()] == [it["targetRef"]["uid"] for it in six.values()]


def test_pods_and_endpoints_show_the_same_members(store: Store) -> None:
    """For clients that read them instead of slices."""
    service = ScriptedService(store, write=("pods", "endpoints"))
    service.scale(4)
    service.lose("app-1")
    service.terminate("app-2")
    service.remove("app-3")
    pods = {obj["metadata"]["name"]: obj for _, obj in store.objects("pods")}
    (subset,) = (store.get("endpoints", "default", "app") or {})["subsets"]
    assert list(pods) == ["app-0", "app-1", "app-2"]
    assert pods["app-1"]["status"]["conditions"] == [{"type": "Ready", "status": "False"}]
    assert "deletionTimestamp" in pods["app-2"]["metadata"]
    assert [it["hostname"] for it in subset["addresses"]] == ["app-0"]
    assert [it["hostname"] for it in subset["notReadyAddresses"]] == ["app-1"]


def test_endpoints_are_truncated_at_a_thousand(store: Store) -> None:
    """And annotated as truncated."""
    ScriptedService(store, write=("endpoints",)).scale(1001)
    obj = store.get("endpoints", "default", "app") or {}
    assert len(obj["subsets"][0]["addresses"]) == 1000
    assert obj["metadata"]["annotations"] == {"endpoints.kubernetes.io/over-capacity": "truncated"}


def test_ten_thousand_members_are_written_once_per_slice(store: Store) -> None:
    """A hundred slices and no repeated address; the cost is one write per slice and not one per member."""
    service = ScriptedService(store, write=("endpointslices",))
    before = store.revision
    service.scale(10_000)
    assert store.revision == before + 100
    assert [len(obj["endpoints"]) for obj in slices(store)] == [100] * 100
    assert len({member.addresses["IPv4"] for member in service.members}) == 10_000
    service.lose("app-5000")
    assert store.revision == before + 101
