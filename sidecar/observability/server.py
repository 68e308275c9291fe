"""``/metrics``, ``/livez``, ``/readyz``, ``/startupz`` and ``/status`` over HTTP.

Served by the event loop itself, so that ``/livez`` answers only while the loop turns. Shows, decides nothing.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING

import msgspec
from aiohttp.web_response import Response  # aiohttp.web would bring 0.4 MiB along
from aiohttp.web_server import Server as HttpServer
from prometheus_client.exposition import choose_encoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.web_request import BaseRequest
    from prometheus_client import CollectorRegistry

    from sidecar.observability.status import Status


SHUTDOWN_SECONDS = 0.1
"""That a request may still take when the server stops."""


class Server:
    """An HTTP server.

    Args:
        status: makes the current status.
        registry: the metrics.
        probed: called when somebody asks whether the files are there.
    """

    def __init__(
        self, status: Callable[[], Status], registry: CollectorRegistry, *, probed: Callable[[], None] = lambda: None
    ) -> None:
        self._status = status
        self._probed = probed
        self._registry = registry
        self._pages = {
            "/metrics": self._metrics,
            "/livez": self._livez,
            "/readyz": self._readyz,
            "/startupz": self._readyz,
            "/status": self._show,
        }
        # Not an Application with its runner: they would be 1.2 MB for five fixed paths.
        self._protocols = HttpServer(self._answer, access_log=None)
        self._listener: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> str:
        """Listen, and return the address that it became.

        Args:
            host: an address; ``::`` means all of both families, and all of IPv4 where there is no IPv6.
            port: 0 for a free one.

        Raises:
            OSError: if it is taken.
        """
        listening = listen(host, port)
        self._listener = await asyncio.get_running_loop().create_server(self._protocols, sock=listening)
        address, number, *_ = listening.getsockname()
        return f"http://[{address}]:{number}" if ":" in address else f"http://{address}:{number}"

    async def stop(self) -> None:
        """Stop listening and close all connections."""
        if self._listener:
            self._listener.close()
        await self._protocols.shutdown(SHUTDOWN_SECONDS)

    async def _answer(self, request: BaseRequest) -> Response:
        page = self._pages.get(request.path)
        if page is None:
            return Response(text=f"There are {', '.join(self._pages)}.\n", status=404)
        if request.method not in {"GET", "HEAD"}:
            return Response(status=405, headers={"Allow": "GET, HEAD"})
        return page(request)

    def _metrics(self, request: BaseRequest) -> Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
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

    def _show(self, request: BaseRequest) -> Response:
        del request
        body = msgspec.json.format(msgspec.json.encode(self._status()), indent=2) + b"\n"
        return Response(body=body, content_type="application/json")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; for ``::`` one that takes IPv4 too, or only IPv4 where the node has no IPv6.

    Raises:
        OSError: if the address is taken or not ours.
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
