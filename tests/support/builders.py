"""What several test files need: objects and bytes as an API server sends them, and someone who follows a source.

Each builder makes something ordinary and takes what is to be different. What an API server *does* is the simulator's
business, or a script in the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from sidecar.membership.fold import State
from sidecar.membership.member import Member
from sidecar.observability.metrics import Metrics
from sidecar.sources.kubernetes.collection import Collection, reader
from sidecar.sources.kubernetes.connection import Connection
from sidecar.sources.kubernetes.credentials import Credentials
from sidecar.sources.kubernetes.endpointslices import EndpointSlice, EndpointSlices, endpoint_slice_origin
from sidecar.sources.kubernetes.objects import Metadata, Object, Projection, decoder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from sidecar.membership.events import Event, Report
    from sidecar.sources import Source
    from sidecar.sources.kubernetes.connection import Timeouts
    from sidecar.sources.kubernetes.loaders import Configuration, Loader

Json: TypeAlias = dict[str, Any]

PATH = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
SCOPE = "endpointslice/default/app"
SELECTOR = "kubernetes.io/service-name=app"

PATIENCE = 10.0
"""Seconds of the loop's clock after which ``Followed.until`` gives up: a failure, never the way to success."""

HAZELCAST_0 = Member(
    name="hazelcast-0",
    namespace="shop",
    service="hazelcast",
    uid="5c0d5a0e",
    address="10.244.1.7",
    addresses=("10.244.1.7",),
    port=5701,
    hostname="hazelcast-0",
    node="worker-2",
    zone="eu-central-1a",
    ready=False,
    serving=True,
    terminating=True,
    is_self=False,
)
"""What is to be read from the objects that real controllers have written: a pod on its way out."""


def endpoint(number: int = 0, **overrides: object) -> Json:
    """An Endpoint of the pod app-*number*."""
    made: Json = {
        "addresses": [f"10.0.0.{number + 1}"],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "nodeName": f"node-{number % 3}",
        "zone": "zone-a",
        "targetRef": {"kind": "Pod", "namespace": "default", "name": f"app-{number}", "uid": f"uid-{number}"},
    }
    return made | overrides


def endpoint_slice(name: str = "app-a", revision: int | str = 100, **overrides: object) -> Json:
    """An EndpointSlice of the Service app with one endpoint."""
    made: Json = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"slice-{name}",
            "resourceVersion": str(revision),
            "labels": {"kubernetes.io/service-name": "app", "endpointslice.kubernetes.io/managed-by": "controller"},
        },
        "addressType": "IPv4",
        "endpoints": [endpoint()],
        "ports": [{"name": "hazelcast", "port": 5701, "protocol": "TCP"}],
    }
    return made | overrides


def encoded(obj: object) -> bytes:
    """As compact JSON."""
    return json.dumps(obj, separators=(",", ":")).encode()


def page(*items: Json, revision: int | str = 100, **metadata: str) -> bytes:
    """The body of a LIST."""
    head = {"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1"}
    return encoded(head | {"metadata": {"resourceVersion": str(revision), **metadata}, "items": list(items)})


def line(kind: str, obj: Json) -> bytes:
    """A line of a WATCH."""
    return encoded({"type": kind, "object": obj}) + b"\n"


def bookmark(revision: int | str) -> bytes:
    """A BOOKMARK."""
    return line("BOOKMARK", {"kind": "EndpointSlice", "metadata": {"resourceVersion": str(revision)}})


def error_event(code: int, reason: str, message: str = "no", **details: object) -> bytes:
    """An ERROR event."""
    return line("ERROR", {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details})


def report(obj: Json) -> Report:
    """What the sidecar is expected to know of an EndpointSlice."""
    return reader(collection())(encoded(obj))


def reports(*objects: Json) -> Mapping[str, Report]:
    """The same of several, by origin."""
    return {made.origin: made for made in map(report, objects)}


def metadata_of(body: bytes) -> Metadata:
    """The metadata of any object."""
    return decoder(Object)(body).metadata


def collection() -> Collection[EndpointSlice]:
    """The EndpointSlices of the Service app."""
    return Collection(
        scope=SCOPE,
        path=PATH,
        query={"labelSelector": SELECTOR},
        kind=EndpointSlice,
        project=EndpointSlices(Projection()).project,
        origin=endpoint_slice_origin,
    )


class Followed:
    """What a source has said so far."""

    def __init__(self, scope: str) -> None:
        self.events: list[Event] = []
        self.times: list[float] = []
        """When each came, on the loop's clock."""
        self.state = State.of([scope])
        self._scope = scope
        self._changed = asyncio.Event()
        self._over: BaseException | None = None

    @property
    def reports(self) -> Mapping[str, Report]:
        """What is known from it now, by origin."""
        return dict(self.state.scopes[self._scope].reports)

    @property
    def revision(self) -> str:
        """Up to where."""
        return self.state.scopes[self._scope].resource_version

    def of(self, kind: type[Event]) -> list[Event]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def kinds(self) -> list[str]:
        """The names of the events' classes."""
        return [type(event).__name__ for event in self.events]

    async def listen(self, source: Source) -> None:
        """Take in all that *source* says."""
        try:
            async for event in source.events():
                self.events.append(event)
                self.times.append(asyncio.get_running_loop().time())
                self.state.apply(event)
                self._changed.set()
        except Exception as error:
            self._over = error
            self._changed.set()
            raise

    async def until(self, wanted: Callable[[Followed], object], *, within: float = PATIENCE) -> None:
        """Wait until what was said is as *wanted*, but no longer than so many seconds.

        Raises:
            TimeoutError: if that does not come to pass.
        """
        async with asyncio.timeout(within):
            while not wanted(self):
                if self._over:
                    raise self._over
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def following(source: Source) -> AsyncIterator[Followed]:
    """Follow *source* in a task of its own for as long as the context lasts."""
    followed = Followed(source.scope)
    task = asyncio.create_task(followed.listen(source))
    try:
        yield followed
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def credentials_for(
    url: str, *, token: str = "", ca: Path | None = None, server_name: str | None = None, proxy: str | None = None
) -> Loader:
    """Load credentials for the API server at *url*."""

    async def load(configuration: Configuration, *, afresh: bool) -> str:
        configuration.host = url
        configuration.ssl_ca_cert = str(ca) if ca else None
        configuration.tls_server_name = server_name
        configuration.proxy = proxy
        if token:
            configuration.api_key["BearerToken"] = f"Bearer {token}"
        return "default"

    return load


@asynccontextmanager
async def connected(
    load: Loader, *, metrics: Metrics | None = None, timeouts: Timeouts | None = None
) -> AsyncIterator[Connection]:
    """A connection that is closed in the end."""
    metrics = metrics or Metrics([])
    connection = Connection(Credentials(load, asyncio.get_running_loop().time, metrics), metrics, timeouts)
    try:
        yield connection
    finally:
        await connection.close()


def certificate(directory: Path, name: str = "server", *, expired: bool = False) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own CA, and its key."""
    made, key = directory / f"{name}.crt", directory / f"{name}.key"
    extensions = ("subjectAltName=IP:127.0.0.1", "keyUsage=critical,keyCertSign,digitalSignature")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", f"/CN={name}", "-keyout", str(key), "-out", str(made)]
    command += [word for extension in extensions for word in ("-addext", extension)]
    subprocess.run(command, check=True, capture_output=True)
    if expired:
        command = ["openssl", "x509", "-in", str(made), "-signkey", str(key), "-days", "-1", "-out", str(made)]
        subprocess.run(command, check=True, capture_output=True)
    return made, key


def tls_server(made: Path, key: Path) -> ssl.SSLContext:
    """The context of a server with that certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made, key)
    return context


@asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], scheme: str = "http"
) -> AsyncIterator[str]:
    """The URL of a server that does *serve* to whoever connects."""
    busy: set[asyncio.Task[Any]] = set()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        busy.add(task)
        task.add_done_callback(busy.discard)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            try:
                await serve(reader, writer)
            finally:
                writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tuple(busy):
            task.cancel()
        await asyncio.gather(*busy)


def answering(answer: Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]) -> AbstractAsyncContextManager[str]:
    """The URL of a server that gives *answer* to every request, for what a decent server cannot be made to say.

    Args:
        answer: takes the head of a request and writes whatever it likes.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(await reader.readuntil(b"\r\n\r\n"), writer)

    return listening(serve)


def response(body: bytes, code: int = 200, *headers: str) -> bytes:
    """An answer of HTTP/1.1, as it stands on the wire."""
    lines = (f"HTTP/1.1 {code} Whatever", f"Content-Length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


def chunk(data: bytes) -> bytes:
    """A chunk of a body that is sent in chunks."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
