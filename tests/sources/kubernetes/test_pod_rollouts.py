"""Rollouts, clusters, and which pods are listed."""

from __future__ import annotations

import pytest

from sidecar.sources.kubernetes.collection import reader
from sidecar.sources.kubernetes.objects import Projection
from sidecar.sources.kubernetes.pods import PAGE, PodProjection, pod_origin, pods
from tests.sources.kubernetes.pods import CREDITOR, ORIGIN, REPLICA_SET, pod, project, sole
from tests.support.builders import Json, encoded, metadata_of

HASHES = {"pod-template-hash": "5d4f", "deployment": "app-3", "controller-revision-hash": "app-7d9c"}


@pytest.mark.parametrize(
    ("labels", "split", "report"),
    [
        pytest.param(HASHES, "off", "", id="off"),
        pytest.param(HASHES, "auto", "5d4f", id="a ReplicaSet's first"),
        pytest.param(HASHES | {"pod-template-hash": ""}, "auto", "app-3", id="OpenShift's"),
        pytest.param({"controller-revision-hash": "app-7d9c"}, "auto", "app-7d9c", id="a StatefulSet's"),
        pytest.param({}, "auto", "", id="of a pod without any"),
        pytest.param(HASHES, "owner", "rs-1", id="the controller's UID"),
        pytest.param({"version": "2"}, "version", "2", id="a label"),
        pytest.param({}, "version", "", id="a label that is not there"),
    ],
)
def test_the_rollout_of_a_pod(labels: Json, split: str, report: str) -> None:
    """By the labels that KUBE_PING uses, by the controller, or by any label."""
    assert sole(pod(labels=labels, ownerReferences=[CREDITOR, REPLICA_SET]), split=split).rollout == report


@pytest.mark.parametrize("owners", [None, [], [CREDITOR]])
def test_a_pod_without_a_controller_has_no_rollout(owners: list[Json] | None) -> None:
    """An owner is not a controller."""
    assert sole(pod(ownerReferences=owners), split="owner").rollout == ""


def test_the_cluster_of_a_pod() -> None:
    """The value of the configured label; empty if there is none."""
    labelled = pod(labels={"cluster": "blue"})
    assert sole(labelled, cluster_label="cluster").cluster == "blue"
    assert sole(labelled, cluster_label="other").cluster == ""
    assert sole(labelled).cluster == ""


UNFINISHED = "status.phase!=Succeeded,status.phase!=Failed"


@pytest.mark.parametrize(
    ("namespace", "selector", "fields", "scope", "path", "query"),
    [
        pytest.param(
            "default",
            "app in (a, b),!old",
            "",
            "pods/default/app in (a, b),!old",
            "/api/v1/namespaces/default/pods",
            {"labelSelector": "app in (a, b),!old", "fieldSelector": UNFINISHED},
            id="labels",
        ),
        pytest.param(
            "default",
            "app=a",
            "spec.nodeName=n",
            "pods/default/app=a/spec.nodeName=n",
            "/api/v1/namespaces/default/pods",
            {"labelSelector": "app=a", "fieldSelector": f"spec.nodeName=n,{UNFINISHED}"},
            id="and fields",
        ),
        pytest.param(
            "*", "", "", "pods/*/*", "/api/v1/pods", {"fieldSelector": UNFINISHED}, id="everything, which must be said"
        ),
    ],
)
def test_selectors_are_passed_on(
    namespace: str, selector: str, fields: str, scope: str, path: str, query: dict[str, str]
) -> None:
    """In the API's own syntax, and in pages."""
    made = pods(namespace, selector, fields, PodProjection(projection=Projection()))
    assert (made.scope, made.path) == (scope, path)
    assert made.query == query | {"limit": str(PAGE)}
    assert reader(made)(encoded(pod())).origin == ORIGIN


def test_the_origin_is_the_same_for_a_pod_and_its_deletion() -> None:
    """A deletion is known by the metadata alone."""
    obj = pod(name="app-7")
    assert pod_origin(metadata_of(encoded(obj))) == project(obj).origin == "pods/default/app-7"


@pytest.mark.parametrize(("revision", "version"), [("48213", 48213), ("opaque", 0)])
def test_the_order_is_the_resource_version(revision: str, version: int) -> None:
    """If it is a number."""
    assert project(pod(resourceVersion=revision)).order == version
