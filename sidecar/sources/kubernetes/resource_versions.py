"""resourceVersions as numbers: those of one resource type may be compared so (KEP-5504). Anything else is opaque.

Pure.
"""

from __future__ import annotations

LONGEST = 40
"""Digits. etcd's revisions have 64 bits, hence 20 digits; Python refuses to read a number of more than 4,300."""


def number(resource_version: str) -> int | None:
    """The resourceVersion as a number, if it is one."""
    is_one = resource_version.isdecimal() and resource_version.isascii() and len(resource_version) <= LONGEST
    return int(resource_version) if is_one else None


def is_older(resource_version: str, than: str) -> bool:
    """Whether *resource_version* is older; unknown, hence no, unless both are numbers."""
    one, other = number(resource_version), number(than)
    return one is not None and other is not None and one < other


def order(resource_version: str) -> int:
    """What orders two origins that disagree; 0 if the resourceVersion is no number."""
    return number(resource_version) or 0
