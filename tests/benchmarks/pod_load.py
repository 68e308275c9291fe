"""Thousands of pods behind a Service, and pods among them that get their address, to measure ``--source pods``.

The pods are as large as those of a cluster in use (``pod``), and the real endpoint-slice controller writes their
slices. So a change is one PATCH of one pod's status, whichever source the program under test follows; a program that
follows slices sees it once the controller has written it.
"""

import hashlib
import json
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.benchmarks.load import NAMESPACE, ApiServer, Put
from tests.cluster.api import Json, path_of
from tests.cluster.objects import LABELS, PORTS, node, service

NODES = 50
WRITERS = 4
"""Connections that create the pods."""

PATIENCE = 120.0
"""Seconds that the controller may take for its slices."""

POLL = 0.05
"""Seconds between two looks at the slices."""

SINCE = "2026-01-01T00:00:00Z"


class PodLoad:
    """A Service and its pods, with the same methods as ``Load``.

    Args:
        server: where they are written.
        members: how many pods have an address before the first join.
        joins: how many further pods have none.
    """

    def __init__(self, server: ApiServer, members: int, joins: int) -> None:
        self.service = f"pods-{members}"
        self._server = server
        self._members = members
        self._pods = members + joins
        self._joined = 0

    def create(self) -> None:
        """Create the nodes, the pods, and finally the Service, so that its slices are written once."""
        for number in range(NODES):
            self._post(self._server, node(_node(number), zone=_zone(number)))
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(self._create_share, range(WRITERS)))
        self._post(self._server, service(self.service, NAMESPACE, selector=self._labels))
        self._await_slices()

    def reset(self) -> None:
        """Take the addresses of those that joined, and wait until no slice has them."""
        for number in range(self._members, self._members + self._joined):
            self._server.write("PATCH", _status_path(number), _encode({"status": address(None)}))
        self._joined = 0
        self._await_slices()

    def joins(self, count: int) -> Iterator[tuple[str, bytes, str]]:
        """One pod after the other: its name, and body and path of the PATCH that gives it an address."""
        for _ in range(count):
            number = self._members + self._joined
            self._joined += 1
            yield _name(number), _encode({"status": address(number)}), _status_path(number)

    def join(self, path: str, body: bytes) -> Put:
        """Make the change."""
        return self._server.write("PATCH", path, body)

    def fingerprint(self, file: Path) -> str:
        """What both sources report of the members; the files differ in the names of the source and of the Service."""
        members = json.loads(file.read_bytes())["members"]
        facts = sorted([one[key] for key in ("name", "uid", "address", "port", "ready", "node")] for one in members)
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    @property
    def _labels(self) -> dict[str, str]:
        return {**LABELS, "app": self.service}

    def _create_share(self, share: int) -> None:
        server = self._server.another()
        try:
            for number in range(share, self._pods, WRITERS):
                self._post(server, pod(number, self._labels))
                status = running(number) | (address(number) if number < self._members else {})
                server.write("PATCH", _status_path(number), _encode({"status": status}))
        finally:
            server.close()

    def _post(self, server: ApiServer, body: Json) -> None:
        server.write("POST", path_of(body["kind"], body["metadata"].get("namespace")), _encode(body))

    def _await_slices(self) -> None:
        """Wait until the slices have exactly the members."""
        path = path_of("EndpointSlice", NAMESPACE)
        selector = f"?labelSelector=kubernetes.io/service-name={self.service}"
        deadline = time.monotonic() + PATIENCE
        while True:
            slices = json.loads(self._server.read(path + selector))["items"]
            found = sum(len(one["endpoints"] or ()) for one in slices)
            if found == self._members:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.service}: the slices hold {found} endpoints and not {self._members}")
            time.sleep(POLL)


def pod(number: int, labels: Json) -> Json:
    """A pod of a StatefulSet: with its status and the server's managedFields some 6 kB, as they are in a cluster."""
    name = _name(number)
    revision = {"controller-revision-hash": "web-6d4b75cb6d", "topology.kubernetes.io/zone": _zone(number)}
    uid = str(uuid.uuid5(uuid.NAMESPACE_DNS, "web"))
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": uid}
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "labels": {**labels, **revision, "statefulset.kubernetes.io/pod-name": name},
        "annotations": {"checksum/config": hashlib.sha256(name.encode()).hexdigest(), "prometheus.io/scrape": "true"},
        "ownerReferences": [owner | {"controller": True, "blockOwnerDeletion": True}],
    }
    spec = {
        "nodeName": _node(number),
        "hostname": name,
        "subdomain": "web",
        "containers": [_container("main", PORTS), _container("exporter", {})],
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "config", "configMap": {"name": "web"}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def running(number: int) -> Json:
    """The status of a pod whose containers run, and which has no address yet."""
    return {
        "phase": "Running",
        "hostIP": f"10.200.0.{number % NODES}",
        "startTime": SINCE,
        "qosClass": "Burstable",
        "containerStatuses": [_container_status(container) for container in ("main", "exporter")],
        **address(None),
    }


def address(number: int | None) -> Json:
    """The part of the status that changes when a pod gets its address and is ready; without a number, it has none."""
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    status = "False" if number is None else "True"
    conditions = [{"type": kind, "status": status, "lastTransitionTime": SINCE} for kind in kinds]
    found = None if number is None else f"10.{100 + number // 62_500}.{number // 250 % 250}.{number % 250}"
    return {"podIP": found, "podIPs": [{"ip": found}] if found else None, "conditions": conditions}


def _container(name: str, ports: dict[str, int]) -> Json:
    container: Json = {"name": name, "image": f"registry.example.com/platform/web/{name}:4.11.2"}
    if not ports:
        return container
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10, "failureThreshold": 3}
    return container | {
        "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "ports": [{"name": port, "containerPort": number} for port, number in ports.items()],
        "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "config", "mountPath": "/etc/web"}],
        "readinessProbe": probe,
    }


def _container_status(name: str) -> Json:
    digest = hashlib.sha256(name.encode()).hexdigest()
    image = f"registry.example.com/platform/web/{name}"
    return {
        "name": name,
        "state": {"running": {"startedAt": SINCE}},
        "ready": True,
        "started": True,
        "restartCount": 0,
        "image": f"{image}:4.11.2",
        "imageID": f"{image}@sha256:{digest}",
        "containerID": f"containerd://{digest}",
    }


def _encode(body: Json) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _name(number: int) -> str:
    return f"web-{number:05d}"


def _node(number: int) -> str:
    return f"node-{number % NODES:03d}"


def _zone(number: int) -> str:
    return f"zone-{'abc'[number % NODES % 3]}"


def _status_path(number: int) -> str:
    return path_of("Pod", NAMESPACE, _name(number), "status")
