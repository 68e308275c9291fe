"""Requests to a server, and the errors that they end with: what the tests of the connection share."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
import structlog

from sidecar.errors import SourceError
from sidecar.sources.kubernetes.connection import Connection, Timeouts, WatchStream
from tests.support.builders import PATH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


Verb = Literal["list", "watch"]

VERBS: tuple[Verb, ...] = ("list", "watch")

TOKEN = "very-secret-token"  # noqa: S105 - of nobody
QUERY = {"labelSelector": "kubernetes.io/service-name=app"}
IMPATIENT = Timeouts(connect=0.1, list_total=0.3, list_read=0.1, watch_head=0.1, watch_read=0.1)


async def ask(connection: Connection, verb: Verb, **query: str) -> bytes:
    """The whole response."""
    query = QUERY | query
    if verb == "list":
        return await connection.list(PATH, query)
    async with connection.watch(PATH, {**query, "watch": "1", "timeoutSeconds": "1"}) as stream:
        return b"".join([chunk async for chunk in chunks_of(stream)])


async def chunks_of(stream: WatchStream) -> AsyncIterator[bytes]:
    """The chunks of a watch, to its end."""
    while chunk := await stream.read():
        yield chunk


async def failure(connection: Connection, verb: Verb, **query: str) -> SourceError:
    """The error that a request ends with; it never contains the token."""
    with pytest.raises(SourceError) as raised, structlog.testing.capture_logs() as logged:
        await ask(connection, verb, **query)
    session = await connection.credentials.current()
    for words in (raised.value.message, str(raised.value), repr(raised.value), repr(session), repr(logged)):
        assert TOKEN not in words
    assert raised.value.reason in SourceError.REASONS
    return raised.value


def sockets_to(port: int) -> Iterator[socket.socket]:
    """Copies of the sockets of this process that are connected to *port*."""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            copied = os.dup(int(entry.name))
        except OSError:
            continue
        try:
            found = socket.socket(fileno=copied)
        except OSError:
            os.close(copied)
            continue
        with found:
            try:
                peer = found.getpeername()
            except OSError:
                continue
            if found.family == socket.AF_INET and peer[1] == port:
                yield found
