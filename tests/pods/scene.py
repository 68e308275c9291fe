"""A namespace on the node: how to create pods in it, and what can be seen of them from outside."""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import yaml

from tests.cluster import objects
from tests.cluster.api import Api, Json
from tests.cluster.control_plane import OWN_SERVICE
from tests.cluster.kubectl import KubectlFailed
from tests.cluster.node import Node
from tests.cluster.programs import answer

DEPLOY = Path(__file__).parents[2] / "deploy"

SIDECAR = "membership-sidecar"
"""The name of the container."""

PORT = 9466

POLL = 0.05
"""Seconds between two looks at the cluster."""

PATIENCE = 60.0
"""Seconds for what takes a few, on a machine that is busy with other tests."""


async def until(what: str, holds: Callable[[], Awaitable[bool]], *, seconds: float = PATIENCE) -> float:
    """Wait until the condition holds, and return the seconds that it took.

    Raises:
        AssertionError: if it does not hold in time.
    """
    started = time.monotonic()
    while not await holds():
        assert time.monotonic() - started < seconds, f"not within {seconds:.0f} s: {what}"
        await asyncio.sleep(POLL)
    return time.monotonic() - started


@dataclass(frozen=True)
class Scene:
    """The namespace, the administrator's session, and a directory for manifests."""

    node: Node
    api: Api
    namespace: str
    directory: Path

    def apply(self, *resources: Path, component: Path | None = None, **settings: str) -> None:
        """Apply folders or manifests in a kustomization, as a user would.

        Args:
            resources: The folders or manifests.
            component: The component of ``deploy`` that adds the sidecar.
            settings: The sidecar's variables, without ``MEMBERSHIP_`` and in lower case.
        """
        here = self.directory
        content: Json = {
            "namespace": self.namespace,
            "resources": [os.path.relpath(path, here) for path in resources],
        }
        if component is not None:
            literals = [f"MEMBERSHIP_{name.upper()}={value}" for name, value in settings.items()]
            content["components"] = [os.path.relpath(component, here)]
            content["configMapGenerator"] = [{"name": SIDECAR, "literals": literals}]
        (here / "kustomization.yaml").write_text(yaml.safe_dump(content))
        self.node.kubectl("apply", "--kustomize", here)

    def run(self, workload: Json, behind: Json, component: str = "component", **settings: str) -> None:
        """Apply a workload and its Service, with the sidecar of the project.

        Args:
            workload: The workload, which gets the sidecar.
            behind: The Service, which the sidecar follows unless the settings name another.
            component: The folder of ``deploy`` that adds the sidecar.
            settings: The sidecar's variables, as in ``apply``.
        """
        manifest = self.directory / "workload.yaml"
        manifest.write_text(yaml.safe_dump_all([behind, workload]))
        given = {"service": behind["metadata"]["name"], "output": "json=/membership/members.json"} | settings
        self.apply(manifest, component=DEPLOY / component, **given)

    async def write_members(self, *addresses: str) -> None:
        """Make these the endpoints of the Service ``app``, which has no selector."""
        endpoints = [objects.endpoint(address) for address in addresses]
        body = objects.endpoint_slice("app-1", self.namespace, endpoints, service="app")
        await objects.write_endpoint_slice(self.api, body)

    async def scale(self, name: str, replicas: int) -> None:
        """Scale the StatefulSet."""
        await self.api.patch("StatefulSet", name, {"spec": {"replicas": replicas}}, self.namespace)

    async def pods(self) -> dict[str, Json]:
        """All pods by name, including terminating ones."""
        return {pod["metadata"]["name"]: pod for pod in (await self.api.list("Pod", self.namespace))["items"]}

    async def pod(self, name: str) -> Json:
        """The pod of that name."""
        return await self.api.get("Pod", name, self.namespace)

    async def containers(self, name: str) -> dict[str, Json]:
        """The statuses of the pod's containers by their names, sidecars included."""
        return statuses(await self.pod(name))

    async def until_started(self, name: str, container: str = "main", *, seconds: float = PATIENCE) -> float:
        """Wait until the pod's container runs."""

        async def started() -> bool:
            pod = (await self.pods()).get(name, {})
            return "running" in statuses(pod).get(container, {}).get("state", {})

        return await until(f"{container} of {name} runs", started, seconds=seconds)

    async def until_serving(self, name: str) -> None:
        """Wait until the pod's sidecar serves its status."""

        async def serves() -> bool:
            return bool(name in await self.pods() and await self.status(name))

        await until(f"the sidecar of {name} serves its status", serves)

    async def until_ready(self, *names: str, seconds: float = PATIENCE) -> float:
        """Wait until exactly these pods exist, and all are ready."""

        async def ready() -> bool:
            pods = await self.pods()
            return pods.keys() == set(names) and all(map(is_ready, pods.values()))

        return await until(f"{', '.join(names)} are ready", ready, seconds=seconds)

    async def restarts(self) -> dict[str, int]:
        """The containers that were restarted, as pod/container, with the number of restarts."""
        return {
            f"{pod}/{container}": status["restartCount"]
            for pod, body in (await self.pods()).items()
            for container, status in statuses(body).items()
            if status["restartCount"]
        }

    async def get(self, pod: str, path: str, port: int = PORT) -> bytes | None:
        """The pod's response to a GET; None unless it is 200."""
        address = (await self.pod(pod))["status"].get("podIP")
        return await asyncio.to_thread(answer, f"http://{address}:{port}{path}") if address else None

    async def status(self, pod: str) -> Json:
        """The status of the pod's sidecar; empty if it does not respond."""
        body = await self.get(pod, "/status")
        return cast("Json", json.loads(body)) if body else {}

    async def volume(self, pod: str, volume: str = "membership") -> Path:
        """The path of the shared directory outside the pod."""
        uid = (await self.pod(pod))["metadata"]["uid"]
        pods = self.node.machine.directory / "lib" / "kubelet" / "pods"
        return pods / str(uid) / "volumes" / "kubernetes.io~empty-dir" / volume

    async def members(self, pod: str) -> list[Json]:
        """The members in the pod's file."""
        file = await self.volume(pod) / "members.json"
        return list(json.loads(file.read_bytes())["members"]) if file.exists() else []

    def log(self, pod: str, container: str, *options: str) -> str:
        """The log of the container."""
        return self.node.kubectl("logs", f"--namespace={self.namespace}", pod, f"--container={container}", *options)

    async def found(self, pod: str, container: str = "main") -> list[str]:
        """The addresses in the file that the container printed when it started (``workload.READ_FIRST``)."""

        async def printed() -> bool:
            return self.log(pod, container).endswith("]}\n")

        await until(f"{container} of {pod} has printed the file", printed)
        return [member["address"] for member in json.loads(self.log(pod, container))["members"]]

    def inside(self, pod: str, container: str, *command: str) -> str:
        """Run a command in the container and return its output."""
        where = (f"--namespace={self.namespace}", pod, f"--container={container}")
        return self.node.kubectl("exec", *where, "--", *command)

    def description(self) -> str:
        """Everything that may explain a failure."""
        kubectl, here = self.node.kubectl, f"--namespace={self.namespace}"
        parts = [kubectl("get", "pods", here, "--output=wide"), kubectl("get", "events", here)]
        for pod in kubectl("get", "pods", here, "--output=name").split():
            parts.append(kubectl("describe", here, pod))
            names = "jsonpath={.spec.initContainers[*].name} {.spec.containers[*].name}"
            containers = kubectl("get", here, pod, f"--output={names}").split()
            parts += [f"log of {container} in {pod}:\n{self._end_of_log(pod, container)}" for container in containers]
        return "\n".join(parts)

    def _end_of_log(self, pod: str, container: str) -> str:
        try:
            return self.log(pod, container, "--tail=40")
        except KubectlFailed as error:  # a container that has not been started has no log
            return str(error)

    async def kill(self, pod: str, container: str) -> None:
        """``kill -9`` the first process of the container."""
        self.node.ctr("tasks", "kill", "--signal=SIGKILL", await self.container_id(pod, container))

    async def container_id(self, pod: str, container: str) -> str:
        """The id of the container in the runtime."""
        return str((await self.containers(pod))[container]["containerID"]).removeprefix("containerd://")

    def api_server_away(self) -> AbstractContextManager[None]:
        """Until the end of the block, connections of pods to the API server are refused; the kubelet's are not."""
        return _refused(self.node)


def statuses(pod: Mapping[str, Json]) -> dict[str, Json]:
    """The statuses of the containers by their names, sidecars included."""
    status = pod.get("status", {})
    found = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    return {item["name"]: item for item in found}


def is_ready(pod: Json) -> bool:
    """Whether the pod is ready and not terminating."""
    conditions = {item["type"]: item["status"] for item in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


@contextmanager
def _refused(node: Node) -> Iterator[None]:
    rule = f"ip saddr {node.machine.addresses.pods} ip daddr {OWN_SERVICE} meta l4proto tcp reject with tcp reset"
    chain = "type filter hook prerouting priority raw;"  # before kube-proxy replaces the address
    node.machine.run("nft", f"table ip away {{ chain away {{ {chain} {rule}; }}; }}")
    try:
        yield
    finally:
        node.machine.run("nft", "delete", "table", "ip", "away")
