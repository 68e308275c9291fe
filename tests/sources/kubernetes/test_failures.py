"""Connections that break, stall or are not HTTP: which reason and message they become."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import TYPE_CHECKING, cast

import aiohttp
import pytest
from aiohttp.client_reqrep import RequestInfo
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from sidecar.errors import SourceError
from sidecar.simulator import (
    FOREVER,
    CutMidLine,
    Refuse,
    Silence,
    Simulator,
)
from sidecar.sources.kubernetes.failures import translated
from tests.support.builders import (
    PATH,
    answering,
    connected,
    credentials_for,
    endpoint_slice,
    response,
)

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ConnectionKey

    from sidecar.simulator import Fault
    from sidecar.sources.kubernetes.connection import Connection
from tests.sources.kubernetes.requests import IMPATIENT, QUERY, TOKEN, VERBS, Verb, ask, chunks_of, failure

CHECK_ADDRESS = "Check its address, and whether a NetworkPolicy or a firewall drops the packets."


async def test_a_refused_connection_is_reported(simulator: Simulator) -> None:
    """The message says where."""
    await simulator.stop_serving()
    async with connected(credentials_for(simulator.url, token=TOKEN)) as connection:
        for verb in VERBS:
            error = await failure(connection, verb)
            assert error.reason == "refused"
            assert error.message.startswith(f"{simulator.url} cannot be reached: ")


async def test_a_list_on_which_nothing_arrives_is_given_up(simulator: Simulator) -> None:
    """Half-open connections do not end by themselves."""
    simulator.script(Silence(times=FOREVER))
    async with connected(credentials_for(simulator.url, token=TOKEN), timeouts=IMPATIENT) as connection:
        error = await failure(connection, "list")
    assert (error.reason, error.message) == (
        "timeout",
        f"{simulator.url} did not answer in time. {CHECK_ADDRESS}",
    )


async def test_a_watch_on_which_nothing_arrives_times_out(simulator: Simulator) -> None:
    """That is not a failure: perhaps there is nothing to say."""
    simulator.script(Silence(times=FOREVER))
    async with connected(credentials_for(simulator.url, token=TOKEN), timeouts=IMPATIENT) as connection:
        with pytest.raises(TimeoutError):
            await ask(connection, "watch")


@pytest.mark.parametrize("verb", VERBS)
async def test_a_server_that_never_answers_is_given_up(verb: Verb) -> None:
    """It has accepted the connection and the request, but sends no response."""

    async def answer(_: bytes, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async with answering(answer) as url, connected(credentials_for(url), timeouts=IMPATIENT) as connection:
        async with asyncio.timeout(5):
            assert (await failure(connection, verb)).reason == "timeout"


async def test_a_list_that_arrives_too_slowly_is_given_up(simulator: Simulator) -> None:
    """Each byte comes in time, the whole does not."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with answering(answer) as url, connected(credentials_for(url), timeouts=IMPATIENT) as connection:
        assert (await failure(connection, "list")).reason == "timeout"


@pytest.mark.parametrize("verb", VERBS)
async def test_a_server_that_does_not_accept_the_connection_is_given_up(verb: Verb) -> None:
    """A full backlog, or packets that are dropped: SYN is not answered."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        with socket.socket() as first, socket.socket() as second:
            for filler in (first, second):
                filler.settimeout(0)
                filler.connect_ex(full.getsockname())
            async with connected(credentials_for(url, token=TOKEN), timeouts=IMPATIENT) as connection:
                assert (await failure(connection, verb)).reason == "timeout"


@pytest.mark.parametrize(
    "fault", [Refuse(times=2), CutMidLine(), CutMidLine(reset=True)], ids=["FIN first", "FIN", "RST"]
)
@pytest.mark.parametrize("verb", VERBS)
async def test_a_broken_connection_is_reported(
    simulator: Simulator, connection: Connection, verb: Verb, fault: Fault
) -> None:
    """Before the response (twice: aiohttp repeats the request itself) and in the middle of it, by FIN and by RST."""
    revision = str(simulator.store.revision - 1) if verb == "watch" else "0"
    simulator.script(fault)
    error = await failure(connection, verb, resourceVersion=revision)
    assert error.reason == "connection"
    assert error.message.startswith(f"The connection to {simulator.url} broke: ")


async def test_what_comes_before_a_break_is_used(simulator: Simulator, connection: Connection) -> None:
    """The events before it are complete."""
    simulator.script(CutMidLine(verb="watch", after=1))
    query = {**QUERY, "watch": "1", "resourceVersion": str(simulator.store.revision - 1)}
    got = b""

    async def take_all() -> None:
        nonlocal got
        async with connection.watch(PATH, query) as stream:
            simulator.put("endpointslices", endpoint_slice("b"))
            async for piece in chunks_of(stream):
                got += piece

    with pytest.raises(SourceError, match="broke"):
        await take_all()
    assert got.startswith(b'{"type":"ADDED"')
    assert b"\n" in got


@pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 abc\r\n\r\n", b""])
@pytest.mark.parametrize("verb", VERBS)
async def test_a_peer_that_does_not_speak_http_is_reported(words: bytes, verb: Verb) -> None:
    """It may be the wrong port."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(words)

    async with answering(answer) as url, connected(credentials_for(url, token=TOKEN)) as connection:
        assert (await failure(connection, verb)).reason == "connection"


async def test_a_body_that_is_not_what_its_header_says_is_reported() -> None:
    """It claims to be gzip."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"no gzip", 200, "Content-Encoding: gzip"))

    async with answering(answer) as url, connected(credentials_for(url)) as connection:
        assert (await failure(connection, "list")).reason == "connection"


@pytest.mark.parametrize("verb", VERBS)
async def test_a_token_that_cannot_be_a_header_is_reported(simulator: Simulator, verb: Verb) -> None:
    """It contains a line break, from a file that was pasted; the message does not quote it."""
    async with connected(credentials_for(simulator.url, token=f"{TOKEN}\n{TOKEN}")) as connection:
        error = await failure(connection, verb)
    assert error.reason == "malformed"
    assert error.message.startswith(f"The token or the address of {simulator.url} has a character that HTTP forbids")
    assert simulator.requests == ()


# --- What operators read


class Unspoken:
    """A connection key of aiohttp's, with an object that nobody should see."""

    host, port, ssl, is_ssl = "api.example", 6443, ssl.create_default_context(), True


REQUEST = RequestInfo(URL("http://api.example/x?token=secret"), "GET", CIMultiDictProxy(CIMultiDict()))
KEY = cast("ConnectionKey", Unspoken())
RESET = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
BAD_LINE = aiohttp.ClientResponseError(REQUEST, (), status=400, message="Invalid status line: b'SSH-2.0'")

RAW: dict[str, tuple[Exception, str]] = {
    "refused": (
        aiohttp.ClientConnectorError(KEY, OSError(errno.ECONNREFUSED, "Connect call failed ('10.0.0.1', 6443)")),
        "https://api cannot be reached: Connection refused.",
    ),
    "several addresses": (
        aiohttp.ClientConnectorError(KEY, OSError("Multiple exceptions: [Errno 111] Connect call failed")),
        "https://api cannot be reached: no connection could be made.",
    ),
    "no such name": (
        aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(socket.EAI_NONAME, "Name or service not known")),
        "https://api cannot be reached: Name or service not known.",
    ),
    "proxy": (
        aiohttp.ClientProxyConnectionError(KEY, OSError(errno.ECONNREFUSED, "Connect call failed")),
        "The proxy for https://api cannot be reached: Connection refused.",
    ),
    "proxy says no": (
        aiohttp.ClientHttpProxyError(REQUEST, (), status=407, message="Proxy Authentication Required"),
        "The connection to https://api broke: the proxy answered 407 Proxy Authentication Required.",
    ),
    "cut": (
        aiohttp.ClientPayloadError("Response payload is not completed: <TransferEncodingError: 400, message='x'>"),
        "The connection to https://api broke: it ended in the middle of a response.",
    ),
    "reset": (RESET, "The connection to https://api broke: Connection reset by peer."),
    "disconnected": (
        aiohttp.ServerDisconnectedError(),
        "The connection to https://api broke: it was closed before a response.",
    ),
    "closed while writing": (
        aiohttp.ClientConnectionResetError("Cannot write to closing transport"),
        "The connection to https://api broke: it was closed.",
    ),
    "no HTTP": (BAD_LINE, "The connection to https://api broke: what came is not HTTP."),
    "TLS": (
        aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "[SSL: BAD_ECPOINT] bad ecpoint (_ssl.c:1006)")),
        "TLS to https://api failed: bad ecpoint. Check the certificates of both sides and what is in between.",
    ),
}


@pytest.mark.parametrize(("raised", "message"), RAW.values(), ids=RAW)
def test_messages_do_not_quote_the_library(raised: Exception, message: str) -> None:
    """Its own texts contain objects and URLs."""
    with pytest.raises(SourceError) as caught, translated("https://api"):
        raise raised
    assert caught.value.message == message
