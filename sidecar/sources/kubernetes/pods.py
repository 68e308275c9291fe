"""Pods by their labels: where there is no Service, or where the rollout that a pod belongs to matters.

A pod counts as it does for the endpoint-slice controller (staging/src/k8s.io/endpointslice/utils.go): not if it has
finished or has no address; *serving* is its condition Ready, *terminating* its deletionTimestamp, and *ready* means
serving and not terminating. So the same pods make the same members with either source.

A pod is some 6 kB where an endpoint is 0.3, hence the LIST is paged, and the server leaves out finished pods itself.
"""

from __future__ import annotations

import sys

import msgspec

from sidecar.membership.addresses import choose
from sidecar.membership.events import Report
from sidecar.membership.member import Member
from sidecar.sources.kubernetes.collection import Collection
from sidecar.sources.kubernetes.objects import Metadata, Projection, collection_path
from sidecar.sources.kubernetes.pod_objects import Container, Pod, PodMetadata, Spec
from sidecar.sources.kubernetes.ports import Port, choose_port
from sidecar.sources.kubernetes.resource_versions import order

PAGE = 500
"""Pods per page of the LIST: 3 MB, client-go's size (tools/pager, ``defaultPageSize``). The API server ignores it in a
LIST at resourceVersion 0 (storage/cacher, ``computeListLimit``), but not without one or with NotOlderThan."""

UNFINISHED = "status.phase!=Succeeded,status.phase!=Failed"
"""A crowded namespace keeps thousands of evicted pods until somebody removes them (--terminated-pod-gc-threshold)."""

ZONE = "topology.kubernetes.io/zone"
"""Pods have it from their node when they are bound, since Kubernetes 1.35 (KEP-4742, PodTopologyLabelsAdmission)."""

ROLLOUT_LABELS = ("pod-template-hash", "deployment", "controller-revision-hash")
"""The labels that name a pod's rollout, in KUBE_PING's order: a Deployment's ReplicaSet, the deployment of an OpenShift
DeploymentConfig, a revision of a StatefulSet or DaemonSet."""


class PodProjection(msgspec.Struct, frozen=True, kw_only=True):
    """How a pod becomes a member.

    Args:
        projection: what all sources share: port, address family, own pod.
        split: what tells rollouts apart: ``off``, ``auto`` (``ROLLOUT_LABELS``), ``owner`` (the UID of the
            controller), or the name of a label.
        cluster_label: the label whose value names the cluster that a pod belongs to, empty if there is none.
    """

    projection: Projection
    split: str = "off"
    cluster_label: str = ""

    def pod(self, found: Pod) -> Report:
        """What a pod says."""
        meta = found.metadata
        origin, newness = pod_origin(meta), order(meta.resource_version)
        addresses = found.status.addresses
        if not addresses or found.status.phase in {"Succeeded", "Failed"}:
            return Report(origin, newness, {})
        port = choose_port(_ports(found.spec, self.projection.port), self.projection.port, _whose(meta))
        if port.ambiguous or port.missing:
            return Report(origin, newness, {}, problem=port.ambiguous, warning=port.missing)
        member = self._member(found, addresses, port.number)
        return Report(origin, newness, {member.key: member})

    def _member(self, found: Pod, addresses: tuple[str, ...], port: int | None) -> Member:
        meta, spec = found.metadata, found.spec
        labels = meta.labels or {}
        serving = found.status.condition("Ready").status == "True"
        return Member(
            name=meta.name,
            namespace=meta.namespace,
            service="",
            uid=meta.uid,
            address=choose(addresses, self.projection.family),
            addresses=addresses,
            port=port,
            hostname=spec.hostname,
            node=sys.intern(spec.node_name),
            zone=sys.intern(labels.get(ZONE, "")),
            ready=serving and meta.deletion_timestamp is None,
            serving=serving,
            terminating=meta.deletion_timestamp is not None,
            is_self=self.projection.is_self(meta.name, meta.namespace, meta.uid),
            rollout=sys.intern(self._rollout(meta, labels)),
            created=meta.creation_timestamp or "",
            cluster=sys.intern(labels.get(self.cluster_label, "")),
            lost=found.status.lost,
        )

    def _rollout(self, meta: PodMetadata, labels: dict[str, str]) -> str:
        match self.split:
            case "off":
                return ""
            case "auto":
                return next((labels[label] for label in ROLLOUT_LABELS if labels.get(label)), "")
            case "owner":
                return meta.controller.uid if meta.controller else ""
            case label:
                return labels.get(label, "")


def pods(namespace: str, selector: str, field_selector: str, projection: PodProjection) -> Collection[Pod]:
    """The pods that selectors choose.

    Args:
        namespace: their namespace, or ``*`` for all of them.
        selector: the label selector, in the API's full syntax; empty for every pod.
        field_selector: the field selector, likewise; finished pods are left out in any case.
        projection: how they become members.
    """
    query = {"fieldSelector": f"{field_selector},{UNFINISHED}" if field_selector else UNFINISHED, "limit": str(PAGE)}
    return Collection(
        scope=f"pods/{namespace}/{selector or '*'}" + (f"/{field_selector}" if field_selector else ""),
        path=collection_path("/api/v1", namespace, "pods"),
        query=query | ({"labelSelector": selector} if selector else {}),
        kind=Pod,
        project=projection.pod,
        origin=pod_origin,
    )


def pod_origin(meta: Metadata) -> str:
    """The origin that a pod is."""
    return f"pods/{meta.namespace}/{meta.name}"


def _ports(spec: Spec, wanted: str) -> list[Port]:
    """The ports to choose from.

    A name is looked up as the endpoint-slice controller does (``FindPort``): in the containers, then in the init
    containers that keep running (sidecars). Without a name, sidecars count only where the containers have no ports: a
    sidecar's metrics port does not make the server's sole port ambiguous.
    """
    ports = _of(spec.containers)
    if not ports or (wanted and all(port.name != wanted for port in ports)):
        ports += _of([one for one in spec.init_containers or () if one.restart_policy == "Always"])
    return ports


def _of(containers: list[Container] | None) -> list[Port]:
    return [
        Port(name=port.name, port=port.container_port, protocol=port.protocol)
        for container in containers or ()
        for port in container.ports or ()
    ]


def _whose(meta: PodMetadata) -> str:
    """Who is named in a message about the port: the pod's controller, so that a thousand pods make one message."""
    owner = meta.controller
    if owner:
        return f"the pod template of {owner.kind} {meta.namespace}/{owner.name}"
    return f"pods/{meta.namespace}/{meta.name}"
