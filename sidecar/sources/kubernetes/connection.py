"""The connection to the API server: requests and answers as bytes, and whose fault a failure is (``messages``).

Host, TLS and credentials come from kubernetes-asyncio (``credentials``); the requests run on aiohttp sessions of our
own, because the client's has no keepalive, no time-outs, and honours proxies and netrc from the environment. LIST and
WATCH have a session each, so that a half-open pooled connection cannot poison the relist; GET and POST of one object
go with LIST. Nothing is compressed: within a cluster that costs both sides more than it saves, which is why the control
plane's own clients do without (kubernetes#80919). What the bytes mean is the business of whoever asked.

A dead connection is noticed by two clocks: the kernel's keepalive, and a read deadline. Neither alone is enough:
keepalive is answered by a load balancer between, and a watch on which nothing happens gets no bookmarks either, hence
silence (``silent``) is a reason to watch again, not a failure.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import aiohttp
import msgspec

from sidecar import __version__
from sidecar.errors import SourceError
from sidecar.sources.kubernetes import explanations
from sidecar.sources.kubernetes.cookies import NoCookies
from sidecar.sources.kubernetes.objects import decode_status
from sidecar.sources.kubernetes.silence import ReadDeadline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from aiohttp.connector import AddrInfoType

    from sidecar.observability.metrics import Metrics
    from sidecar.sources.kubernetes.credentials import Credentials


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long a silent peer is waited for, in seconds."""

    connect: float = 10.0
    """TCP and TLS each: client-go allows 30 and 10; a node in the same cluster answers in milliseconds."""
    list_total: float = 60.0
    """The API server's own limit for a request."""
    list_read: float = 20.0
    """Without a byte of a LIST."""
    watch_read: float = 150.0
    """Without a byte of a WATCH: two missed bookmarks and slack. A false alarm costs one request."""
    keepalive_idle: int = 20
    keepalive_interval: int = 10
    keepalive_count: int = 3
    """A dead peer of an idle connection is noticed after 20 s + 3 x 10 s."""
    unacknowledged_ms: int = 45_000
    """TCP_USER_TIMEOUT, in milliseconds: the same for a connection with data on its way."""
    idle: float = 1.0
    """That a connection is kept for the next request: the pages of a LIST follow each other at once, and then there is
    none for a long time, while a TLS connection is 0.3 MB."""


CHUNK = 2**18
"""Bytes of the read buffer; a LIST of 10,000 endpoints is 2.5 MB."""


LONGEST_EXPLANATION = 2**16
"""Bytes read of an answer that is an error; a Status has some hundred."""

_METHODS = {"get": "GET", "list": "GET", "watch": "GET", "create": "POST"}
"""HTTP's, by the verb that RBAC and the metrics know."""


class Connection:
    """An API server.

    Args:
        credentials: who we are, and where it is.
        metrics: counts the requests.
        timeouts: the time-outs.
    """

    def __init__(self, credentials: Credentials, metrics: Metrics, timeouts: Timeouts | None = None) -> None:
        self.credentials = credentials
        self._metrics = metrics
        self._timeouts = timeouts = timeouts or Timeouts()
        self._list_timeout = aiohttp.ClientTimeout(
            total=timeouts.list_total, sock_connect=timeouts.connect, sock_read=timeouts.list_read
        )
        self._watch_timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect)
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._list_session = self._session(keepalive_timeout=timeouts.idle)
        self._watch_session = self._session(force_close=True)

    async def close(self) -> None:
        """Close both sessions, and what they do not know of.

        A request that is cancelled just before its TLS handshake leaves a connection to nobody (asyncio's
        ``SSLProtocol`` ignores a close in that state), which an end of the stream ends.
        """
        await self._list_session.close()
        await self._watch_session.close()
        for made in self._sockets:
            with suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)
        await asyncio.sleep(0)

    async def list(self, path: str, query: Mapping[str, str]) -> bytes:
        """The body of a LIST.

        Raises:
            SourceError: if there was none.
        """
        return await self._body("list", path, query)

    async def read(self, path: str) -> bytes:
        """The body of a GET of one object.

        Raises:
            SourceError: if there was none; ``not_found`` if there is no such object.
        """
        return await self._body("get", path)

    async def create(self, path: str, body: bytes) -> bytes:
        """The body that is answered to a POST of *body*, which is JSON.

        Raises:
            SourceError: if there was none.
        """
        return await self._body("create", path, body=body)

    @asynccontextmanager
    async def watch(self, path: str, query: Mapping[str, str]) -> AsyncIterator[AsyncIterator[bytes]]:
        """The chunks of a WATCH as they arrive; their borders mean nothing.

        Raises:
            SourceError: on entering, if the watch was refused; in the iteration, if the connection failed.
        """
        async with self._ask("watch", path, query) as response:
            silence = ReadDeadline(self._timeouts.watch_read, lambda: response.content.set_exception(TimeoutError()))
            try:
                yield self._chunks(response, silence)
            finally:
                silence.stop()

    async def _body(self, verb: str, path: str, query: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
        async with self._ask(verb, path, query, body) as response:
            with translated(self.credentials.host):
                return await response.read()

    async def _chunks(self, response: aiohttp.ClientResponse, silence: ReadDeadline) -> AsyncIterator[bytes]:
        with translated(self.credentials.host):
            try:
                while chunk := await response.content.readany():
                    silence.heard()
                    yield chunk
            except TimeoutError as error:
                message = f"{self.credentials.host} sent nothing for {self._timeouts.watch_read:g} s."
                raise SourceError("silent", message) from error

    @asynccontextmanager
    async def _ask(
        self, verb: str, path: str, query: Mapping[str, str] | None = None, body: bytes = b""
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        watching = verb == "watch"
        session = await self.credentials.current()
        with translated(session.host):
            async with asyncio.timeout(self._timeouts.watch_read if watching else None):
                response = await (self._watch_session if watching else self._list_session).request(
                    _METHODS[verb],
                    session.host + path,
                    params=query,
                    data=body or None,
                    headers={**session.headers, "Content-Type": "application/json"} if body else session.headers,
                    ssl=session.tls,
                    server_hostname=session.server_name,
                    proxy=session.proxy,
                    timeout=self._watch_timeout if watching else self._list_timeout,
                    allow_redirects=False,
                )
        try:
            self._metrics.requests.labels(verb, str(response.status)).inc()
            if response.status != (201 if verb == "create" else 200):
                raise await _refusal(verb, path, response, self._timeouts.list_read)
            yield response
        finally:
            if watching:
                _cut(response)
            else:
                response.release()

    def _session(self, **keeping: Any) -> aiohttp.ClientSession:  # noqa: ANN401 - as the connector takes it
        connector = aiohttp.TCPConnector(limit=4, socket_factory=self._socket, **keeping)
        return aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            read_bufsize=CHUNK,
            headers={
                "User-Agent": f"membership-sidecar/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
            cookie_jar=NoCookies(),
        )

    def _socket(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, self._timeouts.keepalive_idle)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, self._timeouts.keepalive_interval)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, self._timeouts.keepalive_count)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._timeouts.unacknowledged_ms)
        self._sockets.add(made)
        return made


def _cut(response: aiohttp.ClientResponse) -> None:
    """End a watch now: a TLS connection that is closed politely would outlive its session."""
    if response.connection and response.connection.transport:
        response.connection.transport.abort()
    response.close()


@contextmanager
def translated(host: str) -> Iterator[None]:
    """Turn what aiohttp and the socket raise into ``SourceError``."""
    try:
        yield
    except aiohttp.ClientConnectorCertificateError as error:
        raise _tls_error(host, error.certificate_error) from error
    except (aiohttp.ClientSSLError, ssl.SSLError) as error:
        raise _tls_error(host, error) from error
    except TimeoutError as error:
        raise _error(explanations.silence(host)) from error
    except (aiohttp.ClientConnectorError, ConnectionRefusedError) as error:
        raise SourceError("refused", f"{host} cannot be reached: {error}.") from error
    except (aiohttp.ClientError, OSError) as error:
        raise SourceError(
            "connection", f"The connection to {host} broke: {str(error) or type(error).__name__}."
        ) from error
    except ValueError as error:  # a header that HTTP forbids, a line that is no chunk
        raise SourceError("malformed", f"{host} or the credentials for it are malformed: {error}.") from error


def _tls_error(host: str, error: Exception) -> SourceError:
    return _error(explanations.tls(host, str(error), getattr(error, "verify_code", 0)))


def _error(explanation: explanations.Explanation, retry_after: float = 0.0) -> SourceError:
    return SourceError(explanation.reason, explanation.message, retry_after)


async def _refusal(verb: str, path: str, response: aiohttp.ClientResponse, timeouts: float) -> SourceError:
    """The error for an answer that is one, after at most *timeouts* seconds for its body."""
    body = await _explanation(response, timeouts)
    status = decode_status(body)
    said = (status.message or body[:200].decode(errors="replace").strip().partition("\n")[0]).rstrip(".")
    after = response.headers.get("Retry-After", "")
    seconds = float(after) if after.isdecimal() else 0.0
    if status.details:
        seconds = max(seconds, status.details.retry_after_seconds)
        if any(cause.reason == "ResourceVersionTooLarge" for cause in status.details.causes or ()):
            message = f"The API server is behind what was already seen ({said})."
            return SourceError("too_large_resource_version", message, seconds)
    return _error(explanations.refusal(response.status, verb, path, said), seconds)


async def _explanation(response: aiohttp.ClientResponse, seconds: float) -> bytes:
    """The body of a refusal, in however many pieces it comes; what there is of it, if it breaks off or takes long."""
    body = b""
    with suppress(SourceError), translated(str(response.url.host)):
        async with asyncio.timeout(seconds):
            while len(body) < LONGEST_EXPLANATION and (piece := await response.content.readany()):
                body += piece
    return body
