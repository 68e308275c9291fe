"""A raw-JSON client of the Kubernetes API, for creating objects and looking at them.

It shares no code with what is tested, neither ``sidecar`` nor the client library that it uses, so that their errors
cannot hide. It also works with plain HTTP and without a token, for a simulated API server.
"""

import json
import ssl
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import aiohttp

Json = dict[str, Any]
"""A JSON object as it is sent and received."""

READ_BUFFER = 2**21
"""aiohttp refuses lines longer than twice its buffer, and a watch event with 1,000 endpoints is such a line."""


class Resource(NamedTuple):
    """The path of the objects of a kind."""

    group_version: str
    plural: str
    namespaced: bool = True


RESOURCES = {
    "ClusterRole": Resource("rbac.authorization.k8s.io/v1", "clusterroles", namespaced=False),
    "ClusterRoleBinding": Resource("rbac.authorization.k8s.io/v1", "clusterrolebindings", namespaced=False),
    "ConfigMap": Resource("v1", "configmaps"),
    "DaemonSet": Resource("apps/v1", "daemonsets"),
    "Deployment": Resource("apps/v1", "deployments"),
    "Endpoints": Resource("v1", "endpoints"),
    "EndpointSlice": Resource("discovery.k8s.io/v1", "endpointslices"),
    "Event": Resource("v1", "events"),
    "Job": Resource("batch/v1", "jobs"),
    "Lease": Resource("coordination.k8s.io/v1", "leases"),
    "Namespace": Resource("v1", "namespaces", namespaced=False),
    "Node": Resource("v1", "nodes", namespaced=False),
    "Pod": Resource("v1", "pods"),
    "ReplicaSet": Resource("apps/v1", "replicasets"),
    "Role": Resource("rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": Resource("rbac.authorization.k8s.io/v1", "rolebindings"),
    "Secret": Resource("v1", "secrets"),
    "Service": Resource("v1", "services"),
    "ServiceAccount": Resource("v1", "serviceaccounts"),
    "StatefulSet": Resource("apps/v1", "statefulsets"),
}


class ApiError(Exception):
    """The response is an error; ``status`` is its Status object, or the body."""

    def __init__(self, request: str, code: int, status: Json) -> None:
        super().__init__(f"{request}: {code} {status.get('reason', '')}: {status.get('message', '')}")
        self.code = code
        self.status = status

    @property
    def reason(self) -> str:
        """The reason in the Status, such as Expired, NotFound or AlreadyExists."""
        return str(self.status.get("reason", ""))


class Api:
    """An open session with an API server: ``async with Api(url) as api: ...``."""

    def __init__(self, url: str, *, token: str | None = None, ca_file: Path | None = None) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._tls = ssl.create_default_context(cafile=ca_file) if ca_file else True
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=32),
            headers=self._headers,
            read_bufsize=READ_BUFFER,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def create(self, body: Json) -> Json:
        """Create the object."""
        return await self.request("POST", path_of(body["kind"], body["metadata"].get("namespace")), body=body)

    async def get(self, kind: str, name: str, namespace: str | None = None) -> Json:
        """The object of that name."""
        return await self.request("GET", path_of(kind, namespace, name))

    async def list(self, kind: str, namespace: str | None = None, **parameters: str) -> Json:
        """The list object (``items``, ``metadata.resourceVersion``); parameters are the API's, as ``labelSelector``."""
        return await self.request("GET", path_of(kind, namespace), parameters=parameters)

    async def replace(self, body: Json) -> Json:
        """Replace the object of the same name (PUT)."""
        metadata = body["metadata"]
        return await self.request("PUT", path_of(body["kind"], metadata.get("namespace"), metadata["name"]), body=body)

    async def patch(self, kind: str, name: str, patch: Json, namespace: str | None = None) -> Json:
        """Merge the patch into the object."""
        return await self.request("PATCH", path_of(kind, namespace, name), body=patch)

    async def patch_status(self, kind: str, name: str, status: Json, namespace: str | None = None) -> Json:
        """Merge the status into the object's, through the status subresource."""
        return await self.request("PATCH", path_of(kind, namespace, name, "status"), body={"status": status})

    async def delete(self, kind: str, name: str, namespace: str | None = None, *, grace: int | None = None) -> Json:
        """Delete the object; ``grace`` in seconds overrides the object's own."""
        parameters = {} if grace is None else {"gracePeriodSeconds": str(grace)}
        return await self.request("DELETE", path_of(kind, namespace, name), parameters=parameters)

    async def token(
        self, name: str, namespace: str, *, seconds: int = 3600, bound_to: Mapping[str, str] | None = None
    ) -> str:
        """A token of the ServiceAccount. The server grants no less than 600 s."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds, "boundObjectRef": bound_to},
        }
        answer = await self.request("POST", path_of("ServiceAccount", namespace, name, "token"), body=body)
        return str(answer["status"]["token"])

    async def watch(self, kind: str, namespace: str | None = None, **parameters: str) -> AsyncGenerator[Json, None]:
        """The raw events of one watch, including ERROR events, until the server ends it."""
        async with self._send("GET", path_of(kind, namespace), {**parameters, "watch": "true"}) as response:
            await _raise_for_status(response)
            async for line in response.content:
                yield json.loads(line)

    async def request(
        self, method: str, path: str, *, body: object = None, parameters: Mapping[str, str] | None = None
    ) -> Json:
        """Send any request (a PATCH is a merge patch), and return the JSON object of the response."""
        async with self._send(method, path, parameters, body) as response:
            await _raise_for_status(response)
            answer: Json = await response.json()
            return answer

    def _send(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None,
        body: object = None,
    ) -> "aiohttp.client._RequestContextManager":
        if self._session is None:
            raise RuntimeError("the session is not open: use it in `async with`")
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
        return self._session.request(method, self._url + path, params=parameters, data=data, headers=headers)


def path_of(kind: str, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
    """The path of a collection, an object or a subresource. Without a namespace: of all namespaces."""
    resource = RESOURCES[kind]
    root = "api" if "/" not in resource.group_version else "apis"
    parts = ["", root, resource.group_version]
    if resource.namespaced and namespace:
        parts += ["namespaces", namespace]
    return "/".join(part for part in [*parts, resource.plural, name, subresource] if part is not None)


async def _raise_for_status(response: aiohttp.ClientResponse) -> None:
    if response.ok:
        return
    text = await response.text()
    try:
        status = json.loads(text)
    except ValueError:
        status = {"message": text}
    raise ApiError(f"{response.method} {response.url.raw_path_qs}", response.status, status)
