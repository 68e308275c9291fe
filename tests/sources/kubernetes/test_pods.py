"""Pods and the members that are made of them: who counts, conditions, addresses, and laws.

What a real API server and real controllers make of pods is in ``real/test_pods``.
"""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.membership.events import Report
from sidecar.sources.kubernetes.objects import Projection
from sidecar.sources.kubernetes.pods import PodProjection
from tests.sources.kubernetes.pods import (
    HZ,
    METRICS,
    ORIGIN,
    REPLICA_SET,
    conditions,
    containers,
    pod,
    project,
    read,
    sidecars,
    sole,
)
from tests.sources.kubernetes.test_pod_rollouts import HASHES
from tests.support.builders import HAZELCAST_0, Json, encoded
from tests.support.strategies import VALUES, spoiled

WRITTEN_BY_A_REAL_KUBELET = b"""{
  "kind": "Pod",
  "apiVersion": "v1",
  "metadata": {
    "name": "hazelcast-0",
    "generateName": "hazelcast-",
    "namespace": "shop",
    "uid": "5c0d5a0e",
    "resourceVersion": "48213",
    "generation": 1,
    "creationTimestamp": "2026-08-01T10:00:00Z",
    "deletionTimestamp": "2026-08-01T11:00:30Z",
    "deletionGracePeriodSeconds": 30,
    "labels": {
      "app": "hazelcast",
      "apps.kubernetes.io/pod-index": "0",
      "controller-revision-hash": "hazelcast-7d9c5b6f4",
      "statefulset.kubernetes.io/pod-name": "hazelcast-0",
      "topology.kubernetes.io/zone": "eu-central-1a",
      "cluster": "blue"
    },
    "ownerReferences": [{
      "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "hazelcast", "uid": "b1", "controller": true,
      "blockOwnerDeletion": true
    }],
    "managedFields": [{"manager": "kubelet", "operation": "Update", "subresource": "status", "fieldsV1": {}}]
  },
  "spec": {
    "nodeName": "worker-2",
    "hostname": "hazelcast-0",
    "subdomain": "hazelcast",
    "containers": [{
      "name": "hazelcast", "image": "hazelcast:5", "resources": {"limits": {"cpu": "1"}},
      "ports": [{"name": "hz", "containerPort": 5701, "protocol": "TCP"}]
    }],
    "initContainers": [{"name": "wait", "image": "busybox", "ports": [{"containerPort": 1}]}],
    "tolerations": [{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 300}]
  },
  "status": {
    "phase": "Running",
    "observedGeneration": 1,
    "conditions": [
      {"type": "PodReadyToStartContainers", "status": "True", "lastProbeTime": null},
      {"type": "Initialized", "status": "True", "lastProbeTime": null},
      {"type": "Ready", "status": "True", "lastProbeTime": null, "lastTransitionTime": "2026-08-01T10:00:20Z"},
      {"type": "ContainersReady", "status": "True", "lastProbeTime": null}
    ],
    "hostIP": "192.168.0.2",
    "hostIPs": [{"ip": "192.168.0.2"}],
    "podIP": "10.244.1.7",
    "podIPs": [{"ip": "10.244.1.7"}, {"ip": "fd00:1::7"}],
    "containerStatuses": [{"name": "hazelcast", "ready": true, "state": {"running": {}}}],
    "qosClass": "Burstable"
  }
}"""


def test_a_pod_as_the_kubelet_writes_it() -> None:
    """Every field that is read, among many that are not."""
    expected = msgspec.structs.replace(
        HAZELCAST_0,
        service="",
        addresses=("10.244.1.7", "fd00:1::7"),
        is_self=True,
        rollout="hazelcast-7d9c5b6f4",
        created="2026-08-01T10:00:00Z",
        cluster="blue",
    )
    projection = PodProjection(projection=Projection(pod_uid="5c0d5a0e"), split="auto", cluster_label="cluster")
    assert read(WRITTEN_BY_A_REAL_KUBELET, projection) == Report(
        "pods/shop/hazelcast-0", 48213, {expected.key: expected}
    )


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_finished_pod_never_counts(phase: str) -> None:
    """It keeps its address, which another pod may have by now, and may even say that it is ready."""
    assert project(pod(status={"phase": phase})) == Report(ORIGIN, 100, {})


@pytest.mark.parametrize(
    "status",
    [
        {"podIP": "", "podIPs": []},
        {"podIP": "", "podIPs": None},
        {"podIP": "", "podIPs": [{}]},
        {"podIP": "", "podIPs": [{"ip": ""}]},
    ],
)
def test_a_pod_without_an_address_never_counts(status: Json) -> None:
    """It has not been started yet."""
    assert project(pod(status=status)) == Report(ORIGIN, 100, {})


def test_a_pod_that_was_just_created() -> None:
    """There may be no status at all."""
    bare = pod()
    del bare["status"]
    assert project(bare) == Report(ORIGIN, 100, {})


def test_a_finished_pod_lacks_no_port() -> None:
    """Those of a Job do not have the port, and need not."""
    assert project(pod(spec={"containers": [{}]}, status={"phase": "Failed"}), port="hazelcast").problem == ""


@pytest.mark.parametrize("phase", ["Pending", "Running"])
def test_a_pod_that_is_starting_counts(phase: str) -> None:
    """With its address, which it has while its init containers run."""
    found = sole(pod(status={"phase": phase, "conditions": conditions(Ready="False")}))
    assert (found.ready, found.address) == (False, "10.0.0.1")


@pytest.mark.parametrize(
    ("said", "deleted", "expected"),
    [
        pytest.param(conditions(Ready="True"), None, (True, True, False), id="ready"),
        pytest.param(conditions(Ready="False"), None, (False, False, False), id="not ready"),
        pytest.param([], None, (False, False, False), id="nothing said"),
        pytest.param(None, None, (False, False, False), id="null"),
        pytest.param(conditions(ContainersReady="True"), None, (False, False, False), id="a gate is missing"),
        pytest.param(conditions(Ready="True"), "2026-08-01T11:00:30Z", (False, True, True), id="draining"),
        pytest.param(conditions(Ready="False"), "2026-08-01T11:00:30Z", (False, False, True), id="going"),
    ],
)
def test_conditions_are_those_of_a_slice(
    said: list[Json] | None, deleted: str | None, expected: tuple[bool, bool, bool]
) -> None:
    """As the endpoint-slice controller sets them for the same pod: a terminating one is serving, never ready."""
    found = sole(pod(status={"conditions": said}, deletionTimestamp=deleted))
    assert (found.ready, found.serving, found.terminating) == expected


NO_REASON = conditions(ContainersReady="True", Ready="False")
A_REASON = [
    *conditions(ContainersReady="True"),
    {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady"},
]


@pytest.mark.parametrize(
    ("status", "lost"),
    [
        pytest.param({}, False, id="ready"),
        pytest.param({"conditions": NO_REASON}, True, id="overridden by the node-lifecycle controller"),
        pytest.param({"conditions": A_REASON}, False, id="the kubelet's word on a readiness gate"),
        pytest.param({"conditions": conditions(ContainersReady="False", Ready="False")}, False, id="not ready"),
        pytest.param({"conditions": conditions(Ready="False")}, False, id="nothing of the containers"),
        pytest.param({"conditions": conditions(ContainersReady="True")}, False, id="nothing of the pod"),
        pytest.param({"conditions": conditions(ContainersReady="True", Ready="Unknown")}, True, id="unknown"),
        pytest.param({"phase": "Unknown"}, True, id="phase unknown"),
        pytest.param({"reason": "NodeLost"}, True, id="as it was before taints"),
        pytest.param({"reason": "Evicted"}, False, id="another reason"),
    ],
)
def test_a_pod_on_a_lost_node_is_recognized(status: Json, lost: bool) -> None:
    """By who wrote the conditions."""
    assert sole(pod(status=status)).lost is lost


@pytest.mark.parametrize(
    ("status", "family", "expected"),
    [
        pytest.param(["10.0.0.1"], "auto", ("10.0.0.1", ["10.0.0.1"]), id="single"),
        pytest.param(["10.0.0.1", "fd00::1"], "auto", ("10.0.0.1", ["10.0.0.1", "fd00::1"]), id="dual"),
        pytest.param(["fd00::1", "10.0.0.1"], "auto", ("10.0.0.1", ["10.0.0.1", "fd00::1"]), id="IPv6 is primary"),
        pytest.param(["10.0.0.1", "fd00::1"], "ipv6", ("fd00::1", ["10.0.0.1", "fd00::1"]), id="IPv6 is chosen"),
        pytest.param(["10.0.0.1"], "ipv6", ("", ["10.0.0.1"]), id="has none of it"),
    ],
)
def test_both_addresses_of_a_pod(status: list[str], family: str, expected: tuple[str, list[str]]) -> None:
    """IPv4 first, whichever family is the cluster's first."""
    ips = {"podIP": status[0], "podIPs": [{"ip": address} for address in status]}
    found = sole(pod(status=ips), family=family)
    assert (found.address, list(found.addresses)) == expected


def test_the_one_address_where_there_is_no_list() -> None:
    """A virtual kubelet may write only one."""
    assert sole(pod(status={"podIPs": None})).addresses == ("10.0.0.1",)


def test_two_pods_on_one_network_are_two_members() -> None:
    """With hostNetwork the address is the node's; only the UID is the pod's own."""
    shared = pod(spec={"hostNetwork": True}), pod(spec={"hostNetwork": True}, name="app-1", uid="uid-1")
    assert len({sole(obj).key for obj in shared}) == 2
    assert {sole(obj).address for obj in shared} == {"10.0.0.1"}


def test_the_own_pod_is_recognized_by_its_uid_or_else_by_its_name() -> None:
    """Never by its address: with hostNetwork it is the node's."""
    assert sole(pod(), pod_uid="uid-0").is_self
    assert not sole(pod(), pod_uid="uid-9", pod_name="app-0", namespace="default").is_self
    assert sole(pod(), pod_name="app-0", namespace="default").is_self


def test_absent_fields_are_empty() -> None:
    """Hostname, node, zone, labels, creation."""
    bare = pod(labels=None, creationTimestamp=None, ownerReferences=None)
    del bare["spec"]
    found = sole(bare, split="auto", cluster_label="cluster")
    assert (found.hostname, found.node, found.zone, found.rollout, found.cluster, found.created) == ("",) * 6


PODS = st.builds(
    lambda phase, ready, containers_ready, ips, deleted: pod(
        status={
            "phase": phase,
            "conditions": conditions(ContainersReady=containers_ready, Ready=ready),
            "podIP": ips[0] if ips else "",
            "podIPs": [{"ip": ip} for ip in ips],
        },
        deletionTimestamp=deleted,
    ),
    st.sampled_from(("Pending", "Running", "Succeeded", "Failed", "Unknown")),
    st.sampled_from(("True", "False", "Unknown")),
    st.sampled_from(("True", "False")),
    st.lists(st.sampled_from(("10.0.0.1", "fd00::1")), unique=True),
    st.sampled_from((None, "2026-08-01T11:00:30Z")),
)


@given(PODS)
def test_a_pod_is_one_member_or_none(obj: Json) -> None:
    """It is ready only if it serves and is not terminating, and every address is its own."""
    found = project(obj)
    counts = obj["status"]["phase"] not in {"Succeeded", "Failed"} and bool(obj["status"]["podIPs"])
    assert len(found.members) == int(counts)
    for member in found.members.values():
        assert member.ready == (member.serving and not member.terminating)
        assert set(member.addresses) == {one["ip"] for one in obj["status"]["podIPs"]}
        assert member.key == f"default\0\0app-0\0{obj['metadata']['uid']}"


WHOLE = pod(
    spec={**containers([HZ]), **sidecars([METRICS]), "hostname": "app-0"},
    labels=HASHES,
    ownerReferences=[REPLICA_SET],
    deletionTimestamp="2026-08-01T11:00:30Z",
)


@given(spoiled(WHOLE) | VALUES, st.sampled_from(("off", "auto", "owner", "version")))
def test_any_json_is_a_pod_or_malformed(value: object, split: str) -> None:
    """Nothing that an API server sends ends the program."""
    projection = PodProjection(projection=Projection(port="hazelcast"), split=split, cluster_label="cluster")
    with contextlib.suppress(msgspec.MsgspecError):
        read(encoded(value), projection)


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"{}", encoded(WHOLE)[:-1], encoded(WHOLE).replace(b"app-0", b"app-\xff")],
    ids=["nothing", "null", "no metadata", "cut off", "bad UTF-8"],
)
def test_a_pod_that_cannot_be_read_is_reported(body: bytes) -> None:
    """By one kind of error."""
    with pytest.raises(msgspec.MsgspecError):
        read(body, PodProjection(projection=Projection()))
