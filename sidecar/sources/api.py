"""The connection to the API server: LIST and WATCH as bytes, and whose fault a failure is.

Host, TLS and credentials come from kubernetes-asyncio (``credentials``); the requests run on aiohttp sessions of our
own, because the client's has no keepalive, no time-outs, and honours proxies and netrc from the environment. LIST and
WATCH have a session each, so that a half-open pooled connection cannot poison the relist. What the bytes mean is the
reflector's business.

A dead connection is noticed by two clocks: the kernel's keepalive, and a read deadline. Neither alone is enough:
keepalive is answered by a load balancer between, and a watch on which nothing happens gets no bookmarks either, hence
silence (``silent``) is a reason to watch again, not a failure.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from sidecar import __version__
from sidecar.errors import SourceError
from sidecar.sources.objects import decode_status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from aiohttp.connector import AddrInfoType

    from sidecar.metrics import Metrics
    from sidecar.sources.credentials import Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
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


CHUNK = 2**18
"""Bytes of the read buffer; a LIST of 10,000 endpoints is 2.5 MB."""


LONGEST_EXPLANATION = 2**16
"""Bytes read of an answer that is not 200; a Status has some hundred."""


class Connection:
    """An API server.

    Args:
        credentials: who we are, and where it is.
        metrics: counts the requests.
        patience: the time-outs.
    """

    def __init__(self, credentials: Credentials, metrics: Metrics, patience: Patience | None = None) -> None:
        self.credentials = credentials
        self._metrics = metrics
        self._patience = patience = patience or Patience()
        self._list_timeout = aiohttp.ClientTimeout(
            total=patience.list_total, sock_connect=patience.connect, sock_read=patience.list_read
        )
        self._watch_timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=patience.connect, sock_read=patience.watch_read
        )
        self._list_session = self._session(force_close=False)
        self._watch_session = self._session(force_close=True)

    async def close(self) -> None:
        """Close both sessions."""
        await self._list_session.close()
        await self._watch_session.close()

    async def list(self, path: str, query: Mapping[str, str]) -> bytes:
        """The body of a LIST.

        Raises:
            SourceError: if there was none.
        """
        async with self._get("list", self._list_session, path, query, self._list_timeout) as response:
            with translated(self.credentials.host):
                return await response.read()

    @asynccontextmanager
    async def watch(self, path: str, query: Mapping[str, str]) -> AsyncIterator[AsyncIterator[bytes]]:
        """The chunks of a WATCH as they arrive; their borders mean nothing.

        Raises:
            SourceError: on entering, if the watch was refused; in the iteration, if the connection failed.
        """
        async with self._get("watch", self._watch_session, path, query, self._watch_timeout) as response:
            yield self._chunks(response)

    async def _chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        with translated(self.credentials.host):
            try:
                async for chunk in response.content.iter_any():
                    yield chunk
            except aiohttp.SocketTimeoutError as error:
                sentence = f"{self.credentials.host} sent nothing for {self._patience.watch_read:g} s."
                raise SourceError("silent", sentence) from error

    @asynccontextmanager
    async def _get(
        self,
        verb: str,
        session: aiohttp.ClientSession,
        path: str,
        query: Mapping[str, str],
        patience: aiohttp.ClientTimeout,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        grant = await self.credentials.current()
        with translated(grant.host):
            response = await session.get(
                grant.host + path,
                params=query,
                headers=grant.headers,
                ssl=grant.tls,
                server_hostname=grant.server_name,
                proxy=grant.proxy,
                timeout=patience,
                allow_redirects=False,
            )
        try:
            self._metrics.requests.labels(verb, str(response.status)).inc()
            if response.status != 200:  # noqa: PLR2004 - HTTP's own number
                raise await _refusal(verb, path, response)
            yield response
        finally:
            response.close() if verb == "watch" else response.release()

    def _session(self, *, force_close: bool) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=4, force_close=force_close, socket_factory=self._socket)
        return aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            read_bufsize=CHUNK,
            headers={"User-Agent": f"membership-sidecar/{__version__}", "Accept": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def _socket(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, self._patience.keepalive_idle)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, self._patience.keepalive_interval)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, self._patience.keepalive_count)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._patience.unacknowledged_ms)
        return made


@contextmanager
def translated(host: str) -> Iterator[None]:
    """Turn what aiohttp and the socket raise into ``SourceError``."""
    try:
        yield
    except aiohttp.ClientConnectorCertificateError as error:
        raise SourceError("tls", _tls_sentence(host, error.certificate_error)) from error
    except (aiohttp.ClientSSLError, ssl.SSLError) as error:
        raise SourceError("tls", _tls_sentence(host, error)) from error
    except TimeoutError as error:
        raise SourceError("timeout", f"{host} did not answer in time.") from error
    except (aiohttp.ClientConnectorError, ConnectionRefusedError) as error:
        raise SourceError("refused", f"{host} cannot be reached: {error}.") from error
    except (aiohttp.ClientError, OSError) as error:
        raise SourceError(
            "connection", f"The connection to {host} broke: {str(error) or type(error).__name__}."
        ) from error
    except ValueError as error:  # a header that HTTP forbids, a line that is no chunk
        raise SourceError("malformed", f"{host} or the credentials for it are malformed: {error}.") from error


def _tls_sentence(host: str, error: Exception) -> str:
    sentence = f"TLS to {host} failed: {error}."
    if "Missing Authority Key Identifier" in sentence or "key usage" in sentence:
        return sentence + " The cluster's CA is older than the strict checks of this Python; renew it."
    return sentence


async def _refusal(verb: str, path: str, response: aiohttp.ClientResponse) -> SourceError:
    """The error for an answer that is not 200."""
    code = response.status
    body = await _explanation(response)
    status = decode_status(body)
    said = (status.message or body[:200].decode(errors="replace").strip().partition("\n")[0]).rstrip(".")
    after = response.headers.get("Retry-After", "")
    seconds = float(after) if after.isdecimal() else 0.0
    if status.details:
        seconds = max(seconds, status.details.retry_after_seconds)
        if any(cause.reason == "ResourceVersionTooLarge" for cause in status.details.causes or ()):
            sentence = f"The API server is behind what was already seen ({said})."
            return SourceError("too_large_resource_version", sentence, seconds)
    reason, sentence = _explain(code, f"{verb} {path}", said)
    return SourceError(reason, sentence, seconds)


async def _explanation(response: aiohttp.ClientResponse) -> bytes:
    """The body of a refusal, in however many pieces it comes; what there is of it, if it breaks off."""
    body = b""
    with suppress(SourceError), translated(str(response.url.host)):
        while len(body) < LONGEST_EXPLANATION and (piece := await response.content.readany()):
            body += piece
    return body


def _explain(code: int, request: str, said: str) -> tuple[str, str]:
    match code:
        case 401:
            return "unauthorized", f"The API server does not accept the token (401 on {request}): {said}."
        case 403:
            cure = "Grant get, list and watch on it with a Role and a RoleBinding."
            return "forbidden", f"The API server forbids it (403 on {request}): {said}. {cure}"
        case 404:
            return "not_found", f"The API server has no such resource (404 on {request}): {said}."
        case 410:
            return "expired", f"The resourceVersion is too old (410 on {request}): {said}."
        case 429:
            return "too_many_requests", f"The API server is overloaded (429 on {request}): {said}."
        case _:
            return "server_error", f"The API server failed ({code} on {request}): {said}."
