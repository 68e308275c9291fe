"""Pods as they come over the wire, as far as they are read, and what their status means.

Pure.
"""

from __future__ import annotations

import msgspec

from sidecar.membership.addresses import is_ipv6
from sidecar.sources.kubernetes.objects import Metadata, Object, Wire


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
        """The owner that controls the object; there is at most one (meta/v1, ``GetControllerOf``)."""
        return next((owner for owner in self.owner_references or () if owner.controller), None)


class ContainerPort(Wire, frozen=True, gc=False):
    """ContainerPort."""

    container_port: int
    name: str = ""
    protocol: str | None = None


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


_UNSAID = Condition()


class PodStatus(Wire, frozen=True, gc=False):
    """PodStatus."""

    phase: str = ""
    reason: str = ""
    conditions: list[Condition] | None = None
    pod_ip: str = msgspec.field(name="podIP", default="")
    pod_ips: list[Address] | None = msgspec.field(name="podIPs", default=None)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of both families, IPv4 first, whichever is the cluster's first; ``podIPs`` came with 1.16."""
        all_of_them = [one.ip for one in self.pod_ips or ()] or [self.pod_ip]
        return tuple(sorted((address for address in all_of_them if address), key=is_ipv6))

    def condition(self, kind: str) -> Condition:
        """The condition of that type; one that says nothing if there is none."""
        return next((condition for condition in self.conditions or () if condition.type == kind), _UNSAID)

    @property
    def lost(self) -> bool:
        """Whether the conditions are no longer the kubelet's, because its node is lost.

        When a node is lost, the node-lifecycle controller sets Ready to False and touches nothing else (pkg/controller/
        util/node, ``MarkPodsNotReady``). A kubelet that writes False gives a reason; while ContainersReady is True it
        only does so for a readiness gate, again with a reason (pkg/kubelet/status, ``GeneratePodReadyCondition``).
        So False without a reason beside ContainersReady True comes from the controller. A pod that was not ready before
        is not touched, hence it cannot be recognized. The reason NodeLost, the phase Unknown and the status Unknown are
        what older or other controllers write. An eviction by taint means nothing: a living kubelet obeys it, too.
        """
        ready = self.condition("Ready")
        containers = self.condition("ContainersReady").status
        overridden = ready.status == "False" and not ready.reason and containers == "True"
        return overridden or "Unknown" in {ready.status, self.phase} or self.reason == "NodeLost"


class Pod(Object, frozen=True, gc=False):
    """core/v1 Pod."""

    metadata: PodMetadata
    spec: Spec = Spec()
    status: PodStatus = PodStatus()
