"""A namespace on the node: how to put pods there, and what can be seen of them from outside."""

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
"""The container's name."""

PORT = 9466

POLL = 0.05
"""Seconds between two looks at the cluster."""

PATIENCE = 60.0
"""Seconds for what takes a few, on a machine that is busy with other tests."""


async def until(what: str, holds: Callable[[], Awaitable[bool]], *, seconds: float = PATIENCE) -> float:
    """Wait until it holds; the seconds that it took.

    Raises:
        AssertionError: that it did not come to pass in time.
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
        """Apply folders or manifests, as a user's own kustomization has them.

        Args:
            resources: What is applied.
            component: Of ``deploy``, which adds the sidecar.
            settings: The sidecar's, without ``MEMBERSHIP_`` and in small letters.
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
        """Apply a workload of the test's own and its Service, with the sidecar that ships.

        Args:
            workload: Gets the sidecar.
            behind: The Service, which the sidecar follows unless it is told otherwise.
            component: The folder of ``deploy`` that adds the sidecar.
            settings: The sidecar's, as in ``apply``.
        """
        manifest = self.directory / "workload.yaml"
        manifest.write_text(yaml.safe_dump_all([behind, workload]))
        given = {"service": behind["metadata"]["name"], "output": "json=/membership/members.json"} | settings
        self.apply(manifest, component=DEPLOY / component, **given)

    async def write_members(self, *addresses: str) -> None:
        """Let these be the endpoints of the Service ``app``, which has no selector."""
        endpoints = [objects.endpoint(address) for address in addresses]
        body = objects.endpoint_slice("app-1", self.namespace, endpoints, service="app")
        await objects.write_endpoint_slice(self.api, body)

    async def scale(self, name: str, replicas: int) -> None:
        """Tell the StatefulSet how many there shall be."""
        await self.api.patch("StatefulSet", name, {"spec": {"replicas": replicas}}, self.namespace)

    async def pods(self) -> dict[str, Json]:
        """The pods by their names, those that are ending among them."""
        return {pod["metadata"]["name"]: pod for pod in (await self.api.list("Pod", self.namespace))["items"]}

    async def pod(self, name: str) -> Json:
        """One of them."""
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
        """Wait until exactly these pods are there, and all are ready."""

        async def ready() -> bool:
            pods = await self.pods()
            return pods.keys() == set(names) and all(map(is_ready, pods.values()))

        return await until(f"{', '.join(names)} are ready", ready, seconds=seconds)

    async def restarts(self) -> dict[str, int]:
        """The containers that were restarted, as pod/container, and how often."""
        return {
            f"{pod}/{container}": status["restartCount"]
            for pod, body in (await self.pods()).items()
            for container, status in statuses(body).items()
            if status["restartCount"]
        }

    async def get(self, pod: str, path: str, port: int = PORT) -> bytes | None:
        """What the pod answers, None if it is not 200."""
        address = (await self.pod(pod))["status"].get("podIP")
        return await asyncio.to_thread(answer, f"http://{address}:{port}{path}") if address else None

    async def status(self, pod: str) -> Json:
        """What the pod's sidecar says of itself, empty if it does not answer."""
        body = await self.get(pod, "/status")
        return cast("Json", json.loads(body)) if body else {}

    async def volume(self, pod: str, volume: str = "membership") -> Path:
        """The shared directory, as it is outside the pod."""
        uid = (await self.pod(pod))["metadata"]["uid"]
        pods = self.node.machine.directory / "lib" / "kubelet" / "pods"
        return pods / str(uid) / "volumes" / "kubernetes.io~empty-dir" / volume

    async def members(self, pod: str) -> list[Json]:
        """What the pod's file has."""
        file = await self.volume(pod) / "members.json"
        return list(json.loads(file.read_bytes())["members"]) if file.exists() else []

    def log(self, pod: str, container: str, *options: str) -> str:
        """What the container has written."""
        return self.node.kubectl("logs", f"--namespace={self.namespace}", pod, f"--container={container}", *options)

    async def found(self, pod: str, container: str = "main") -> list[str]:
        """The addresses in the file that the container has printed as it was started (``workload.READ_FIRST``)."""

        async def printed() -> bool:
            return self.log(pod, container).endswith("]}\n")

        await until(f"{container} of {pod} has printed the file", printed)
        return [member["address"] for member in json.loads(self.log(pod, container))["members"]]

    def inside(self, pod: str, container: str, *command: str) -> str:
        """Run a command in the container; what it prints."""
        where = (f"--namespace={self.namespace}", pod, f"--container={container}")
        return self.node.kubectl("exec", *where, "--", *command)

    def story(self) -> str:
        """Everything that may explain a failure."""
        kubectl, here = self.node.kubectl, f"--namespace={self.namespace}"
        told = [kubectl("get", "pods", here, "--output=wide"), kubectl("get", "events", here)]
        for pod in kubectl("get", "pods", here, "--output=name").split():
            told.append(kubectl("describe", here, pod))
            names = "jsonpath={.spec.initContainers[*].name} {.spec.containers[*].name}"
            containers = kubectl("get", here, pod, f"--output={names}").split()
            told += [f"{container} of {pod} says:\n{self._last_words(pod, container)}" for container in containers]
        return "\n".join(told)

    def _last_words(self, pod: str, container: str) -> str:
        try:
            return self.log(pod, container, "--tail=40")
        except KubectlFailed as error:  # one that has not been started has no log
            return str(error)

    async def kill(self, pod: str, container: str) -> None:
        """``kill -9`` the first process of the container."""
        self.node.ctr("tasks", "kill", "--signal=SIGKILL", await self.container_id(pod, container))

    async def container_id(self, pod: str, container: str) -> str:
        """The container's id, as the runtime knows it."""
        return str((await self.containers(pod))[container]["containerID"]).removeprefix("containerd://")

    def api_server_away(self) -> AbstractContextManager[None]:
        """Until the end of the block, the API server refuses the connections of pods; the kubelet still has it."""
        return _refused(self.node)


def statuses(pod: Mapping[str, Json]) -> dict[str, Json]:
    """The statuses of the containers by their names, sidecars included."""
    status = pod.get("status", {})
    found = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    return {item["name"]: item for item in found}


def is_ready(pod: Json) -> bool:
    """Whether it is, and is not about to end."""
    conditions = {item["type"]: item["status"] for item in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


@contextmanager
def _refused(node: Node) -> Iterator[None]:
    rule = f"ip saddr {node.machine.addresses.pods} ip daddr {OWN_SERVICE} meta l4proto tcp reject with tcp reset"
    chain = "type filter hook prerouting priority raw;"  # before kube-proxy makes another address of that
    node.machine.run("nft", f"table ip away {{ chain away {{ {chain} {rule}; }}; }}")
    try:
        yield
    finally:
        node.machine.run("nft", "delete", "table", "ip", "away")
