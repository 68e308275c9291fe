"""Addresses: which one of several is used."""

from __future__ import annotations

import pytest

from sidecar.membership.addresses import choose


@pytest.mark.parametrize(
    ("addresses", "family", "chosen"),
    [
        (("10.0.0.1", "fd00::1"), "auto", "10.0.0.1"),
        (("fd00::1", "10.0.0.1"), "auto", "10.0.0.1"),
        (("10.0.0.1", "10.0.0.2"), "auto", "10.0.0.1"),
        (("10.0.0.1", "fd00::1"), "ipv4", "10.0.0.1"),
        (("10.0.0.1", "fd00::1"), "ipv6", "fd00::1"),
        (("10.0.0.1",), "ipv6", ""),
        (("fd00::1",), "auto", "fd00::1"),
        (("fd00::1",), "ipv4", ""),
        ((), "auto", ""),
    ],
)
def test_the_first_address_of_the_chosen_family_is_used(addresses: tuple[str, ...], family: str, chosen: str) -> None:
    """Auto prefers IPv4; a member without an address of the family has none to use."""
    assert choose(addresses, family) == chosen
