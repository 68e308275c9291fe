"""Pods, and what the sidecar makes of them: what the tests of pods share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.sources.kubernetes.collection import reader
from sidecar.sources.kubernetes.objects import Projection
from sidecar.sources.kubernetes.pods import PodProjection, pods
from tests.support.builders import Json, encoded

if TYPE_CHECKING:
    from sidecar.membership.events import Report
    from sidecar.membership.member import Member

HZ, MANAGEMENT, METRICS = (
    {"name": "hazelcast", "containerPort": 5701, "protocol": "TCP"},
    {"name": "management", "containerPort": 8080, "protocol": "TCP"},
    {"name": "metrics", "containerPort": 9466, "protocol": "TCP"},
)

ORIGIN = "pods/default/app-0"

REPLICA_SET = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "app-5d4f", "uid": "rs-1", "controller": True}
CREDITOR = {"apiVersion": "x/v1", "kind": "Ledger", "name": "other", "uid": "l-1"}


def conditions(**statuses: str) -> list[Json]:
    """Conditions by type."""
    return [{"type": kind, "status": status} for kind, status in statuses.items()]


def pod(spec: Json | None = None, status: Json | None = None, **metadata: object) -> Json:
    """The pod app-0, running and ready, with one container port."""
    meta = {"name": "app-0", "namespace": "default", "uid": "uid-0", "resourceVersion": "100", "labels": {"app": "app"}}
    running = {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "podIPs": [{"ip": "10.0.0.1"}],
        "conditions": conditions(ContainersReady="True", Ready="True"),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta | {"creationTimestamp": "2026-08-01T10:00:00Z"} | metadata,
        "spec": {"nodeName": "node-0", "containers": [{"name": "main", "ports": [HZ]}]} | (spec or {}),
        "status": running | (status or {}),
    }


def project(obj: Json, *, split: str = "off", cluster_label: str = "", **how: str) -> Report:
    """The report of a pod."""
    return read(encoded(obj), PodProjection(projection=Projection(**how), split=split, cluster_label=cluster_label))


def read(body: bytes, projection: PodProjection) -> Report:
    """The report in the bytes of a pod."""
    return reader(pods("default", "", "", projection))(body)


def sole(obj: Json, *, split: str = "off", cluster_label: str = "", **how: str) -> Member:
    """The member that a pod is."""
    (found,) = project(obj, split=split, cluster_label=cluster_label, **how).members.values()
    return found


def containers(*some: list[Json] | None) -> Json:
    """The spec of containers with these ports."""
    return {"containers": [{"ports": one} for one in some]}


def sidecars(*some: list[Json], policy: str | None = "Always") -> Json:
    """The spec of init containers with these ports."""
    return {"initContainers": [{"ports": one, "restartPolicy": policy} for one in some]}
