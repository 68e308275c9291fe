"""A client that sees everything an API server sends: codes, headers, and lines as they come.

It hides nothing and retries nothing, so that a test can assert what was on the wire. It works with the simulator and
with a real server.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import aiohttp

Json: TypeAlias = dict[str, Any]

SLICES = "endpointslices"
_LINE_LIMIT = 2**24
"""Bytes; a slice with 1,000 endpoints is one line."""

_ANSWER_TIMEOUT = 20.0
"""Seconds; a real server waits 3 before it reports that a resourceVersion is too large."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    code: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Json:
        """The body, parsed as JSON."""
        parsed: Json = json.loads(self.text)
        return parsed

    @property
    def names(self) -> list[str]:
        """The names of the items of a list."""
        return [item["metadata"]["name"] for item in self.body["items"]]

    @property
    def revision(self) -> str:
        """The resourceVersion of the list or object."""
        return str(self.body["metadata"]["resourceVersion"])


class Client:
    """Requests about one namespace."""

    def __init__(self, session: aiohttp.ClientSession, namespace: str = "default") -> None:
        self.session = session
        self.namespace = namespace

    def path(self, resource: str = SLICES, name: str = "") -> str:
        """The path of a collection or of one object."""
        prefix = "/apis/discovery.k8s.io/v1" if resource == SLICES else "/api/v1"
        return f"{prefix}/namespaces/{self.namespace}/{resource}" + (f"/{name}" if name else "")

    async def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send any request and read the whole response."""
        timeout = aiohttp.ClientTimeout(total=_ANSWER_TIMEOUT)
        async with self.session.request(
            method, path, params=query, json=body, headers=headers, timeout=timeout
        ) as response:
            return Answer(response.status, response.headers.copy(), await response.text())

    async def listed(self, resource: str = SLICES, **query: str) -> Answer:
        """LIST."""
        return await self.send("GET", self.path(resource), query)

    async def get(self, name: str, resource: str = SLICES) -> Answer:
        """GET."""
        return await self.send("GET", self.path(resource, name))

    async def create(self, obj: Json, resource: str = SLICES) -> Answer:
        """POST."""
        return await self.send("POST", self.path(resource), body=obj)

    async def update(self, obj: Json, resource: str = SLICES) -> Answer:
        """PUT."""
        return await self.send("PUT", self.path(resource, obj["metadata"]["name"]), body=obj)

    async def delete(self, name: str, resource: str = SLICES) -> Answer:
        """DELETE."""
        return await self.send("DELETE", self.path(resource, name))

    @asynccontextmanager
    async def watch(self, resource: str = SLICES, **query: str) -> AsyncIterator["Events"]:
        """WATCH."""
        timeout = aiohttp.ClientTimeout(total=None, sock_read=_ANSWER_TIMEOUT)
        async with self.session.get(
            self.path(resource),
            params={"watch": "1", **query},
            timeout=timeout,
            read_bufsize=_LINE_LIMIT,
        ) as response:
            yield Events(response)
            _abandon(response)

    async def watched(self, resource: str = SLICES, **query: str) -> list[Json]:
        """Every event of a watch that ends by itself."""
        async with self.watch(resource, **query) as events:
            return [event async for event in events]


def _abandon(response: aiohttp.ClientResponse) -> None:
    """Abort the connection of a watch that goes on: over TLS, a clean close would outlast the event loop."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()


@dataclass(frozen=True, slots=True)
class ForgetfulServer:
    """A server whose history can be compacted, and a client in a namespace of its own."""

    client: Client
    compact: Callable[[], None]


class Events:
    """The lines of a watch."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    def __aiter__(self) -> "Events":
        return self

    async def __anext__(self) -> Json:
        line = await self.response.content.readline()
        if not line:
            raise StopAsyncIteration
        event: Json = json.loads(line)
        return event


def endpoint_slice(name: str, *, labels: Mapping[str, str] | None = None, ready: bool = True) -> Json:
    """One EndpointSlice, without the fields that a server fills in."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": dict(labels or {"app": "a"})},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": ready}}],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
    }


def summary(event: Json) -> tuple[str, str]:
    """The type of an event and the name of its object."""
    return event["type"], event["object"]["metadata"].get("name", "")


def revision(event: Json) -> str:
    """The resourceVersion of an event's object."""
    return str(event["object"]["metadata"]["resourceVersion"])


async def populate(client: Client, *names: str) -> list[str]:
    """Create EndpointSlices in that order, and return their resourceVersions."""
    return [(await client.create(endpoint_slice(name))).revision for name in names]
