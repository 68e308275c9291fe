"""Pods by their labels: where there is no Service, or where the rollout that a pod belongs to matters.

A pod is a member as the endpoint-slice controller would have it (staging/src/k8s.io/endpointslice/utils.go): not if it
has finished or has no address; *serving* is its condition Ready, *terminating* its deletionTimestamp, and *ready* is
serving and not terminating. So the same pods make the same members through either source.

A pod is some 6 kB where an endpoint is 0.3, hence the LIST is paged and the server leaves out finished pods itself.
"""

from __future__ import annotations

import sys

import msgspec

from sidecar.membership.addresses import choose, is_ipv6
from sidecar.membership.events import Report
from sidecar.membership.member import Member
from sidecar.sources.kubernetes.collection import Collection
from sidecar.sources.kubernetes.objects import (
    Metadata,
    Object,
    Port,
    Projection,
    Wire,
    choose_port,
    collection_path,
    revision_number,
)

PAGE = 500
"""Pods in a page of the LIST: 3 MB, client-go's size (tools/pager, ``defaultPageSize``). The API server ignores it in
a LIST at resourceVersion 0 (storage/cacher, ``computeListLimit``), and not in one at none or NotOlderThan."""

UNFINISHED = "status.phase!=Succeeded,status.phase!=Failed"
"""A crowded namespace keeps thousands of evicted pods until somebody removes them (--terminated-pod-gc-threshold)."""

ZONE = "topology.kubernetes.io/zone"
"""Pods have it from their node when they are bound, since Kubernetes 1.35 (KEP-4742, PodTopologyLabelsAdmission)."""

ROLLOUT_LABELS = ("pod-template-hash", "deployment", "controller-revision-hash")
"""By whom a pod was rolled out, in KUBE_PING's order: a Deployment's ReplicaSet, an OpenShift DeploymentConfig's
deployment, a revision of a StatefulSet or DaemonSet."""


class Owner(Wire, frozen=True, gc=False):
    """OwnerReference."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    controller: bool | None = None


class PodMetadata(Metadata, frozen=True, gc=False):
    """ObjectMeta, as far as it is read of pods and of what controls them."""

    uid: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    owner_references: list[Owner] | None = None

    @property
    def controller(self) -> Owner | None:
        """Who controls the object; there is no more than one (meta/v1, ``GetControllerOf``)."""
        return next((owner for owner in self.owner_references or () if owner.controller), None)


class ContainerPort(Wire, frozen=True, gc=False):
    """ContainerPort."""

    container_port: int
    name: str = ""


class Container(Wire, frozen=True, gc=False):
    """Container."""

    ports: list[ContainerPort] | None = None
    restart_policy: str | None = None


class Spec(Wire, frozen=True, gc=False):
    """PodSpec."""

    node_name: str = ""
    hostname: str = ""
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None


class Condition(Wire, frozen=True, gc=False):
    """PodCondition."""

    type: str = ""
    status: str = ""
    reason: str = ""


class Address(Wire, frozen=True, gc=False):
    """PodIP."""

    ip: str = ""


class PodStatus(Wire, frozen=True, gc=False):
    """PodStatus."""

    phase: str = ""
    reason: str = ""
    conditions: list[Condition] | None = None
    pod_ip: str = msgspec.field(name="podIP", default="")
    pod_ips: list[Address] | None = msgspec.field(name="podIPs", default=None)


class Pod(Object, frozen=True, gc=False):
    """core/v1 Pod."""

    metadata: PodMetadata
    spec: Spec = Spec()
    status: PodStatus = PodStatus()


_UNSAID = Condition()


class PodProjection(msgspec.Struct, frozen=True, kw_only=True):
    """How a pod becomes a member.

    Args:
        projection: what all sources share: port, address family, own pod.
        split: what tells the rollouts apart: ``off``, ``auto`` (``ROLLOUT_LABELS``), ``owner`` (the UID of the
            controller), or the name of a label.
        cluster_label: the label whose value says which cluster a pod is of, empty if there is none.
    """

    projection: Projection
    split: str = "off"
    cluster_label: str = ""

    def pod(self, found: Pod) -> Report:
        """What a pod says."""
        meta = found.metadata
        origin, version = f"pods/{meta.namespace}/{meta.name}", revision_number(meta.resource_version) or 0
        addresses = _addresses(found.status)
        if not addresses or found.status.phase in {"Succeeded", "Failed"}:
            return Report(origin, version, {})
        port, problem = choose_port(_ports(found.spec, self.projection.port), self.projection.port, _whose(meta))
        if problem:
            return Report(origin, version, {}, problem)
        member = self._member(found, addresses, port)
        return Report(origin, version, {member.key: member})

    def _member(self, found: Pod, addresses: tuple[str, ...], port: int | None) -> Member:
        meta, spec = found.metadata, found.spec
        labels = meta.labels or {}
        serving = _condition(found.status, "Ready").status == "True"
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
            lost=_lost(found.status),
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
        selector: of labels, in the API's full syntax; empty for every pod.
        field_selector: of fields, likewise; finished pods are left out in any case.
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


def _addresses(status: PodStatus) -> tuple[str, ...]:
    """Those of both families, IPv4 first, in whichever order the cluster has them; ``podIPs`` is newer than 1.16."""
    said = [one.ip for one in status.pod_ips or ()] or [status.pod_ip]
    return tuple(sorted((address for address in said if address), key=is_ipv6))


def _condition(status: PodStatus, kind: str) -> Condition:
    return next((condition for condition in status.conditions or () if condition.type == kind), _UNSAID)


def _lost(status: PodStatus) -> bool:
    """Whether the conditions are not the kubelet's any more, because its node was not heard of.

    When a node is lost, the node-lifecycle controller sets Ready to False and touches nothing else (pkg/controller/
    util/node, ``MarkPodsNotReady``). A kubelet that says False gives a reason, and never says it while ContainersReady
    is True except for a readiness gate, with a reason (pkg/kubelet/status, ``GeneratePodReadyCondition``). So False
    without a reason beside ContainersReady True is the controller's. A pod that was not ready before is not touched:
    of that one it cannot be told. The reason NodeLost, the phase Unknown and the status Unknown are what older or
    other controllers write. A taint's eviction tells nothing: a living kubelet heeds it, too.
    """
    ready = _condition(status, "Ready")
    overridden = ready.status == "False" and not ready.reason and _condition(status, "ContainersReady").status == "True"
    return overridden or "Unknown" in {ready.status, status.phase} or status.reason == "NodeLost"


def _ports(spec: Spec, wanted: str) -> list[Port]:
    """The ports to choose from.

    A name is looked for as the endpoint-slice controller does (``FindPort``): in the containers, then in the init
    containers that keep running (sidecars). Without one, sidecars count only where the containers have no ports: a
    sidecar's metrics do not make the sole port of the server ambiguous.
    """
    ports = _distinct(spec.containers, by_name=bool(wanted))
    if not ports or (wanted and all(port.name != wanted for port in ports)):
        sidecars = [one for one in spec.init_containers or () if one.restart_policy == "Always"]
        ports += _distinct(sidecars, by_name=bool(wanted))
    return ports


def _distinct(containers: list[Container] | None, *, by_name: bool) -> list[Port]:
    """The ports, a number that is there for TCP and UDP once; under each of its names if one is looked for."""
    found: dict[tuple[str, int], Port] = {}
    for container in containers or ():
        for port in container.ports or ():
            key = (port.name if by_name else "", port.container_port)
            found.setdefault(key, Port(name=port.name, port=port.container_port))
    return list(found.values())


def _whose(meta: PodMetadata) -> str:
    """Whose pods have a problem: the controller's, so that a thousand of them make one message."""
    owner = meta.controller
    if owner:
        return f"the pod template of {owner.kind} {meta.namespace}/{owner.name}"
    return f"pods/{meta.namespace}/{meta.name}"
