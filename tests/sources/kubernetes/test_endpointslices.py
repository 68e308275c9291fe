"""EndpointSlices as they come over the wire, and the members that are made of them: tables on realistic JSON, and laws.

What several slices say about one member is in ``membership/test_union``; when they are read, in ``test_reflector``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.membership.events import Report
from sidecar.sources.kubernetes.collection import reader
from sidecar.sources.kubernetes.endpointslices import endpoint_slice_origin, endpoint_slices
from sidecar.sources.kubernetes.objects import Projection
from sidecar.sources.kubernetes.resource_versions import number as revision_number
from tests.support.builders import HAZELCAST_0, Json, encoded, endpoint, endpoint_slice, metadata_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sidecar.membership.member import Member


def project(obj: Json, **how: str) -> Report:
    """The report of a slice."""
    return reading(**how)(encoded(obj))


def reading(**how: str) -> Callable[[bytes], Report]:
    """What reads slices, and remembers them."""
    return reader(endpoint_slices("default", ["app"], Projection(**how)))


def member(obj: Json, **how: str) -> Member:
    """The only member of a slice."""
    (found,) = project(endpoint_slice(endpoints=[obj]), **how).members.values()
    return found


WRITTEN_BY_A_REAL_CONTROLLER = b"""{
  "kind": "EndpointSlice",
  "apiVersion": "discovery.k8s.io/v1",
  "metadata": {
    "name": "hazelcast-7xk2p",
    "generateName": "hazelcast-",
    "namespace": "shop",
    "uid": "0a8c2a52-5d2f-4a0e-9a43-5a1f2f6f8c11",
    "resourceVersion": "48213",
    "generation": 7,
    "creationTimestamp": "2026-08-01T10:00:00Z",
    "labels": {
      "app": "hazelcast",
      "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
      "kubernetes.io/service-name": "hazelcast",
      "service.kubernetes.io/headless": ""
    },
    "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "2026-08-01T10:05:00Z"},
    "ownerReferences": [{
      "apiVersion": "v1", "kind": "Service", "name": "hazelcast", "uid": "b1", "controller": true,
      "blockOwnerDeletion": true
    }],
    "managedFields": [{"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:ports": {}}}]
  },
  "addressType": "IPv4",
  "endpoints": [{
    "addresses": ["10.244.1.7"],
    "conditions": {"ready": false, "serving": true, "terminating": true},
    "hostname": "hazelcast-0",
    "targetRef": {"kind": "Pod", "namespace": "shop", "name": "hazelcast-0", "uid": "5c0d5a0e"},
    "nodeName": "worker-2",
    "zone": "eu-central-1a",
    "hints": {"forZones": [{"name": "eu-central-1a"}]},
    "deprecatedTopology": {"topology.kubernetes.io/region": "eu-central-1"}
  }],
  "ports": [{"name": "hz", "protocol": "TCP", "port": 5701, "appProtocol": "tcp"}]
}"""


def test_a_slice_as_the_controller_writes_it() -> None:
    """Every field that is read, among many that are not."""
    report = reading()(WRITTEN_BY_A_REAL_CONTROLLER)
    assert report == Report("endpointslice/shop/hazelcast-7xk2p", 48213, {HAZELCAST_0.key: HAZELCAST_0})


# --- Conditions


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        pytest.param({}, (True, True, False), id="all nil"),
        pytest.param(None, (True, True, False), id="null"),
        pytest.param({"ready": None, "serving": None, "terminating": None}, (True, True, False), id="each null"),
        pytest.param({"ready": False}, (False, False, False), id="serving nil is as ready"),
        pytest.param({"ready": True}, (True, True, False), id="serving nil is as ready, too"),
        pytest.param({"serving": False}, (True, False, False), id="ready nil is true"),
        pytest.param({"ready": False, "serving": True, "terminating": True}, (False, True, True), id="draining"),
        pytest.param({"ready": False, "serving": False, "terminating": True}, (False, False, True), id="going"),
        pytest.param(
            {"ready": True, "serving": False, "terminating": False}, (True, False, False), id="publishNotReady"
        ),
        pytest.param(
            {"ready": True, "serving": True, "terminating": True}, (True, True, True), id="the same, draining"
        ),
    ],
)
def test_conditions_mean_what_the_api_says(conditions: Json | None, expected: tuple[bool, bool, bool]) -> None:
    """An absent condition has a meaning; if the Service publishes unready addresses, only serving tells them apart."""
    found = member(endpoint(conditions=conditions))
    assert (found.ready, found.serving, found.terminating) == expected


def test_an_endpoint_without_conditions() -> None:
    """The field may be absent."""
    bare = endpoint()
    del bare["conditions"]
    found = member(bare)
    assert (found.ready, found.serving, found.terminating) == (True, True, False)


# --- Who and where


@pytest.mark.parametrize("endpoints", [None, []])
def test_a_slice_without_endpoints_has_no_members(endpoints: list[Json] | None) -> None:
    """Null is what Go makes of an empty list."""
    assert project(endpoint_slice(endpoints=endpoints)).members == {}
    bare = endpoint_slice()
    del bare["endpoints"]
    assert project(bare).members == {}


def test_an_endpoint_without_a_pod_is_known_by_its_address() -> None:
    """Slices may be written by hand, or by other controllers."""
    nobody: tuple[Json | None, ...] = (None, {})
    for target in nobody:
        found = member(endpoint(targetRef=target))
        assert (found.name, found.uid, found.address) == ("", "", "10.0.0.1")
        assert found.key == "default\0app\x0010.0.0.1\0"


@pytest.mark.parametrize("addresses", [["10.0.0.1", "10.0.0.9"], ["10.0.0.1"]])
def test_only_the_first_address_counts(addresses: list[str]) -> None:
    """The API says that all are interchangeable, and controllers write one."""
    assert member(endpoint(addresses=addresses)).addresses == ("10.0.0.1",)


@pytest.mark.parametrize("addresses", [[], None])
def test_an_endpoint_without_an_address(addresses: list[str] | None) -> None:
    """It is a member that cannot be reached; the formats decide what to do with it."""
    found = member(endpoint(addresses=addresses))
    assert (found.address, found.addresses) == ("", ())


@pytest.mark.parametrize(
    ("address", "family", "expected"),
    [
        ("10.0.0.1", "auto", "10.0.0.1"),
        ("10.0.0.1", "ipv4", "10.0.0.1"),
        ("10.0.0.1", "ipv6", ""),
        ("fd00::1", "auto", "fd00::1"),
        ("fd00::1", "ipv4", ""),
        ("fd00::1", "ipv6", "fd00::1"),
    ],
)
def test_the_address_is_of_the_chosen_family(address: str, family: str, expected: str) -> None:
    """A member has the addresses of both families, or only the one that its source knows."""
    found = member(endpoint(addresses=[address]), family=family)
    assert (found.address, found.addresses) == (expected, (address,))


def test_the_slices_of_a_dual_stack_pod_have_the_same_member() -> None:
    """The key does not depend on the address."""
    assert member(endpoint(addresses=["10.0.0.1"])).key == member(endpoint(addresses=["fd00::1"])).key


def test_a_slice_of_names_has_no_members() -> None:
    """FQDN is deprecated, and a name is not an address."""
    obj = endpoint_slice(addressType="FQDN", endpoints=[endpoint(addresses=["app.example"])])
    assert project(obj) == Report("endpointslice/default/app-a", 100, {})


@pytest.mark.parametrize("absent", [{}, {"hostname": None, "nodeName": None, "zone": None}])
def test_absent_fields_are_empty(absent: Json) -> None:
    """Hostname stands only where pod and Service agree on a subdomain; node and zone may be missing."""
    bare = {"addresses": ["10.0.0.1"], **absent}
    found = member(bare)
    assert (found.hostname, found.node, found.zone) == ("", "", "")


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        pytest.param({"pod_uid": "uid-0"}, True, id="uid"),
        pytest.param({"pod_uid": "uid-9", "pod_name": "app-0", "namespace": "default"}, False, id="a namesake's uid"),
        pytest.param({"pod_name": "app-0", "namespace": "default"}, True, id="name and namespace"),
        pytest.param({"pod_name": "app-0", "namespace": "other"}, False, id="name in another namespace"),
        pytest.param({"pod_name": "app-1", "namespace": "default"}, False, id="another name"),
        pytest.param({}, False, id="nothing known"),
    ],
)
def test_the_own_pod_is_recognized_by_its_uid_or_else_by_its_name(how: dict[str, str], expected: bool) -> None:
    """Never by its address: with hostNetwork it is the node's."""
    assert member(endpoint(), **how).is_self is expected


def test_an_endpoint_without_a_pod_is_never_the_own_one() -> None:
    """Even if the sidecar does not know its own name."""
    assert not member(endpoint(targetRef=None), pod_uid="", pod_name="", namespace="default").is_self
    assert not member(endpoint(targetRef=None), pod_uid="uid-0", pod_name="", namespace="default").is_self


# --- Which slices


@pytest.mark.parametrize(
    ("namespace", "services", "path", "selector"),
    [
        ("default", ["app"], "namespaces/default/endpointslices", "kubernetes.io/service-name=app"),
        ("default", ["a", "b"], "namespaces/default/endpointslices", "kubernetes.io/service-name in (a,b)"),
        ("*", ["app"], "endpointslices", "kubernetes.io/service-name=app"),
    ],
)
def test_slices_are_selected_by_the_names_of_their_services(
    namespace: str, services: list[str], path: str, selector: str
) -> None:
    """One request for all Services of a namespace."""
    made = endpoint_slices(namespace, services, Projection())
    assert made.path == f"/apis/discovery.k8s.io/v1/{path}"
    assert made.query == {"labelSelector": selector}
    assert made.scope == f"endpointslice/{namespace}/{','.join(services)}"


# --- Versions and origins


@pytest.mark.parametrize(
    ("revision", "number"),
    [("0", 0), ("48213", 48213), (str(2**64), 2**64), ("abc", None), ("", None), ("-1", None), ("1.5", None)],
)
def test_a_revision_is_a_number_or_opaque(revision: str, number: int | None) -> None:
    """A slice with an opaque one yields to any other."""
    assert revision_number(revision) == number
    assert project(endpoint_slice(revision=revision)).order == (number or 0)


def test_the_origin_is_the_same_for_an_object_and_its_deletion() -> None:
    """A deletion only has the metadata."""
    obj = endpoint_slice("app-x")
    assert endpoint_slice_origin(metadata_of(encoded(obj))) == project(obj).origin == "endpointslice/default/app-x"


# --- What is remembered

SLICES = st.builds(
    lambda name, namespace, port, endpoints: endpoint_slice(
        endpoints=endpoints, metadata={"name": name, "namespace": namespace}, ports=[{"name": "", "port": port}]
    ),
    st.sampled_from("ab"),
    st.sampled_from(("default", "other")),
    st.sampled_from((5701, 5702)),
    st.lists(st.integers(0, 5).map(endpoint)),
)


@given(st.lists(SLICES | st.sampled_from(("endpointslice/default/a", "endpointslice/default/b"))))
def test_what_is_remembered_of_a_slice_makes_no_difference(history: list[Json | str]) -> None:
    """Whatever came before, and whatever was forgotten."""
    remembering = endpoint_slices("default", ["app"], Projection())
    read = reader(remembering)
    for obj in history:
        if isinstance(obj, str):
            remembering.forget(obj)
        else:
            assert read(encoded(obj)) == project(obj)


def test_slices_that_are_not_in_a_list_are_forgotten() -> None:
    """They were deleted while no watch was open, and would be remembered for ever."""
    remembering = endpoint_slices("default", ["app"], Projection())
    read = reader(remembering)
    slices = [encoded(endpoint_slice(name)) for name in "ab"]
    before = [next(iter(read(body).members.values())) for body in slices]
    remembering.retain({"endpointslice/default/b"})
    after = [next(iter(read(body).members.values())) for body in slices]
    assert [one is other for one, other in zip(before, after, strict=True)] == [False, True]


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_a_slice_may_be_formatted_in_any_way(indent: int | None) -> None:
    """With or without white space, and differently from one to the next."""
    read = reading()
    for count in (1, 3, 3, 2, 0, 4):
        obj = endpoint_slice(endpoints=[endpoint(number) for number in range(count)])
        assert read(json.dumps(obj, indent=indent).encode()) == project(obj)


def test_an_endpoint_that_did_not_change_is_the_same_member() -> None:
    """It is not decoded twice, and comparing it is cheap."""
    read = reading()
    (before,) = read(encoded(endpoint_slice(endpoints=[endpoint()]))).members.values()
    after = read(encoded(endpoint_slice(endpoints=[endpoint(9), endpoint(), endpoint(8)]))).members
    assert after[before.key] is before


# --- What is none


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "cut off": encoded(endpoint_slice())[:-1],
    "no metadata": b"{}",
    "metadata null": b'{"metadata": null}',
    "metadata a list": b'{"metadata": []}',
    "a number for a name": b'{"metadata": {"name": 7}}',
    "endpoints an object": encoded(endpoint_slice(endpoints={})),
    "an endpoint null": encoded(endpoint_slice(endpoints=[None])),
    "an address that is a number": encoded(endpoint_slice(endpoints=[endpoint(addresses=[1])])),
    "a condition that is a word": encoded(endpoint_slice(endpoints=[endpoint(conditions={"ready": "true"})])),
    "a port that is a word": encoded(endpoint_slice(ports=[{"port": "http"}])),
    "a port that is half a number": encoded(endpoint_slice(ports=[{"port": 0.5}])),
    "bad UTF-8": encoded(endpoint_slice()).replace(b"app-0", b"app-\xff"),
    "half a surrogate": encoded(endpoint_slice()).replace(b"app-0", b"\\ud800"),
    "too deep": b'{"metadata": {}, "x": ' + b"[" * 99_999,
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_slice_that_cannot_be_read_is_reported(body: bytes) -> None:
    """By one kind of error."""
    with pytest.raises(msgspec.MsgspecError):
        reading()(body)
