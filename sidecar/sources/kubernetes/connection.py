"""The connection to the API server: requests and responses as bytes. What they mean is up to the caller.

Host, TLS and credentials come from ``credentials``, sessions and sockets from ``transport``; ``failures`` says whose
fault a failure is. LIST and WATCH have a session each, so that a half-open pooled connection cannot poison the relist;
GET and POST of one object share the session of LIST.

A dead connection is noticed by two clocks: the kernel's keepalive, and a read deadline. Neither is enough alone:
keepalive is answered by a load balancer in between, and a watch on which nothing happens gets no bookmarks either.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from sidecar.sources.kubernetes.failures import refusal, translated
from sidecar.sources.kubernetes.read_deadline import ReadDeadline
from sidecar.sources.kubernetes.transport import Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from sidecar.observability.metrics import Metrics
    from sidecar.sources.kubernetes.credentials import Credentials


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for a silent peer, in seconds."""

    connect: float = 10.0
    """For TCP and TLS each: client-go allows 30 and 10; within a cluster it takes milliseconds."""
    list_total: float = 60.0
    """For a whole LIST: the API server's own limit for a request."""
    list_read: float = 20.0
    """For the next byte of a LIST."""
    watch_head: float = 20.0
    """For the head of the response to a WATCH, which comes at once; a server that is behind waits 3 s first."""
    watch_read: float = 150.0
    """For the next byte of a WATCH: two missed bookmarks and slack. A false alarm costs one request."""
    idle: float = 1.0
    """How long a connection is kept for the next request: the pages of a LIST follow each other at once, and then there
    is none for a long time, while a TLS connection is 0.3 MB."""


_METHODS = {"get": "GET", "list": "GET", "watch": "GET", "create": "POST"}
"""HTTP's methods, by the verb that RBAC and the metrics know."""


class Connection:
    """An API server.

    Args:
        credentials: who we are, and where the server is.
        metrics: counts the requests.
        timeouts: how long to wait.
    """

    def __init__(self, credentials: Credentials, metrics: Metrics, timeouts: Timeouts | None = None) -> None:
        self.credentials = credentials
        self._metrics = metrics
        self._timeouts = timeouts = timeouts or Timeouts()
        self._list_timeout = aiohttp.ClientTimeout(
            total=timeouts.list_total, sock_connect=timeouts.connect, sock_read=timeouts.list_read
        )
        self._watch_timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect)
        self._transport = Transport()
        self._list_session = self._transport.session(keepalive_timeout=timeouts.idle)
        self._watch_session = self._transport.session(force_close=True)

    async def close(self) -> None:
        """Close every connection to the server."""
        await self._transport.close()

    async def list(self, path: str, query: Mapping[str, str]) -> bytes:
        """The body of a LIST.

        Raises:
            SourceError: if there is none.
        """
        return await self._body("list", path, query)

    async def read(self, path: str) -> bytes:
        """The body of a GET of one object.

        Raises:
            SourceError: if there is none; ``not_found`` if there is no such object.
        """
        return await self._body("get", path)

    async def create(self, path: str, body: bytes) -> bytes:
        """The body of the response to a POST of *body*, which is JSON.

        Raises:
            SourceError: if there is none.
        """
        return await self._body("create", path, body=body)

    @asynccontextmanager
    async def watch(self, path: str, query: Mapping[str, str]) -> AsyncIterator[WatchStream]:
        """An open WATCH.

        Raises:
            SourceError: on entering, if the watch was refused.
        """
        async with self._request("watch", path, query) as response:
            stream = WatchStream(response, self.credentials.host, self._timeouts.watch_read)
            try:
                yield stream
            finally:
                stream.close()

    async def _body(self, verb: str, path: str, query: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
        async with self._request(verb, path, query, body) as response:
            with translated(self.credentials.host):
                return await response.read()

    @asynccontextmanager
    async def _request(
        self, verb: str, path: str, query: Mapping[str, str] | None = None, body: bytes = b""
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        watching = verb == "watch"
        current = await self.credentials.current()
        with translated(current.host):
            async with asyncio.timeout(self._timeouts.watch_head if watching else None):
                response = await (self._watch_session if watching else self._list_session).request(
                    _METHODS[verb],
                    current.host + path,
                    params=query,
                    data=body or None,
                    headers={**current.headers, "Content-Type": "application/json"} if body else current.headers,
                    ssl=current.tls,
                    server_hostname=current.server_name,
                    proxy=current.proxy,
                    timeout=self._watch_timeout if watching else self._list_timeout,
                    allow_redirects=False,
                )
        try:
            self._metrics.requests.labels(verb, str(response.status)).inc()
            if response.status != (201 if verb == "create" else 200):
                raise await refusal(verb, path, response, self._timeouts.list_read)
            yield response
        finally:
            if watching:
                _cut(response)
            else:
                response.release()


class WatchStream:
    """The body of a WATCH, in chunks as they arrive; where one ends and the next begins means nothing.

    Args:
        response: the response.
        host: the API server, for messages.
        seconds: how long nothing may arrive.
    """

    def __init__(self, response: aiohttp.ClientResponse, host: str, seconds: float) -> None:
        self._content = response.content
        self._host = host
        self._interrupted = False
        self._deadline = ReadDeadline(seconds, lambda: self._content.set_exception(_SilentError()))

    async def read(self) -> bytes:
        """The next chunk; empty at the end of the body, and once the stream was interrupted. May be cancelled.

        Raises:
            TimeoutError: if nothing has arrived for too long.
            SourceError: if the connection broke.
        """
        if self._interrupted:
            return b""
        try:
            with translated(self._host):
                chunk = await self._content.readany()
        except _SilentError as error:
            raise TimeoutError from error
        except _InterruptedError:
            return b""
        self._deadline.heard()
        return chunk

    def interrupt(self) -> None:
        """Let the stream end now, whether or not somebody is reading; harmless if it has ended already."""
        self._interrupted = True
        self._content.set_exception(_InterruptedError())

    def close(self) -> None:
        """Nobody reads any more."""
        self._deadline.stop()


class _SilentError(Exception):
    """Nothing has arrived for too long."""


class _InterruptedError(Exception):
    """The reader is wanted elsewhere."""


def _cut(response: aiohttp.ClientResponse) -> None:
    """End a watch now: a TLS connection that is closed politely would outlive its session."""
    if response.connection and response.connection.transport:
        response.connection.transport.abort()
    response.close()
