"""A member as the controllers and the kubelet would write it: endpoint, Pod, Service, EndpointSlice. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sidecar.simulator.resources import Object

_MANAGED_BY = "endpointslice-controller.k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedMember:
    """One pod of the service, alive until it is removed."""

    name: str
    uid: str
    addresses: Mapping[str, str]
    """By address type: IPv4, IPv6."""

    node: str
    zone: str
    ready: bool = True
    terminating: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What all objects of a service have in common."""

    name: str
    namespace: str
    uid: str
    ports: Mapping[str, int]
    publish_not_ready: bool = False

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its pods and of the service itself."""
        return {"app.kubernetes.io/name": self.name}


def _ports(of: Identity) -> list[Object]:
    return [{"name": name, "port": port, "protocol": "TCP"} for name, port in of.ports.items()]


def service(of: Identity, families: Iterable[str]) -> Object:
    """The headless Service."""
    ports = [port | {"targetPort": port["port"]} for port in _ports(of)]
    return {
        "metadata": {"name": of.name, "namespace": of.namespace, "uid": of.uid, "labels": of.labels},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "clusterIPs": ["None"],
            "ipFamilies": list(families),
            "publishNotReadyAddresses": of.publish_not_ready,
            "ports": ports,
            "selector": of.labels,
        },
        "status": {"loadBalancer": {}},
    }


def endpoint_slice(of: Identity, name: str, family: str, members: Iterable[ScriptedMember]) -> Object:
    """One EndpointSlice; without endpoints, its ``endpoints`` and ``ports`` are null, as the controller writes them."""
    endpoints = [_endpoint(of, family, member) for member in members]
    owner = {"apiVersion": "v1", "kind": "Service", "name": of.name, "uid": of.uid}
    labels = of.labels | {
        "endpointslice.kubernetes.io/managed-by": _MANAGED_BY,
        "kubernetes.io/service-name": of.name,
        "service.kubernetes.io/headless": "",
    }
    return {
        "metadata": {
            "name": name,
            "generateName": f"{of.name}-",
            "namespace": of.namespace,
            "labels": labels,
            "ownerReferences": [owner | {"controller": True, "blockOwnerDeletion": True}],
        },
        "addressType": family,
        "endpoints": endpoints or None,
        "ports": _ports(of) if endpoints else None,
    }


def _endpoint(of: Identity, family: str, member: ScriptedMember) -> Object:
    return {
        "addresses": [member.addresses[family]],
        "conditions": {
            "ready": of.publish_not_ready or (member.ready and not member.terminating),
            "serving": member.ready,
            "terminating": member.terminating,
        },
        "hostname": member.name,
        "nodeName": member.node,
        "targetRef": _reference(of, member),
        "zone": member.zone,
    }


def endpoints(of: Identity, members: Iterable[ScriptedMember]) -> Object:
    """The Endpoints object: IPv4 only, without terminating members, truncated at a thousand, like the real one."""
    listed = [member for member in members if not member.terminating]
    shown = listed[:_ENDPOINTS_CAPACITY]
    subset: Object = {"ports": _ports(of)}
    for key, ready in (("addresses", True), ("notReadyAddresses", False)):
        if found := [_address(of, it) for it in shown if (it.ready or of.publish_not_ready) is ready]:
            subset[key] = found
    labels = {"endpoints.kubernetes.io/managed-by": "endpoint-controller", "service.kubernetes.io/headless": ""}
    metadata: Object = {"name": of.name, "namespace": of.namespace, "labels": of.labels | labels}
    if len(listed) > len(shown):
        metadata["annotations"] = {"endpoints.kubernetes.io/over-capacity": "truncated"}
    return {"metadata": metadata} | ({"subsets": [subset]} if shown else {})


_ENDPOINTS_CAPACITY = 1000


def _address(of: Identity, member: ScriptedMember) -> Object:
    return {
        "ip": member.addresses["IPv4"],
        "hostname": member.name,
        "nodeName": member.node,
        "targetRef": _reference(of, member),
    }


def _reference(of: Identity, member: ScriptedMember) -> Object:
    return {"kind": "Pod", "namespace": of.namespace, "name": member.name, "uid": member.uid}


def pod(of: Identity, member: ScriptedMember) -> Object:
    """The Pod, with the fields that tell its address and its state."""
    ports = [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in of.ports.items()]
    metadata: Object = {
        "name": member.name,
        "generateName": f"{of.name}-",
        "namespace": of.namespace,
        "uid": member.uid,
        "labels": of.labels | {"apps.kubernetes.io/pod-index": member.name.rpartition("-")[2]},
        "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": of.name, "uid": of.uid, "controller": True},
        ],
    }
    if member.terminating:
        metadata |= {"deletionTimestamp": "2026-01-01T01:00:00Z", "deletionGracePeriodSeconds": 30}
    condition = {"type": "Ready", "status": "True" if member.ready else "False"}
    ips = list(member.addresses.values())
    return {
        "metadata": metadata,
        "spec": {
            "containers": [{"name": of.name, "image": of.name, "ports": ports}],
            "hostname": member.name,
            "nodeName": member.node,
            "subdomain": of.name,
        },
        "status": {
            "phase": "Running",
            "conditions": [condition],
            "podIP": ips[0],
            "podIPs": [{"ip": ip} for ip in ips],
        },
    }
