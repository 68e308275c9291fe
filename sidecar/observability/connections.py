"""The connections of the HTTP server: how they are accepted, how many there may be, and how long one may be idle.

Anyone who can reach the port can open connections to it, and each takes a file descriptor that the sidecar needs for
watching and writing. So their number is limited. A new connection is always accepted, because it may be a probe; above
the limit the oldest one is closed. Which pages are served does not belong here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server as HttpServer

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from aiohttp.web_request import BaseRequest
    from aiohttp.web_response import Response

log = structlog.get_logger(__name__)

MAX_CONNECTIONS = 32
"""Several scrapers, and the probes, which close theirs at once. With the headers below, that is 16 MiB at most."""

MAX_HEADERS = 64
"""Per request, of 8 KiB each; a service mesh adds a dozen."""

IDLE_SECONDS = 15.0
"""For a request head to arrive, and between two requests on a connection: a scraper reconnects at no cost."""

BODY_SECONDS = 1.0
"""For the rest of a request body, which no page reads."""

ACCEPT_PAUSE_SECONDS = 1.0
"""Before the next attempt to accept a connection when there is no file descriptor for it; the same as asyncio's."""

WARNING_SECONDS = 60.0
"""Between two log lines about the same problem: whoever opens connections does so by the thousand."""


class Connection(RequestHandler):
    """One connection; a malformed request on it is answered with 400 and is not an error of the sidecar."""

    __slots__ = ()

    def log_exception(self, *args: Any, **kw: Any) -> None:  # noqa: ANN401 - as in the base class
        """Log an unexpected error with its traceback, but a malformed request only for debugging."""
        error = kw.get("exc_info")
        if isinstance(error, HttpProcessingError):
            log.debug("malformed HTTP request", reason=error.message)
        else:
            super().log_exception(*args, **kw)


class Connections(HttpServer):
    """All connections, of which there are never more than the limit.

    Args:
        answer: makes the response to a request.
        idle_seconds: after which a connection without a complete request head is closed.
    """

    def __init__(self, answer: Callable[[BaseRequest], Awaitable[Response]], idle_seconds: float) -> None:
        super().__init__(answer)
        self._idle_seconds = idle_seconds
        self._transports: dict[RequestHandler, asyncio.Transport] = {}
        self._warn = RateLimitedWarning("too many HTTP connections")

    def __call__(self) -> Connection:
        """The protocol of a new connection."""
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=self._idle_seconds,
            lingering_time=BODY_SECONDS,
            max_headers=MAX_HEADERS,
            access_log=None,  # type: ignore[arg-type]  # None: no access log
        )

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Count a connection, and close the oldest if there are too many."""
        super().connection_made(handler, transport)
        self._transports[handler] = transport
        if len(self._transports) > MAX_CONNECTIONS:
            oldest = next(iter(self._transports))
            self._transports.pop(oldest).abort()  # not close(), which waits for a client that does not read
            self._warn(limit=MAX_CONNECTIONS)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a connection."""
        self._transports.pop(handler, None)
        super().connection_lost(handler, exc)


class Listener:
    """Accepts connections on a socket, one in each turn of the event loop so that the work of the sidecar goes on.

    ``asyncio.Server`` accepts a hundred in a turn, and without a file descriptor left it logs a hundred errors, too.

    Args:
        listening: the socket; it is closed with the listener.
        connections: makes the protocol of each connection.
    """

    def __init__(self, listening: socket.socket, connections: Connections) -> None:
        self._socket = listening
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._accepting: set[asyncio.Task[object]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._warn = RateLimitedWarning("HTTP connection not accepted")
        listening.setblocking(False)  # noqa: FBT003 - its only argument
        self._resume()

    def close(self) -> None:
        """Stop listening; connections that have been made stay open."""
        for task in self._accepting:
            task.cancel()
        if self._pause:
            self._pause.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        try:
            accepted, _ = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:  # too many open files, or no memory
            self._loop.remove_reader(self._socket)
            self._pause = self._loop.call_later(ACCEPT_PAUSE_SECONDS, self._resume)
            self._warn(reason=error.strerror)
            return
        accepted.setblocking(False)  # noqa: FBT003 - its only argument
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._connections, accepted))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)


class RateLimitedWarning:
    """A warning that is logged at once, and again after a while with the number of times that it was due."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._count = 0
        self._next = 0.0

    def __call__(self, **facts: object) -> None:
        """Log it, or only count it."""
        now = asyncio.get_running_loop().time()
        self._count += 1
        if now >= self._next:
            log.warning(self._event, count=self._count, **facts)
            self._count = 0
            self._next = now + WARNING_SECONDS
