"""IP addresses as text: their family, and which one of several is used.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PREFERENCE = {"auto": (False, True), "ipv4": (False,), "ipv6": (True,)}
"""Whether an address is IPv6, in the order in which addresses are preferred, by family."""


def is_ipv6(address: str) -> bool:
    """Whether a literal address is IPv6."""
    return ":" in address


def choose(addresses: Sequence[str], family: str) -> str:
    """The first address of *family* (``auto`` prefers IPv4); empty if there is none."""
    for v6 in _PREFERENCE[family]:
        for address in addresses:
            if is_ipv6(address) is v6:
                return address
    return ""
