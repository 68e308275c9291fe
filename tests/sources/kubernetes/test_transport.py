"""Sockets and sessions: what the kernel watches, what is shared and closed, and that the environment has no say."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from sidecar.simulator import (
    FOREVER,
    Forbidden,
    ImmediateEOF,
    Silence,
    Simulator,
)
from sidecar.sources.kubernetes.responses import decode_page
from tests.support.builders import (
    PATH,
    answering,
    connected,
    credentials_for,
    response,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sidecar.sources.kubernetes.connection import Connection
from tests.sources.kubernetes.requests import QUERY, TOKEN, VERBS, Verb, ask, failure, sockets_to


@pytest.mark.parametrize("verb", VERBS)
async def test_a_dead_peer_is_noticed_by_the_kernel(simulator: Simulator, connection: Connection, verb: Verb) -> None:
    """Keepalive for a silent connection, a limit for unacknowledged data; on the sockets that are really used."""
    simulator.script(Silence(times=FOREVER))
    asking = asyncio.create_task(ask(connection, verb))
    await simulator.request(verb=verb)
    (used,) = [
        (
            one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            one.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
            one.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
            one.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
            one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
        )
        for one in sockets_to(simulator.port)
    ]
    asking.cancel()
    assert used == (1, 20, 10, 3, 45_000)


async def test_lists_share_a_connection_and_watches_have_their_own(
    simulator: Simulator, connection: Connection
) -> None:
    """A half-open watch cannot poison the relist, and a list costs no handshake."""
    async with connection.watch(PATH, {**QUERY, "watch": "1"}), connection.watch(PATH, {**QUERY, "watch": "1"}):
        await connection.list(PATH, QUERY)
        await connection.list(PATH, QUERY)
        first_watch, second_watch, first_list, second_list = [asked.connection for asked in simulator.requests]
    assert first_list == second_list
    assert len({first_list, first_watch, second_watch}) == 3


async def test_the_socket_of_a_watch_is_closed_when_it_is_over(simulator: Simulator, connection: Connection) -> None:
    """Left early, ended by the server or refused: none is kept."""
    query = {**QUERY, "watch": "1"}
    async with connection.watch(PATH, query):
        assert len(list(sockets_to(simulator.port))) == 1
    simulator.script(ImmediateEOF(), Forbidden())
    await ask(connection, "watch")
    await failure(connection, "watch")
    async with asyncio.timeout(5):
        while list(sockets_to(simulator.port)):
            await asyncio.sleep(0)


async def test_the_environment_is_ignored(
    simulator: Simulator, connection: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Proxies and netrc are for people; the API server is in the cluster, and a netrc entry would replace the token."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    simulator.accept_tokens(TOKEN)
    assert decode_page(await connection.list(PATH, QUERY)).items


async def test_the_proxy_of_a_kubeconfig_is_used() -> None:
    """It is asked for the whole URL."""
    asked = []

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head.split()[1].partition(b"?")[0])
        writer.write(response(b"{}"))

    async with answering(answer) as proxy, connected(credentials_for("http://api.example", proxy=proxy)) as connection:
        assert await ask(connection, "list") == b"{}"
    assert asked == [f"http://api.example{PATH}".encode()]


async def test_a_closed_connection_leaves_no_socket(simulator: Simulator) -> None:
    """Those of lists are kept open, but no longer than the connection."""
    async with connected(credentials_for(simulator.url)) as connection:
        await ask(connection, "list")
        assert len(list(sockets_to(simulator.port))) == 1
    async with asyncio.timeout(5):
        while list(sockets_to(simulator.port)):
            await asyncio.sleep(0)


async def test_any_number_of_watches_can_be_open_and_lists_do_not_wait_for_them(
    simulator: Simulator, connection: Connection
) -> None:
    """There is one for each namespace; a limit of the pool would look like a server that does not answer."""
    async with AsyncExitStack() as stack:
        async with asyncio.timeout(5):
            for _ in range(12):
                await stack.enter_async_context(connection.watch(PATH, {**QUERY, "watch": "1"}))
            lists = (connection.list(PATH, QUERY) for _ in range(12))
            assert len(await asyncio.gather(*lists)) == 12
        assert len({asked.connection for asked in simulator.requests if asked.verb == "watch"}) == 12
