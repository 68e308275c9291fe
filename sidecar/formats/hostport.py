"""An address and a port in one string, as most readers spell it (RFC 3986, section 3.2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.membership.addresses import is_ipv6

if TYPE_CHECKING:
    from sidecar.membership.member import Member


def hostport(member: Member) -> str:
    """``10.0.0.1:5701``, ``[2001:db8::1]:5701``; without a port, ``10.0.0.1`` and ``[2001:db8::1]``."""
    host = f"[{member.address}]" if is_ipv6(member.address) else member.address
    return host if member.port is None else f"{host}:{member.port}"
