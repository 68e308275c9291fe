"""HTTP sessions to the API server: sockets that notice a dead peer, no cookies, and no say for the environment.

kubernetes-asyncio's own client has no keepalive and no timeouts, and takes proxies and netrc from the environment.
Nothing is compressed: within a cluster that costs both sides more than it saves, which is why the control plane's own
clients do without (kubernetes#80919).
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet

import aiohttp
from aiohttp.abc import AbstractCookieJar

from sidecar import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp.connector import AddrInfoType

KEEPALIVE_IDLE = 20
"""Seconds without traffic after which the kernel probes the peer."""

KEEPALIVE_INTERVAL = 10
"""Seconds between probes."""

KEEPALIVE_COUNT = 3
"""Unanswered probes that end the connection: a dead peer is noticed after 20 s + 3 x 10 s."""

UNACKNOWLEDGED_MS = 45_000
"""TCP_USER_TIMEOUT in milliseconds: the same for a connection with unacknowledged data."""

READ_BUFFER = 2**18
"""Bytes; a LIST of 10,000 endpoints is 2.5 MB."""


class Transport:
    """Opens sessions, and closes them together with every socket that was opened for them."""

    def __init__(self) -> None:
        self._sessions: list[aiohttp.ClientSession] = []
        self._sockets: WeakSet[socket.socket] = WeakSet()

    def session(self, **pooling: Any) -> aiohttp.ClientSession:  # noqa: ANN401 - as the connector takes it
        """A new session.

        It has no limit of connections: each watch keeps one for minutes, and one that waited for another's would look
        like a server that does not answer.

        Args:
            pooling: how long connections are kept, as ``aiohttp.TCPConnector`` takes it.
        """
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=self._socket, limit=0, **pooling),
            trust_env=False,
            read_bufsize=READ_BUFFER,
            headers={
                "User-Agent": f"membership-sidecar/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
            cookie_jar=NoCookies(),
        )
        self._sessions.append(session)
        return session

    async def close(self) -> None:
        """Close the sessions, and the sockets that they do not know of.

        A request that is cancelled just before its TLS handshake leaves a connection that nobody owns (asyncio's
        ``SSLProtocol`` ignores a close in that state); shutting down its socket ends it.
        """
        for session in self._sessions:
            await session.close()
        for opened in self._sockets:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
        await asyncio.sleep(0)

    def _socket(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        opened = socket.socket(family, kind, protocol)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_COUNT)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
        self._sockets.add(opened)
        return opened


class NoCookies(AbstractCookieJar):
    """A cookie jar that stays empty.

    aiohttp's DummyCookieJar does that too, but its module imports pickle and calendar: 0.8 MiB.
    """

    cookies: ClassVar[Any] = {}
    host_only_cookies: ClassVar[Any] = frozenset()
    unsafe = False
    quote_cookie = False

    def clear(self, predicate: object = None) -> None:
        """There is nothing to clear."""

    def clear_domain(self, domain: str) -> None:
        """There is nothing to clear."""

    def update_cookies(self, cookies: object, response_url: object = None) -> None:
        """Ignore them."""

    def filter_cookies(self, request_url: object) -> Any:  # noqa: ANN401, ARG002 - a BaseCookie, which is a dict
        """No cookies."""
        return {}

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Any]:
        return iter(())
