"""A Service of many members, and the members that join it, written straight to the API server.

The slices are ours (the Service has no selector), so that a change is one PUT of one EndpointSlice and nothing else
happens in the cluster. The client is http.client with bodies encoded beforehand: what it adds to a latency is added to
both sides of a ratio, and would hide a difference.
"""

import hashlib
import http.client
import json
import ssl
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from tests.cluster.api import Json, path_of
from tests.cluster.control_plane import ControlPlane
from tests.cluster.objects import endpoint, endpoint_slice

NAMESPACE = "default"

PER_SLICE = 100
"""Endpoints, the limit of the endpoint-slice controller (--max-endpoints-per-slice)."""


class Put(NamedTuple):
    """When a change was made, in nanoseconds of the monotonic clock."""

    sent: int
    """Just before the request."""
    answered: int


class ApiServer:
    """One connection that writes."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        context = ssl.create_default_context(cafile=control_plane.ca_file)
        host, port = control_plane.host, control_plane.port
        self._connection = http.client.HTTPSConnection(host, port, timeout=30, context=context)
        self._headers = {"Authorization": f"Bearer {control_plane.admin_token}"}

    def another(self) -> Self:
        """One more connection, for another thread."""
        return type(self)(self._control_plane)

    def read(self, path: str) -> bytes:
        """The body of the response to a GET."""
        return self._request("GET", path)

    def write(self, method: str, path: str, body: bytes) -> Put:
        """Send the object; a refusal is an error."""
        sent = time.monotonic_ns()
        self._request(method, path, body)
        return Put(sent, time.monotonic_ns())

    def _request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        self._connection.request(method, path, body, {**self._headers, "Content-Type": kind})
        response = self._connection.getresponse()
        received = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {received[:500].decode(errors='replace')}")
        return received

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Scene(Protocol):
    """The objects that a program follows while it is measured."""

    service: str

    def create(self) -> None:
        """Set it."""

    def reset(self) -> None:
        """Undo all joins."""

    def joins(self, count: int) -> Iterator[tuple[str, bytes, str]]:
        """One member after the other: its name, and the body and path of the request that adds it."""

    def join(self, path: str, body: bytes) -> Put:
        """Make that request."""

    def fingerprint(self, file: Path) -> str:
        """What must be the same in the files of all programs."""


class Load:
    """A Service and its slices.

    Args:
        server: where they are written.
        members: how many there are before the first join.
    """

    def __init__(self, server: ApiServer, members: int) -> None:
        self.service = f"app-{members}"
        self._server = server
        self._members = members
        self._slices: list[list[Json]] = []

    def create(self) -> None:
        """Write the slices for the first time."""
        self._write_base("POST")

    def reset(self) -> None:
        """Undo all joins."""
        self._write_base("PUT")

    def joins(self, count: int) -> Iterator[tuple[str, bytes, str]]:
        """One member after the other, spread over the slices: its name, and the body and path of the PUT."""
        for number in range(count):
            index = number % len(self._slices)
            self._slices[index].append(self._endpoint(index, len(self._slices[index])))
            name = self._slices[index][-1]["targetRef"]["name"]
            yield name, self._body(index), path_of("EndpointSlice", NAMESPACE, self._slice_name(index))

    def join(self, path: str, body: bytes) -> Put:
        """Make the change."""
        return self._server.write("PUT", path, body)

    def fingerprint(self, file: Path) -> str:
        """Of every byte."""
        return hashlib.sha256(file.read_bytes()).hexdigest()

    def _write_base(self, method: str) -> None:
        sizes = [min(PER_SLICE, self._members - first) for first in range(0, self._members, PER_SLICE)]
        self._slices = [[self._endpoint(index, n) for n in range(size)] for index, size in enumerate(sizes)]
        for index in range(len(self._slices)):
            name = self._slice_name(index) if method == "PUT" else None
            self._server.write(method, path_of("EndpointSlice", NAMESPACE, name), self._body(index))

    def _body(self, index: int) -> bytes:
        made = endpoint_slice(self._slice_name(index), NAMESPACE, self._slices[index], service=self.service)
        return json.dumps(made, separators=(",", ":")).encode()

    def _slice_name(self, index: int) -> str:
        return f"{self.service}-{index:04d}"

    def _endpoint(self, index: int, number: int) -> Json:
        """As the controller writes it for a pod of a StatefulSet."""
        name = f"app-{index:04d}-{number:04d}"
        uid = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.service}/{name}"))
        return {
            **endpoint(f"10.{index // 250}.{index % 250}.{number % 250}"),
            "hostname": name,
            "nodeName": f"node-{number % 50:03d}",
            "zone": f"zone-{'abc'[number % 3]}",
            "targetRef": {"kind": "Pod", "namespace": NAMESPACE, "name": name, "uid": uid},
        }
