"""One request and the sending of its response, faults included.

Other modules decide what a response contains; this one sends it over HTTP, records it in the journal, and damages it on
the way if the script says so: a line cut in half, a body sent a few bytes at a time, an extra line.
"""

import asyncio
import socket
import struct
from collections.abc import Mapping

import msgspec
from aiohttp import hdrs, web
from aiohttp.web_response import ContentCoding

from sidecar.simulator import events, status
from sidecar.simulator.faults import CutMidLine, Fault, GoneEvent, InsertLine, SlowDrip
from sidecar.simulator.journal import Journal, Request
from sidecar.simulator.resources import Object
from sidecar.simulator.routing import Target, is_true

_COMPRESS_ABOVE = 128 * 1024
"""Size of a LIST in bytes from which a real server compresses it (``APIResponseCompression``)."""

_PEOPLE_USE = ("curl", "Wget", "Mozilla/5.0")
"""The beginnings of the User-Agent of programs that people use."""

_NO_STORE = {"Cache-Control": "no-cache, private"}
JSON: Mapping[str, str] = {"Content-Type": "application/json"} | _NO_STORE
PLAIN: Mapping[str, str] = {"Content-Type": "text/plain; charset=utf-8"} | _NO_STORE

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER of zero seconds: the kernel sends RST instead of FIN."""


class OverError(Exception):
    """The response has ended early, as the script requires."""


class Exchange:
    """A request and its response."""

    def __init__(self, http: web.BaseRequest, target: Target, fault: Fault | None, journal: Journal) -> None:
        self.target = target
        self.fault = fault
        self.http = http
        self._journal = journal
        self._response = web.StreamResponse()
        self._lines = 0

    async def reply(self, code: int, obj: Object, *, pretty: bool = False, retry_after: int = 0) -> web.StreamResponse:
        """Respond with one object, indented for the programs that people use."""
        body = events.encode(obj) + b"\n"
        if pretty or self._is_for_a_person():
            body = msgspec.json.format(body, indent=2)
        return await self.reply_bytes(code, body, JSON, retry_after=retry_after)

    async def refuse(self, refusal: Object) -> web.StreamResponse:
        """Respond with a Status."""
        retry_after = refusal.get("details", {}).get("retryAfterSeconds", 0)
        return await self.reply(refusal["code"], refusal, retry_after=retry_after)

    async def reply_bytes(
        self, code: int, body: bytes, headers: Mapping[str, str], *, retry_after: int = 0
    ) -> web.StreamResponse:
        """Respond with one body of any kind."""
        headers = {**headers, hdrs.RETRY_AFTER: str(retry_after)} if retry_after else dict(headers)
        if isinstance(self.fault, (CutMidLine, SlowDrip)):
            await self.open(code, {**headers, hdrs.CONTENT_LENGTH: str(len(body))})
            await self.write(body)
            return self._response
        response = web.Response(status=code, body=body, headers=self._with_warning(headers))
        if len(body) > _COMPRESS_ABOVE and "gzip" in self.http.headers.get(hdrs.ACCEPT_ENCODING, ""):
            response.headers[hdrs.VARY] = hdrs.ACCEPT_ENCODING
            response.enable_compression(ContentCoding.gzip)
        self.record(code)
        return response

    def _is_for_a_person(self) -> bool:
        return is_true(self.http.query, "pretty") or self.http.headers.get(hdrs.USER_AGENT, "").startswith(_PEOPLE_USE)

    def _with_warning(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        warning = self.target.resource.warning
        return {**headers, hdrs.WARNING: warning} if warning else headers

    async def open(self, code: int = 200, headers: Mapping[str, str] = JSON) -> web.StreamResponse:
        """Send the headers of a response whose body is written piece by piece."""
        self._response = web.StreamResponse(status=code, headers=self._with_warning(headers))
        await self._response.prepare(self.http)
        self.record(code)
        await self._between_lines()
        return self._response

    async def write(self, data: bytes) -> None:
        """Send one line, or a whole body.

        Raises:
            OverError: The script ends the response here.
        """
        match self.fault:
            case CutMidLine(after=after, reset=reset) if after == self._lines:
                await self._response.write(data[: len(data) // 2])
                self.cut(reset=reset)
                raise OverError
            case SlowDrip(size=size, pause=pause):
                for start in range(0, len(data), size):
                    await self._response.write(data[start : start + size])
                    await asyncio.sleep(pause)
            case _:
                await self._response.write(data)
        self._lines += 1
        await self._between_lines()

    async def _between_lines(self) -> None:
        match self.fault:
            case InsertLine(line=line, after=after) if after == self._lines:
                await self._response.write(line)
            case GoneEvent(after=after) if after == self._lines:
                await self._response.write(events.event("ERROR", status.expired("The resourceVersion is too old.")))
                raise OverError

    def cut(self, *, reset: bool = False) -> None:
        """Close the connection in the middle of the response."""
        transport = self.http.transport
        if transport is None:
            return
        if reset:
            connection: socket.socket = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            transport.abort()
        transport.close()

    @property
    def response(self) -> web.StreamResponse:
        """The response that was opened last."""
        return self._response

    def record(self, code: int) -> None:
        """Record the request in the journal."""
        headers = self.http.headers
        request = Request(
            verb=self.target.verb,
            resource=self.target.resource.name,
            namespace=self.target.namespace,
            name=self.target.name,
            query=dict(self.http.query),
            status=code,
            authenticated=headers.get(hdrs.AUTHORIZATION, "").startswith("Bearer "),
            user_agent=headers.get(hdrs.USER_AGENT, ""),
            accept_encoding=headers.get(hdrs.ACCEPT_ENCODING, ""),
            connection=id(self.http.transport),
            at=asyncio.get_running_loop().time(),
        )
        self._journal.write(request)
