"""The outcomes of a question to DNS, and what records say about members.

Pure. There are three outcomes, and only the first two are answers: a server that fails, refuses or is silent says
nothing about the name. DNS has only ready endpoints (all, with ``publishNotReadyAddresses``), without UID and node;
hence a member is known by its hostname or else by its address, and counts as ready.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from sidecar.membership.addresses import choose, is_ipv6
from sidecar.membership.events import Report
from sidecar.membership.member import Member
from sidecar.sources.dns.names import host_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KINDS = {"auto": ("A", "AAAA"), "ipv4": ("A",), "ipv6": ("AAAA",)}
"""The record types for the addresses of a family."""


class Record(NamedTuple):
    """What one record says."""

    value: str
    """The address (A, AAAA) or the absolute name (SRV, PTR), in lower case."""
    addresses: tuple[str, ...]
    """The addresses that belong to it, IPv4 first; of an SRV record, as far as they are known."""
    port: int | None = None
    """The port of an SRV record."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """All records, at least one, in canonical order (the server shuffles them)."""

    name: str
    records: tuple[Record, ...]
    ttl: float
    """Seconds."""


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """The authority says that there are no records: the name does not exist, or has none of that type."""

    name: str
    code: str
    """``NXDOMAIN`` or ``NODATA``."""
    ttl: float
    """Seconds for which a cache may repeat that (RFC 2308)."""
    message: str = ""
    """What it means and what to do, where that is known better than from the code."""


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """No answer, or one that cannot be used.

    Args:
        reason: one of ``errors.SourceError.REASONS``.
        message: what happened and what to do about it.
    """

    reason: str
    message: str


Outcome: TypeAlias = Answered | Absent | Unknown


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which members are wanted, and what DNS does not say about them because the question does.

    Args:
        service: the name of a headless Service.
        namespace: its namespace.
        port: the member port: a number, a port's name, or empty for none: DNS does not list the ports of a name.
        family: ``auto``, ``ipv4`` or ``ipv6``: what is asked for, and which address is the member's.
        own_addresses: those of the pod that the sidecar runs in, from the downward API; its member is ``self``.
    """

    service: str
    namespace: str
    port: str = ""
    family: str = "auto"
    own_addresses: frozenset[str] = frozenset()

    @property
    def port_number(self) -> int | None:
        """The port, if it is a number."""
        return int(self.port) if self.port.isdecimal() else None

    @property
    def port_name(self) -> str:
        """The port, if it is a name."""
        return "" if self.port.isdecimal() else self.port

    def report(self, origin: str, records: Iterable[Record], warning: str = "") -> Report:
        """What *records* say, in whatever order they are."""
        found = (member for record in sorted(records, reverse=True) for member in self._members(record))
        return Report(origin, 0, {member.key: member for member in found}, warning=warning)

    def _members(self, record: Record) -> Iterator[Member]:
        host = "" if record.port is None else host_of(record.value, record.addresses)
        families = {is_ipv6(address) for address in record.addresses}
        if host and len(record.addresses) == len(families):
            yield self._member(host, host, record.addresses, record.port)
            return
        for address in record.addresses:  # several pods under one hostname are known by their addresses
            yield self._member("", host, (address,), record.port)

    def _member(self, name: str, host: str, addresses: tuple[str, ...], port: int | None) -> Member:
        return Member(
            name=name,
            namespace=self.namespace,
            service=self.service,
            uid="",
            address=choose(addresses, self.family),
            addresses=addresses,
            port=port or self.port_number,
            hostname=host,
            node="",
            zone="",
            ready=True,
            serving=True,
            terminating=False,
            is_self=not self.own_addresses.isdisjoint(addresses),
        )
