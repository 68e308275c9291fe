"""Nodes, Services, Pods and EndpointSlices: builders, and calls that create and change them.

The builders are pure. The calls below do what a kubelet would do in the API: a pod is running and ready because its
status says so.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.cluster.api import Api, ApiError, Json

NODE = "node-0"
LABELS = {"app": "web"}
PORTS = {"http": 8080}


def node(name: str = NODE, *, zone: str | None = None) -> Json:
    """A node. It must exist, because the endpoint-slice controller ignores pods on unknown nodes."""
    labels = {"kubernetes.io/hostname": name} | ({"topology.kubernetes.io/zone": zone} if zone else {})
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def service(
    name: str,
    namespace: str,
    *,
    selector: Mapping[str, str] | None = LABELS,
    ports: Mapping[str, int] = PORTS,
    publish_not_ready: bool = False,
    **spec: Any,  # noqa: ANN401 - a field of the spec has any JSON value
) -> Json:
    """A headless Service. With ``selector=None`` only the test writes its EndpointSlices."""
    fields: Json = {
        "clusterIP": "None",
        "ports": [{"name": port, "port": number} for port, number in ports.items()],
        "publishNotReadyAddresses": publish_not_ready,
    }
    if selector is not None:
        fields["selector"] = dict(selector)
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": fields | spec}


def pod(
    name: str,
    namespace: str,
    *,
    labels: Mapping[str, str] = LABELS,
    ports: Mapping[str, int] = PORTS,
    node_name: str = NODE,
    **spec: Any,  # noqa: ANN401 - a field of the spec has any JSON value
) -> Json:
    """A pod that is bound to the node. Without a kubelet, a deletion only ends with a grace period of 0."""
    fields: Json = {
        "nodeName": node_name,
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "main",
                "image": "none",
                "ports": [{"name": port, "containerPort": number} for port, number in ports.items()],
            }
        ],
    }
    metadata = {"name": name, "namespace": namespace, "labels": dict(labels)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": fields | spec}


def running(addresses: Sequence[str], *, ready: bool = True) -> Json:
    """The status of a running pod."""
    condition = "True" if ready else "False"
    return {
        "phase": "Running",
        "podIP": addresses[0],
        "podIPs": [{"ip": address} for address in addresses],
        "conditions": [{"type": kind, "status": condition} for kind in ("ContainersReady", "Ready")],
    }


def endpoint(address: str, *, ready: bool = True, serving: bool | None = None, terminating: bool = False) -> Json:
    """An endpoint of a slice; it is serving if it is ready, by default."""
    conditions = {"ready": ready, "serving": ready if serving is None else serving, "terminating": terminating}
    return {"addresses": [address], "conditions": conditions}


def endpoint_slice(
    name: str,
    namespace: str,
    endpoints: Iterable[Json],
    *,
    service: str,
    ports: Mapping[str, int] = PORTS,
    address_type: str = "IPv4",
) -> Json:
    """A slice of the Service that no controller manages."""
    labels = {"kubernetes.io/service-name": service, "endpointslice.kubernetes.io/managed-by": "tests"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "addressType": address_type,
        "endpoints": list(endpoints),
        "ports": [{"name": port, "port": number, "protocol": "TCP"} for port, number in ports.items()],
    }


async def ensure_node(api: Api, name: str = NODE, *, zone: str | None = None) -> None:
    """Create the node unless it exists."""
    try:
        await api.create(node(name, zone=zone))
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise


async def run_pod(api: Api, body: Json, addresses: Sequence[str], *, ready: bool = True) -> Json:
    """Create the pod, and make it running with these addresses."""
    metadata = body["metadata"]
    await api.create(body)
    return await api.patch_status("Pod", metadata["name"], running(addresses, ready=ready), metadata["namespace"])


async def run_pods(api: Api, namespace: str, addresses: Mapping[str, str], *, ready: bool = True) -> None:
    """Run a pod for each name at its address, all at once, on a node that is created if necessary."""
    await ensure_node(api)
    await asyncio.gather(
        *(run_pod(api, pod(name, namespace), [address], ready=ready) for name, address in addresses.items())
    )


async def set_ready(api: Api, namespace: str, name: str, *, ready: bool) -> None:
    """Set the pod's readiness."""
    current = await api.get("Pod", name, namespace)
    addresses = [entry["ip"] for entry in current["status"]["podIPs"]]
    await api.patch_status("Pod", name, running(addresses, ready=ready), namespace)


async def terminate(api: Api, namespace: str, name: str) -> None:
    """Begin to delete the pod, which is terminating until ``remove``."""
    await api.delete("Pod", name, namespace, grace=30)


async def remove(api: Api, namespace: str, name: str) -> None:
    """Delete the pod at once."""
    await api.delete("Pod", name, namespace, grace=0)


async def write_endpoint_slice(api: Api, body: Json) -> Json:
    """Create the slice, or replace the one of that name."""
    try:
        return await api.create(body)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
    return await api.replace(body)
