"""Asks DNS one question, and returns one of three outcomes.

No cache, no search list, no rotation: names are absolute, and the servers are asked in order, each over UDP with
EDNS(0), and over TCP if the answer is truncated (1,232 bytes hold 74 addresses or 21 SRV records, so that is the usual
case in a large cluster). resolv.conf is read at the first question and again after a failure: the kubelet may rewrite
it.

Knows dnspython, as ``responses`` does; imported only where DNS is a source.
"""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import TYPE_CHECKING

import aiofiles
import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver
import msgspec

from sidecar.sources.dns import responses
from sidecar.sources.dns.names import DEFAULT_ZONE, zone_of
from sidecar.sources.dns.records import Unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sidecar.observability.metrics import Metrics
    from sidecar.sources.dns.records import Outcome

RESOLV_CONF = Path("/etc/resolv.conf")

PAYLOAD = 1232
"""Bytes of a UDP answer that no path fragments (DNS flag day 2020)."""

TYPES = ("A", "AAAA", "SRV", "PTR")
"""What is asked for."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in seconds."""

    answer: float = 1.5
    """For one server to answer; within a cluster that takes milliseconds."""
    question: float = 4.0
    """For all attempts at one question."""


class Resolver:
    """The DNS servers, and the zone of the cluster.

    Args:
        servers: address and port of the servers to ask; none for those in resolv.conf.
        zone: the cluster's zone, without the final dot; empty for the one in resolv.conf's search list.
        metrics: where to count.
        resolv_conf: the file.
        timeouts: how long to wait.
    """

    def __init__(
        self,
        *,
        servers: Sequence[tuple[str, int]] = (),
        zone: str = "",
        metrics: Metrics,
        resolv_conf: Path = RESOLV_CONF,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._servers = tuple(servers)
        self._own_zone = zone
        self._zone = zone or DEFAULT_ZONE
        self._metrics = metrics
        self._resolv_conf = resolv_conf
        self._timeouts = timeouts or Timeouts()
        self._configured: dns.asyncresolver.Resolver | None = None
        metrics.expect_dns(TYPES, responses.CODES)

    async def ask(self, name: str, kind: str, *, once: bool = False) -> Outcome:
        """Ask one question.

        Args:
            name: absolute if it ends in a dot, else within the cluster's zone.
            kind: the record type, one of ``TYPES``.
            once: wait no longer than for one server, where the answer is useful but not worth waiting for.
        """
        outcome, code = await self._ask(name, kind, self._timeouts.answer if once else self._timeouts.question)
        task = asyncio.current_task()
        if task and task.cancelling():  # Python 3.11's wait_for, in dnspython, loses it if the answer comes at once
            raise asyncio.CancelledError  # (cpython #86296)
        self._metrics.dns_queries.labels(kind, code).inc()
        if code not in {"NOERROR", "NODATA"}:
            self._configured = None
        return outcome

    async def _ask(self, name: str, kind: str, seconds: float) -> tuple[Outcome, str]:
        try:
            resolver = self._configured = self._configured or await self._configure()
        except (OSError, ValueError, dns.exception.DNSException) as error:
            message = f"{self._resolv_conf} names no DNS server ({error}): correct it, or set --dns-server."
            return Unknown(reason="not_found", message=message), "NONE"
        absolute = name if name.endswith(".") else f"{name}.{self._zone}."
        try:
            answer = await resolver.resolve(absolute, kind, search=False, lifetime=seconds)
        except dns.resolver.NXDOMAIN as error:
            (response,) = error.kwargs["responses"].values()
            return responses.absent(absolute, response), "NXDOMAIN"
        except dns.resolver.NoAnswer as error:
            return responses.absent(absolute, error.kwargs["response"]), "NODATA"
        except (dns.resolver.NoNameservers, dns.resolver.LifetimeTimeout) as error:
            servers = ", ".join(map(_text, resolver.nameservers))
            return responses.failure(f"{absolute} {kind}", servers, error.kwargs["errors"])
        except dns.exception.DNSException as error:
            return Unknown(reason="malformed", message=f"DNS cannot be asked for {absolute!r}: {error}"), "OTHER"
        return responses.answered(absolute, answer), "NOERROR"

    async def _configure(self) -> dns.asyncresolver.Resolver:
        """A resolver for the current servers; sets the zone as well."""
        resolver = dns.asyncresolver.Resolver(configure=False)
        if not (self._servers and self._own_zone):
            await self._read(resolver)
        if self._servers:
            resolver.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in self._servers]
        resolver.rotate = False
        resolver.timeout = self._timeouts.answer
        resolver.use_edns(0, 0, PAYLOAD)
        return resolver

    async def _read(self, resolver: dns.asyncresolver.Resolver) -> None:
        """Read resolv.conf. It may be absent if the servers are given: outside of a pod it often is."""
        try:
            async with aiofiles.open(self._resolv_conf, encoding="utf-8") as file:
                text = await file.read()
            resolver.read_resolv_conf(io.StringIO(text))
        except (OSError, ValueError, dns.exception.DNSException):
            if not self._servers:
                raise
        self._zone = self._own_zone or zone_of(map(str, resolver.search))


def _text(server: str | dns.nameserver.Nameserver) -> str:
    return responses.server_text(str(server))
