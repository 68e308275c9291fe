"""Carries out the faults that replace a response. Those that damage a response on its way are in ``exchange``."""

import asyncio

from aiohttp import web

from sidecar.simulator import faults, status
from sidecar.simulator.exchange import PLAIN, Exchange
from sidecar.simulator.faults import Fault
from sidecar.simulator.resources import Object

_BAD_GATEWAY = b"<html>\n<head><title>502 Bad Gateway</title></head>\n<body>\n<h1>Bad Gateway</h1>\n</body>\n</html>\n"


class Script:
    """The faults that have not occurred yet."""

    def __init__(self) -> None:
        self._coming: list[tuple[Fault, int]] = []

    def add(self, *coming: Fault) -> None:
        """Append faults."""
        self._coming += [(fault, fault.times) for fault in coming]

    def clear(self) -> None:
        """Drop every fault that has not been used up."""
        self._coming.clear()

    def take(self, verb: str, resource: str) -> Fault | None:
        """The fault for this request, which is then used up once."""
        for place, (fault, times) in enumerate(self._coming):
            if fault.matches(verb, resource):
                self._coming[place : place + 1] = [] if times == 1 else [(fault, times - 1)]
                return fault
        return None


async def faulty_response(exchange: Exchange) -> web.StreamResponse | None:
    """The response of the scripted fault; None if the request is to be served normally."""
    if refusal := _refusal(exchange):
        return await exchange.refuse(refusal)
    match exchange.fault:
        case faults.TooManyRequests(retry_after=seconds):
            body = b"Too many requests, please try again later.\n"
            return await exchange.reply_bytes(429, body, PLAIN, retry_after=seconds)
        case faults.BadGateway():
            return await exchange.reply_bytes(502, _BAD_GATEWAY, {"Content-Type": "text/html"})
        case faults.Forbidden():
            target = exchange.target
            refusal = status.forbidden(target.resource, target.verb, target.namespace)
            return await exchange.reply(403, refusal, pretty=True)
        case faults.Absent(group=True):
            return await exchange.reply_bytes(404, b"404 page not found\n", PLAIN)
    return await _nothing(exchange)


def _refusal(exchange: Exchange) -> Object | None:
    match exchange.fault:
        case faults.Unauthorized():
            return status.unauthorized()
        case faults.Absent(group=False):
            return status.no_such_resource()
        case faults.Gone():
            return status.expired("The resourceVersion for the provided watch is too old.")
        case faults.InternalError():
            return status.internal_error()
        case faults.ResourceVersionTooLarge():
            asked = int(exchange.target.query.get("resourceVersion") or 0)
            return status.too_large(asked, max(asked - 1, 0))
    return None


async def _nothing(exchange: Exchange) -> web.StreamResponse | None:
    match exchange.fault:
        case faults.ImmediateEOF():
            return await exchange.open()
        case faults.Silence():
            await exchange.open()
            await asyncio.Event().wait()
        case faults.Refuse():
            exchange.record(0)
            exchange.cut()
            return exchange.response
        case faults.Delayed(seconds=late):
            await asyncio.sleep(late)
    return None
