"""A DNS server that says what a test tells it to, over UDP and TCP on one port."""

from __future__ import annotations

import asyncio
import struct
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast
from urllib.parse import urlsplit

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from sidecar.settings.values import Nameserver
from tests.support.builders import listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Reply: TypeAlias = "dns.message.Message | bytes | None"
"""What is sent; None is silence."""

Answer: TypeAlias = "Callable[[dns.message.Message, bool], Reply]"
"""Takes the query, and whether it came over TCP."""

SOA = "cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5"


class Asked(NamedTuple):
    """A question as it came."""

    name: str
    kind: str
    tcp: bool


class Zone:
    """What the server knows, and what it was asked."""

    def __init__(self) -> None:
        self.replies: dict[tuple[str, str], Answer] = {}
        """By name and type; what is not in it is NXDOMAIN."""
        self.asked: list[Asked] = []
        self.queries: list[dns.message.Message] = []
        self.server = Nameserver("127.0.0.1", 0)

    def reply(self, wire: bytes, *, tcp: bool) -> bytes | None:
        """The bytes that answer *wire*."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = str(question.name), dns.rdatatype.to_text(question.rdtype)
        self.asked.append(Asked(name, kind, tcp))
        self.queries.append(query)
        made = self.replies.get((name, kind), absent("NXDOMAIN"))(query, tcp)
        return made.to_wire(max_size=65535) if isinstance(made, dns.message.Message) else made


def records(*answer: str, additional: tuple[str, ...] = ()) -> Answer:
    """Give these records, in the notation of zone files, in this order."""

    def reply(query: dns.message.Message, tcp: bool) -> Reply:
        made = dns.message.make_response(query)
        made.answer = [_rrset(line) for line in answer]
        made.additional = [_rrset(line) for line in additional]
        return made

    return reply


def absent(code: str, *authority: str) -> Answer:
    """Say that there are none, with the SOA of the zone unless other records are given."""

    def reply(query: dns.message.Message, tcp: bool) -> Reply:
        made = dns.message.make_response(query)
        made.set_rcode(dns.rcode.NXDOMAIN if code == "NXDOMAIN" else dns.rcode.NOERROR)
        made.authority = [_rrset(line) for line in authority or (SOA,) if line]
        return made

    return reply


def refusal(rcode: str) -> Answer:
    """Answer with that code."""

    def reply(query: dns.message.Message, tcp: bool) -> Reply:
        made = dns.message.make_response(query)
        made.set_rcode(dns.rcode.from_text(rcode))
        return made

    return reply


def silence(query: dns.message.Message, tcp: bool) -> Reply:
    """Say nothing."""


def truncated(
    over_tcp: Answer,
) -> Answer:
    """Too long for UDP, whatever it is."""

    def reply(query: dns.message.Message, tcp: bool) -> Reply:
        if tcp:
            return over_tcp(query, tcp)
        made = dns.message.make_response(query)
        made.flags |= dns.flags.TC
        return made

    return reply


def _rrset(line: str) -> dns.rrset.RRset:
    name, ttl, _, kind, data = line.split(" ", 4)
    return dns.rrset.from_text_list(name, int(ttl), "IN", kind, data.split(";"))


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = self._zone.reply(data, tcp=False)
        if reply is not None:
            self._transport.sendto(reply, addr)


@asynccontextmanager
async def serving(*, tcp: bool = True) -> AsyncIterator[Zone]:
    """A zone on a port of its own; without *tcp*, connections are refused."""
    zone = Zone()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        reply = zone.reply(await reader.readexactly(length), tcp=True)
        if reply is not None:
            writer.write(struct.pack("!H", len(reply)) + reply)
            await writer.drain()
        await reader.read()

    async with AsyncExitStack() as stack:
        port = 0
        if tcp:
            port = urlsplit(await stack.enter_async_context(listening(serve))).port or 0
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Udp(zone), local_addr=("127.0.0.1", port))
        stack.callback(transport.close)
        zone.server = Nameserver("127.0.0.1", transport.get_extra_info("sockname")[1])
        yield zone
