"""One request and the way its answer goes out, faults included.

Whoever answers a request says what to say; this module says it over HTTP, writes it into the journal, and spoils it on
the way if the script says so: a line cut in half, a body that drips, a line that nobody meant to send.
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
"""Bytes of a LIST from which a real server compresses (``APIResponseCompression``)."""

_PEOPLE = ("curl", "Wget", "Mozilla/5.0")
"""How the programs that people use introduce themselves."""

_NO_STORE = {"Cache-Control": "no-cache, private"}
JSON: Mapping[str, str] = {"Content-Type": "application/json"} | _NO_STORE
PLAIN: Mapping[str, str] = {"Content-Type": "text/plain; charset=utf-8"} | _NO_STORE

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER of zero seconds: the kernel sends RST instead of FIN."""


class OverError(Exception):
    """The answer has ended early, as it was meant to."""


class Exchange:
    """A request being answered."""

    def __init__(self, http: web.BaseRequest, target: Target, fault: Fault | None, journal: Journal) -> None:
        self.target = target
        self.fault = fault
        self.http = http
        self._journal = journal
        self._response = web.StreamResponse()
        self._lines = 0

    async def reply(self, code: int, obj: Object, *, pretty: bool = False, retry_after: int = 0) -> web.StreamResponse:
        """Answer with one object; over many lines for people, whom the server knows by their programs."""
        body = events.encode(obj) + b"\n"
        if pretty or self._for_people():
            body = msgspec.json.format(body, indent=2)
        return await self.reply_bytes(code, body, JSON, retry_after=retry_after)

    async def refuse(self, refusal: Object) -> web.StreamResponse:
        """Answer with a Status."""
        retry_after = refusal.get("details", {}).get("retryAfterSeconds", 0)
        return await self.reply(refusal["code"], refusal, retry_after=retry_after)

    async def reply_bytes(
        self, code: int, body: bytes, headers: Mapping[str, str], *, retry_after: int = 0
    ) -> web.StreamResponse:
        """Answer with one body of any kind."""
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

    def _for_people(self) -> bool:
        return is_true(self.http.query, "pretty") or self.http.headers.get(hdrs.USER_AGENT, "").startswith(_PEOPLE)

    def _with_warning(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        warning = self.target.resource.warning
        return {**headers, hdrs.WARNING: warning} if warning else headers

    async def open(self, code: int = 200, headers: Mapping[str, str] = JSON) -> web.StreamResponse:
        """Send the headers of an answer that will be written piece by piece."""
        self._response = web.StreamResponse(status=code, headers=self._with_warning(headers))
        await self._response.prepare(self.http)
        self.record(code)
        await self._between_lines()
        return self._response

    async def write(self, data: bytes) -> None:
        """Send one line, or a whole body.

        Raises:
            OverError: The script ends the answer here.
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
        """End the connection under the answer."""
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
        """What has been opened so far."""
        return self._response

    def record(self, code: int) -> None:
        """Write the request into the journal."""
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
