"""The connection: requests and responses over real sockets.

What the reflector makes of them is in ``test_reflector``; failures are in ``test_failures``, sockets in
``test_transport``, tokens and CAs in ``test_credentials``.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

import pytest

from sidecar.errors import SourceError
from sidecar.observability.metrics import Metrics
from sidecar.simulator import (
    Forbidden,
    ImmediateEOF,
    ScriptedService,
    Simulator,
)
from sidecar.sources.kubernetes.responses import decode_page
from tests.sources.kubernetes.requests import QUERY, TOKEN, ask, failure
from tests.support.builders import (
    PATH,
    answering,
    chunk,
    connected,
    credentials_for,
    encoded,
    endpoint_slice,
    line,
    metadata_of,
    response,
)

if TYPE_CHECKING:
    from sidecar.sources.kubernetes.connection import Connection


async def test_a_list_is_its_body(simulator: Simulator, connection: Connection) -> None:
    """As it was sent, with the query that was given and the name that people see in audit logs."""
    body = await connection.list(PATH, {**QUERY, "resourceVersion": "0"})
    assert len(decode_page(body).items or ()) == 1
    (asked,) = simulator.requests
    assert (asked.verb, asked.resource, asked.namespace) == ("list", "endpointslices", "default")
    assert asked.query == {**QUERY, "resourceVersion": "0"}
    assert asked.user_agent.startswith("membership-sidecar/")
    assert asked.authenticated


async def test_a_watch_is_its_chunks(simulator: Simulator, connection: Connection) -> None:
    """As they arrive, without waiting for more."""
    query = {**QUERY, "watch": "1", "resourceVersion": str(simulator.store.revision)}
    async with connection.watch(PATH, query) as stream:
        for name in ("b", "c"):
            simulator.put("endpointslices", endpoint_slice(name))
            assert f'"name":"{name}"'.encode() in await stream.read()


async def test_one_object_is_read(simulator: Simulator, connection: Connection) -> None:
    """By its path, and without a query."""
    body = await connection.read(f"{PATH}/app-a")
    assert metadata_of(body).name == "app-a"
    (asked,) = simulator.requests
    assert (asked.verb, asked.query) == ("get", {})


async def test_one_object_is_created(simulator: Simulator, connection: Connection) -> None:
    """The response is the object as the server stores it, with 201; creating it again is refused."""
    body = encoded(endpoint_slice("app-b") | {"metadata": {"name": "app-b"}})
    assert metadata_of(await connection.create(PATH, body)).resource_version == str(simulator.store.revision)
    assert metadata_of(await connection.read(f"{PATH}/app-b")).name == "app-b"
    with pytest.raises(SourceError, match=r"rejects the request \(409 on create ") as raised:
        await connection.create(PATH, body)
    assert raised.value.reason == "server_error"


async def test_a_created_object_has_the_content_type_json() -> None:
    """API servers accept other types, too, and some proxies refuse a body without a type."""
    heads = []

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append(head.lower())
        writer.write(response(b"{}", 201))

    async with answering(answer) as url, connected(credentials_for(url, token=TOKEN)) as connection:
        assert await connection.create(PATH, b'{"a":1}') == b"{}"
    assert b"post /apis/" in heads[0]
    assert b"content-type: application/json\r\n" in heads[0]
    assert b"content-length: 7\r\n" in heads[0]
    assert TOKEN.encode() in heads[0]


async def test_a_missing_object_is_reported(connection: Connection) -> None:
    """It is something else than a missing resource."""
    with pytest.raises(SourceError) as raised:
        await connection.read(f"{PATH}/app-z")
    assert raised.value.reason == "not_found"
    assert raised.value.message == (
        f'There is no such object (404 on get {PATH}/app-z): endpointslices.discovery.k8s.io "app-z" not found.'
        " Create it, or correct the name."
    )


@pytest.mark.parametrize("code", [200, 202, 204])
async def test_only_201_means_created(code: int) -> None:
    """A proxy's login page comes with 200."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"", code))

    async with answering(answer) as url, connected(credentials_for(url)) as connection:
        with pytest.raises(SourceError):
            await connection.create(PATH, b"{}")


async def test_a_large_list_is_not_compressed(simulator: Simulator, connection: Connection) -> None:
    """The server would compress it beyond 128 KiB, if that was accepted."""
    ScriptedService(simulator).scale(1500)
    body = await connection.list(PATH, QUERY)
    assert simulator.requests[0].accept_encoding == "identity"
    assert len(body) > 256 * 1024
    assert len(decode_page(body).items or ()) == 16


async def test_a_compressed_watch_is_read() -> None:
    """A proxy may compress it unasked: each event is read without waiting for the end."""
    lines = [line("ADDED", endpoint_slice(name)) for name in ("a", "b")]
    heard = asyncio.Event()

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        packer = zlib.compressobj(wbits=31)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n")
        for text in lines:
            heard.clear()
            writer.write(chunk(packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)))
            await heard.wait()

    async with (
        answering(answer) as url,
        connected(credentials_for(url)) as connection,
        connection.watch(PATH, QUERY) as stream,
    ):
        for text in lines:
            got = b""
            while got != text:
                got += await stream.read()
            heard.set()


async def test_requests_are_counted(simulator: Simulator) -> None:
    """By verb and code, refusals included."""
    metrics = Metrics([])
    simulator.script(Forbidden(verb="list"), ImmediateEOF(verb="watch"))
    async with connected(credentials_for(simulator.url), metrics=metrics) as connection:
        await failure(connection, "list")
        await ask(connection, "list")
        await ask(connection, "watch")
    for verb, code in (("list", "403"), ("list", "200"), ("watch", "200")):
        assert metrics.registry.get_sample_value("membership_api_requests_total", {"verb": verb, "code": code}) == 1


async def test_a_watch_can_be_interrupted_while_it_is_read(simulator: Simulator, connection: Connection) -> None:
    """It ends as if the server had ended it; once more does no harm."""
    query = {**QUERY, "watch": "1", "resourceVersion": str(simulator.store.revision)}
    async with connection.watch(PATH, query) as stream:
        reading = asyncio.create_task(stream.read())
        await asyncio.sleep(0.01)
        assert not reading.done()
        stream.interrupt()
        assert await reading == b""
        stream.interrupt()
        assert await stream.read() == b""


async def test_an_interrupted_watch_is_not_read_any_further(simulator: Simulator, connection: Connection) -> None:
    """Not even what has arrived already."""
    query = {**QUERY, "watch": "1", "resourceVersion": str(simulator.store.revision)}
    async with connection.watch(PATH, query) as stream:
        simulator.put("endpointslices", endpoint_slice("b"))
        await asyncio.sleep(0.05)
        stream.interrupt()
        assert await stream.read() == b""


async def test_a_read_that_is_cancelled_loses_nothing(simulator: Simulator, connection: Connection) -> None:
    """Whoever waits for a chunk only so long gets it with the next read."""
    query = {**QUERY, "watch": "1", "resourceVersion": str(simulator.store.revision)}
    async with connection.watch(PATH, query) as stream:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await stream.read()
        simulator.put("endpointslices", endpoint_slice("b"))
        assert b'"name":"b"' in await stream.read()
