"""``/metrics``, ``/livez``, ``/readyz``, ``/startupz`` and ``/status`` over HTTP.

The pages are served by the event loop of the daemon, so that ``/livez`` answers only while the loop runs. This module
shows the state and never changes it.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

import msgspec
from aiohttp.web_response import Response  # aiohttp.web would take another 0.4 MiB
from prometheus_client.exposition import choose_encoder

from sidecar.observability.connections import IDLE_SECONDS, Connections, Listener

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.web_request import BaseRequest
    from prometheus_client import CollectorRegistry

    from sidecar.observability.status import Status


SHUTDOWN_SECONDS = 0.1
"""How long a request may still take when the server stops."""


class Server:
    """An HTTP server.

    Args:
        status: returns the current status.
        registry: the metrics.
        probed: called when the readiness is requested.
        idle_seconds: after which an idle connection is closed.
    """

    def __init__(
        self,
        status: Callable[[], Status],
        registry: CollectorRegistry,
        *,
        probed: Callable[[], None] = lambda: None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._status = status
        self._probed = probed
        self._registry = registry
        self._pages = {
            "/metrics": self._metrics,
            "/livez": self._livez,
            "/readyz": self._readyz,
            "/startupz": self._readyz,
            "/status": self._show_status,
        }
        # Not an Application with its runner: they would take 1.2 MB for five fixed paths.
        self._connections = Connections(self._answer, idle_seconds)
        self._listener: Listener | None = None

    async def start(self, host: str, port: int) -> str:
        """Listen, and return the URL of the server.

        Args:
            host: an address; ``::`` means all addresses of both families, or of IPv4 where there is no IPv6.
            port: 0 for any free one.

        Raises:
            OSError: if the address cannot be used.
        """
        listening = listen(host, port)
        address, number, *_ = listening.getsockname()
        self._listener = Listener(listening, self._connections)
        return f"http://[{address}]:{number}" if ":" in address else f"http://{address}:{number}"

    async def stop(self) -> None:
        """Stop listening and close all connections."""
        if self._listener:
            self._listener.close()
        await self._connections.shutdown(SHUTDOWN_SECONDS)

    async def _answer(self, request: BaseRequest) -> Response:
        page = self._pages.get(request.path)
        if page is None:
            return Response(text=f"Not found. The pages are {', '.join(self._pages)}.\n", status=404)
        if request.method not in {"GET", "HEAD"}:
            return Response(status=405, headers={"Allow": "GET, HEAD"})
        return page(request)

    def _metrics(self, request: BaseRequest) -> Response:
        try:
            encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        except (TypeError, ValueError):  # a version that is not a number
            return Response(text="Malformed Accept header.\n", status=400)
        return Response(body=encode(self._registry), headers={"Content-Type": content_type})

    def _livez(self, request: BaseRequest) -> Response:
        del request
        complaint = self._status().complaint
        return _probe(good=not complaint, bad=complaint)

    def _readyz(self, request: BaseRequest) -> Response:
        del request
        self._probed()
        status = self._status()
        return _probe(good=status.ready, bad=f"not published yet: {status.waiting_for or 'see /status'}")

    def _show_status(self, request: BaseRequest) -> Response:
        del request
        body = msgspec.json.format(msgspec.json.encode(self._status()), indent=2) + b"\n"
        return Response(body=body, content_type="application/json")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; for ``::`` it accepts IPv4 as well, or only IPv4 where the machine has no IPv6.

    Raises:
        OSError: if the address is in use or does not belong to this machine.
    """
    if host != "::":
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server((host, port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:  # IPv6 is compiled in but switched off
                raise
    return socket.create_server(("0.0.0.0", port))  # noqa: S104 - what [::] asks for


def _probe(*, good: bool, bad: str) -> Response:
    return Response(text="ok\n" if good else f"{bad}\n", status=200 if good else 503)
