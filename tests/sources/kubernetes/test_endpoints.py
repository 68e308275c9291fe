"""Endpoints (core/v1) and the members that are made of them: tables on realistic JSON, and laws.

What a real endpoints controller writes, and whether a Role may name the object, is in ``real/test_endpoints``.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.membership.events import Report
from sidecar.sources.kubernetes.collection import reader
from sidecar.sources.kubernetes.endpoints import endpoints, endpoints_origin
from sidecar.sources.kubernetes.objects import Projection
from tests.support.builders import HAZELCAST_0, Json, encoded, metadata_of
from tests.support.strategies import VALUES, spoiled

if TYPE_CHECKING:
    import random

    from sidecar.membership.member import Member

HZ, MANAGEMENT = {"name": "hazelcast", "port": 5701}, {"name": "management", "port": 8080}

TCP, UDP = {"name": "dns-tcp", "port": 53, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}

ORIGIN = "endpoints/default/app"


def address(number: int = 0, **overrides: object) -> Json:
    """The EndpointAddress of the pod app-*number*."""
    made: Json = {
        "ip": f"10.0.0.{number + 1}",
        "nodeName": f"node-{number % 3}",
        "targetRef": {"kind": "Pod", "namespace": "default", "name": f"app-{number}", "uid": f"uid-{number}"},
    }
    return made | overrides


def subset(*ready: Json, not_ready: tuple[Json, ...] = (), ports: list[Json] | None = None) -> Json:
    """A subset, of the port hazelcast unless others are given."""
    made: Json = {"ports": [HZ] if ports is None else ports}
    return (
        made
        | ({"addresses": list(ready)} if ready else {})
        | ({"notReadyAddresses": [*not_ready]} if not_ready else {})
    )


def an_object(*subsets: Json, **metadata: object) -> Json:
    """The Endpoints of the Service app."""
    meta = {"name": "app", "namespace": "default", "resourceVersion": "100"} | metadata
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": list(subsets)}


def project(obj: Json, **how: str) -> Report:
    """The report of an object."""
    return read(encoded(obj), **how)


def read(body: bytes, **how: str) -> Report:
    """The report in the bytes of an object."""
    return reader(endpoints("default", "app", Projection(**how)))(body)


def sole(obj: Json, **how: str) -> Member:
    """The only member of an object."""
    (found,) = project(obj, **how).members.values()
    return found


def ports(found: Report) -> dict[str, int | None]:
    """The port of each member."""
    return {member.name: member.port for member in found.members.values()}


WRITTEN_BY_A_REAL_CONTROLLER = b"""{
  "kind": "Endpoints",
  "apiVersion": "v1",
  "metadata": {
    "name": "hazelcast",
    "namespace": "shop",
    "uid": "6f0b6a52-5d2f-4a0e-9a43-5a1f2f6f8c11",
    "resourceVersion": "48213",
    "creationTimestamp": "2026-08-01T10:00:00Z",
    "labels": {"app": "hazelcast", "service.kubernetes.io/headless": "", "endpoints.kubernetes.io/managed-by": "x"},
    "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "2026-08-01T10:05:00Z"},
    "managedFields": [{"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:subsets": {}}}]
  },
  "subsets": [{
    "notReadyAddresses": [{
      "ip": "10.244.1.7",
      "hostname": "hazelcast-0",
      "nodeName": "worker-2",
      "targetRef": {"kind": "Pod", "namespace": "shop", "name": "hazelcast-0", "uid": "5c0d5a0e"}
    }],
    "ports": [{"name": "hz", "port": 5701, "protocol": "TCP", "appProtocol": "tcp"}]
  }]
}"""


def test_an_object_as_the_controller_writes_it() -> None:
    """Every field that is read, among many that are not."""
    expected = msgspec.structs.replace(HAZELCAST_0, zone="", serving=False, terminating=False)
    report = read(WRITTEN_BY_A_REAL_CONTROLLER)
    assert report == Report("endpoints/shop/hazelcast", 48213, {expected.key: expected})


# --- Subsets


@pytest.mark.parametrize(
    "obj",
    [
        an_object(),
        an_object() | {"subsets": None},
        {"metadata": an_object()["metadata"]},
        an_object(subset()),
        an_object(subset() | {"addresses": None, "notReadyAddresses": []}),
    ],
    ids=["none", "null", "left out", "one without addresses", "one with null"],
)
def test_an_object_without_addresses_has_no_members(obj: Json) -> None:
    """An empty object is an answer, and lacks no port."""
    assert project(obj, port="hazelcast") == Report(ORIGIN, 100, {})


def test_ready_and_not_ready() -> None:
    """That is all that the two lists say."""
    found = project(an_object(subset(address(0), not_ready=(address(1),))))
    said = {one.name: (one.ready, one.serving, one.terminating) for one in found.members.values()}
    assert said == {"app-0": (True, True, False), "app-1": (False, False, False)}


@pytest.mark.parametrize("swapped", [False, True])
def test_not_ready_takes_precedence_over_ready(swapped: bool) -> None:
    """A pod of which one port is not ready is in two subsets."""
    subsets = [subset(address(0)), subset(not_ready=(address(0),), ports=[HZ, MANAGEMENT])]
    found = sole(an_object(*(reversed(subsets) if swapped else subsets)), port="hazelcast")
    assert (found.ready, found.port) == (False, 5701)


def test_a_subset_without_the_port_is_ignored() -> None:
    """An address without the port is not a member, and does not make one unready."""
    portless = subset(address(2), not_ready=(address(0),), ports=[])
    obj = an_object(subset(address(0)), subset(address(1), not_ready=(address(0),), ports=[MANAGEMENT]), portless)
    assert ports(project(obj, port="hazelcast")) == {"app-0": 5701}
    assert sole(obj, port="hazelcast").ready
    assert ports(project(obj, port="management")) == {"app-0": 8080, "app-1": 8080}


def test_a_named_port_has_the_number_that_each_pod_gives_it() -> None:
    """A Service's targetPort may be a name, which means another number in another version of the pod."""
    obj = an_object(subset(address(0)), subset(address(1), ports=[{"name": "hazelcast", "port": 5702}]))
    for wanted in ("", "hazelcast"):
        assert ports(project(obj, port=wanted)) == {"app-0": 5701, "app-1": 5702}


def test_two_pods_at_one_address_are_two_members() -> None:
    """Both on the node's network, or one gone and its address reused: the UID distinguishes them."""
    found = project(an_object(subset(address(0), address(1, ip="10.0.0.1"))))
    assert [one.address for one in found.members.values()] == ["10.0.0.1", "10.0.0.1"]


# --- Who and where


def test_an_address_without_a_pod_is_a_member() -> None:
    """Endpoints may be written by hand."""
    nobody: tuple[Json | None, ...] = (None, {})
    for target in nobody:
        found = sole(an_object(subset({"ip": "10.0.0.1", "targetRef": target})))
        assert (found.name, found.uid, found.node, found.hostname) == ("", "", "", "")
        assert found.key == "default\0app\x0010.0.0.1\0"


@pytest.mark.parametrize(("family", "expected"), [("auto", "fd00::1"), ("ipv6", "fd00::1"), ("ipv4", "")])
def test_the_address_is_of_the_chosen_family(family: str, expected: str) -> None:
    """A member has the addresses of both families, or only the one that its source knows."""
    found = sole(an_object(subset(address(ip="fd00::1"))), family=family)
    assert (found.address, found.addresses) == (expected, ("fd00::1",))


def test_the_own_pod_is_recognized_by_its_uid() -> None:
    """As in every source."""
    assert sole(an_object(subset(address(0))), pod_uid="uid-0").is_self
    assert not sole(an_object(subset(address(0))), pod_uid="uid-1").is_self


# --- Ports


@pytest.mark.parametrize(
    ("given", "wanted", "port"),
    [
        pytest.param([], "", None, id="headless without ports"),
        pytest.param([HZ], "", 5701, id="the sole one"),
        pytest.param([{"port": 5701}], "", 5701, id="the sole one, nameless"),
        pytest.param([HZ, MANAGEMENT], "management", 8080, id="by name"),
        pytest.param([HZ, MANAGEMENT], "7800", 7800, id="a number is taken as it is"),
        pytest.param([], "7800", 7800, id="a number without any"),
    ],
)
def test_the_port_of_the_members(given: list[Json], wanted: str, port: int | None) -> None:
    """A number, a name, or the only one there is."""
    found = project(an_object(subset(address(0), ports=given)), port=wanted)
    assert (found.problem, ports(found)) == ("", {"app-0": port})


@pytest.mark.parametrize(
    ("subsets", "wanted", "message"),
    [
        (
            [[HZ, MANAGEMENT]],
            "",
            "has several ports: hazelcast (5701), management (8080). Choose one with --port NAME or --port NUMBER.",
        ),
        (
            [[HZ], [MANAGEMENT]],
            "",
            "has several ports: hazelcast (5701), management (8080). Choose one with --port NAME or --port NUMBER.",
        ),
    ],
)
def test_a_port_that_cannot_be_chosen_is_a_problem(subsets: list[list[Json]], wanted: str, message: str) -> None:
    """The message lists the candidates; a guess would be published."""
    obj = an_object(*(subset(address(number), ports=given) for number, given in enumerate(subsets)))
    assert project(obj, port=wanted) == Report(ORIGIN, 100, {}, f"{ORIGIN} {message}")


@pytest.mark.parametrize(
    ("subsets", "message"),
    [
        ([[HZ], [{"port": 9}]], "has no port named 'gossip'; it has: hazelcast (5701), unnamed (9). Correct --port."),
        ([[]], "has no port named 'gossip'; it has: none. Correct --port."),
    ],
)
def test_an_object_without_the_wanted_port_has_no_members(subsets: list[list[Json]], message: str) -> None:
    """It is a warning, and holds nothing up."""
    obj = an_object(*(subset(address(number), ports=given) for number, given in enumerate(subsets)))
    assert project(obj, port="gossip") == Report(ORIGIN, 100, {}, warning=f"{ORIGIN} {message}")


def test_only_the_addresses_without_the_wanted_port_are_left_out() -> None:
    """A rollout that adds the port passes through this state."""
    gossip = {"name": "gossip", "port": 7946}
    found = project(an_object(subset(address(0)), subset(address(1), ports=[HZ, gossip])), port="gossip")
    assert (ports(found), found.problem) == ({"app-1": 7946}, "")
    assert found.warning == (
        f"{ORIGIN} has no port named 'gossip'; it has: hazelcast (5701), gossip (7946). Correct --port."
    )


@pytest.mark.parametrize(
    "given",
    [
        [[TCP, UDP]],
        [[TCP, UDP], [TCP]],
        [[TCP], [UDP]],
        [[TCP, UDP], [{"name": "dns-tcp", "port": 5353}, {"name": "dns", "port": 5353, "protocol": "UDP"}]],
    ],
)
def test_a_number_for_tcp_and_udp_is_one_port(given: list[list[Json]]) -> None:
    """Under two names; another version of the pod may give both another number."""
    obj = an_object(*(subset(address(number), ports=ports) for number, ports in enumerate(given)))
    found = project(obj)
    assert found.problem == found.warning == ""
    assert list(ports(found).values()) == [each[0]["port"] for each in given]


# --- Truncation, versions, origins


@pytest.mark.parametrize(
    ("annotations", "warns"),
    [
        ({"endpoints.kubernetes.io/over-capacity": "truncated"}, True),
        ({"endpoints.kubernetes.io/over-capacity": "warning"}, False),
        ({"other": "truncated"}, False),
    ],
    ids=["truncated", "before 1.22", "something else"],
)
def test_a_truncated_object_is_used_with_a_warning(annotations: Json, warns: bool) -> None:
    """Members are missing, but those that are there are right."""
    found = project(an_object(subset(address(0)), annotations=annotations))
    assert (len(found.members), found.problem) == (1, "")
    message = f"{ORIGIN} is truncated: it names 1,000 addresses, and there are more. Use --source endpointslice."
    assert found.warning == (message if warns else "")


@pytest.mark.parametrize(("revision", "version"), [("48213", 48213), ("opaque", 0)])
def test_the_order_is_the_resource_version(revision: str, version: int) -> None:
    """If it is a number."""
    assert project(an_object(resourceVersion=revision)).order == version


def test_the_origin_is_the_same_for_an_object_and_its_deletion() -> None:
    """A deletion only has the metadata."""
    obj = an_object(name="other")
    assert endpoints_origin(metadata_of(encoded(obj))) == project(obj).origin == "endpoints/default/other"


def test_one_object_is_selected_by_its_name() -> None:
    """As a Role with ``resourceNames`` allows it; in all namespaces only if that is configured."""
    made = endpoints("default", "app", Projection())
    assert made.scope == "endpoints/default/app"
    assert made.path == "/api/v1/namespaces/default/endpoints"
    assert made.query == {"fieldSelector": "metadata.name=app"}
    assert reader(made)(encoded(an_object(subset(address(0))))).origin == ORIGIN
    assert endpoints("*", "app", Projection()).path == "/api/v1/endpoints"


# --- Laws

ADDRESSES = st.lists(st.integers(0, 4).map(address), max_size=3)

SUBSETS = st.lists(
    st.builds(
        lambda ready, not_ready, given: subset(*ready, not_ready=tuple(not_ready), ports=given),
        ADDRESSES,
        ADDRESSES,
        st.sampled_from(([HZ], [HZ, MANAGEMENT], [MANAGEMENT])),
    ),
    max_size=4,
)


@given(SUBSETS, st.randoms(use_true_random=False), st.sampled_from(("", "hazelcast", "management", "7800")))
def test_the_order_of_subsets_does_not_matter(subsets: list[Json], jitter: random.Random, wanted: str) -> None:
    """Controllers repack them."""
    shuffled = list(subsets)
    jitter.shuffle(shuffled)
    found, again = (project(an_object(*order), port=wanted) for order in (subsets, shuffled))
    assert found.members == again.members
    assert bool(found.problem) == bool(again.problem)


@given(SUBSETS)
def test_a_member_is_ready_if_no_subset_says_otherwise(subsets: list[Json]) -> None:
    """Of the subsets that have the port; an address that is in none of them is not a member."""
    having = [one for one in subsets if HZ in one["ports"]]
    denied = {one["ip"] for some in having for one in some.get("notReadyAddresses", ())}
    granted = {one["ip"] for some in having for one in some.get("addresses", ())}
    found = project(an_object(*subsets), port="hazelcast").members.values()
    assert {one.address: one.ready for one in found} == {ip: ip not in denied for ip in denied | granted}


WHOLE = an_object(
    subset(address(0), not_ready=(address(1),)), annotations={"endpoints.kubernetes.io/over-capacity": "x"}
)


@given(spoiled(WHOLE) | VALUES)
def test_any_json_is_endpoints_or_malformed(value: object) -> None:
    """Nothing that an API server sends ends the program."""
    with contextlib.suppress(msgspec.MsgspecError):
        read(encoded(value))


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"{}", encoded(WHOLE)[:-1], encoded(WHOLE).replace(b"app-0", b"app-\xff")],
    ids=["nothing", "null", "no metadata", "cut off", "bad UTF-8"],
)
def test_an_object_that_cannot_be_read_is_reported(body: bytes) -> None:
    """By one kind of error."""
    with pytest.raises(msgspec.MsgspecError):
        read(body)
