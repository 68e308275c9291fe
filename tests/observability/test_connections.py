"""The connections of the HTTP server: their number, idle ones, and malformed requests. The pages: ``test_server``."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog

from sidecar.observability.connections import MAX_CONNECTIONS
from tests.observability.serving import served

if TYPE_CHECKING:
    from collections.abc import Iterator

LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


class Client:
    """A connection that sends bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, url: str) -> Client:
        """Connect to the server."""
        return cls(*await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2])))

    async def send(self, request: bytes) -> bytes:
        """Send bytes and return the status line of the response; empty if the connection was closed instead."""
        self._writer.write(request)
        return await self._reader.readline()

    async def closed(self) -> None:
        """Wait until the server closes the connection, and close this end."""
        with suppress(ConnectionResetError):
            while await self._reader.read(1000):
                pass
        self.close()

    def close(self) -> None:
        """Close it at once."""
        self._writer.transport.abort()


@contextmanager
def no_file_descriptors() -> Iterator[None]:
    """Until the end of the block, this process can open no more files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (max(int(file.name) for file in Path("/proc/self/fd").iterdir()) + 1, hard)
    )
    taken = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        for number in taken:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_above_the_limit_the_oldest_connection_is_closed() -> None:
    """So that a probe always gets a connection; one warning is logged, however many there are."""
    with structlog.testing.capture_logs() as logged:
        async with served() as url:
            clients = [await Client.connect(url) for _ in range(3 * MAX_CONNECTIONS)]
            await asyncio.gather(*(client.closed() for client in clients[: 2 * MAX_CONNECTIONS]))
            kept = clients[2 * MAX_CONNECTIONS :]
            assert {await client.send(LIVEZ) for client in kept} == {b"HTTP/1.1 200 OK\r\n"}
            for client in kept:
                client.close()
    assert [line["event"] for line in logged] == ["too many HTTP connections"]


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /livez HT", b"GET /livez HTTP/1.1\r\nHost: x\r\nX: 1\r\n"],
    ids=["nothing", "part of a line", "no end of the head"],
)
async def test_a_connection_without_a_complete_request_is_closed(sent: bytes) -> None:
    """Whether nothing was sent, or only a part of the head."""
    async with served(idle_seconds=0.1) as url:
        client = await Client.connect(url)
        assert await client.send(sent) == b""
        client.close()


async def test_a_connection_is_kept_between_requests_for_a_while() -> None:
    """It serves a second request, and is closed when no other one follows."""
    async with served(idle_seconds=0.5) as url:
        client = await Client.connect(url)
        assert await client.send(LIVEZ) == b"HTTP/1.1 200 OK\r\n"
        await client.send(LIVEZ)
        await client.closed()


@pytest.mark.slow
async def test_a_client_that_does_not_send_its_body_is_answered_and_dropped() -> None:
    """No page reads a body."""
    async with served() as url:
        client = await Client.connect(url)
        request = b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
        assert await client.send(request) == b"HTTP/1.1 405 Method Not Allowed\r\n"
        await client.closed()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET http://[x/livez HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + 9000 * b"a" + b"\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n" + 100 * b"X: y\r\n" + b"\r\n",
        b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    ],
    ids=["TLS", "version", "URL", "path", "long header", "many headers", "length"],
)
async def test_a_malformed_request_is_answered_with_400_and_not_logged(
    request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is the client's mistake: a traceback in the log would look like the sidecar's."""
    caplog.set_level(logging.INFO)
    async with served() as url:
        client = await Client.connect(url)
        assert b" 400 Bad Request" in await client.send(request_bytes)
        await client.closed()
    assert caplog.records == []


async def test_without_a_file_descriptor_connections_wait(caplog: pytest.LogCaptureFixture) -> None:
    """One warning is logged, and the connection is served as soon as there is a file descriptor for it."""
    with structlog.testing.capture_logs() as logged:
        async with served() as url:
            waiting = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))  # before the loop accepts it
            with no_file_descriptors():
                while not logged:
                    await asyncio.sleep(0)
            client = Client(*await asyncio.open_connection(sock=waiting))
            assert await client.send(LIVEZ) == b"HTTP/1.1 200 OK\r\n"
            client.close()
    assert [line["event"] for line in logged] == ["HTTP connection not accepted"]
    assert caplog.records == []
