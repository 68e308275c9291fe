"""Members that are ordinary but for what a test says, and what is selected of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from sidecar.formats.samples import member
from sidecar.membership.policy.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sidecar.membership.member import Member
    from sidecar.membership.policy.rules import Rules

OLD, NEW = "2026-03-01T10:00:00Z", "2026-03-01T10:00:01Z"
"""Creation times."""


def made(number: int = 1, address: str = "", **fields: Any) -> Member:  # noqa: ANN401 - any field of a member
    """The ready member app-*number* with these *fields*."""
    return msgspec.structs.replace(member(number, address or f"10.0.0.{number}"), **fields)


def by_key(members: Iterable[Member]) -> dict[str, Member]:
    """The members by their keys."""
    return {each.key: each for each in members}


def select(rules: Rules, members: Iterable[Member]) -> Selection:
    """The selection among *members*, all reported at once."""
    union = by_key(members)
    selection = Selection(rules)
    selection.update(union, union)
    return selection


def select_one_by_one(rules: Rules, members: Iterable[Member]) -> Selection:
    """The selection among *members*, reported one after the other."""
    selection, union = Selection(rules), dict[str, "Member"]()
    for each in members:
        union[each.key] = each
        selection.update([each.key], union)
    return selection


def names(selection: Selection) -> list[str]:
    """The names of the selected members."""
    return sorted(each.name for each in selection.members.values())
