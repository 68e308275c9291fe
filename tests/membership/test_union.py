"""The union: one member from all the reports about it.

The incremental union is compared with one that is built from scratch. Out of scope: what is selected of it
(policy/test_selection).
"""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given

from sidecar.membership.events import Event, Report
from sidecar.membership.fold import State
from sidecar.membership.union import Union
from tests.support.members import by_key, made
from tests.support.strategies import FAMILIES, SCOPES, histories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sidecar.membership.member import Member


def union_from_scratch(reports: Iterable[Report], family: str) -> dict[str, Member]:
    """The specification: of each key, the newest sighting, with the newest addresses of each family."""
    sightings: dict[str, list[tuple[Report, Member]]] = {}
    for each in sorted(reports, key=lambda each: each.origin):
        for key, found in each.members.items():
            sightings.setdefault(key, []).append((each, found))
    return {key: seen[0][1] if len(seen) == 1 else specified(seen, family) for key, seen in sightings.items()}


def specified(sightings: list[tuple[Report, Member]], family: str) -> Member:
    """One member from its sightings, which are in the order of their origins: of two as new the first counts."""

    def newest(wanted: Callable[[Member], bool]) -> Member | None:
        seen = [(report.order, found) for report, found in sightings if wanted(found)]
        return max(seen, key=lambda sighting: sighting[0])[1] if seen else None

    v4 = newest(lambda found: "." in found.addresses[0])
    v6 = newest(lambda found: ":" in found.addresses[0])
    used = {"auto": v4 or v6, "ipv4": v4, "ipv6": v6}[family]
    member = newest(lambda _: True)
    assert member
    addresses = tuple(each.addresses[0] for each in (v4, v6) if each)
    address = used.addresses[0] if used else ""
    return msgspec.structs.replace(member, addresses=addresses, address=address)


@given(histories(), FAMILIES)
def test_the_union_equals_the_union_built_from_scratch(history: list[Event], family: str) -> None:
    """Following every event gives the same as looking once at the end, and returns exactly what changed."""
    union, state = Union(family), State.of(SCOPES)
    for event in history:
        before = dict(union.members)
        changed = union.update(state.apply(event))
        assert changed == {key for key in before.keys() | union.members if before.get(key) != union.members.get(key)}
        assert union.members == union_from_scratch(state.reports.values(), family)


def report(origin: str, order: int, *members: Member) -> Report:
    """What one slice reports."""
    return Report(f"endpointslice/default/{origin}", order, by_key(members))


def union_of(*reports: Report) -> dict[str, Member]:
    """The union of *reports*, made one after the other."""
    union = Union("auto")
    for each in reports:
        union.update({each.origin: each})
    return union.members


READY, DRAINING = made(1), made(1, ready=False)


def test_of_two_slices_that_disagree_the_newer_is_believed() -> None:
    """Whichever came last."""
    newer, older = report("a", 7, DRAINING), report("b", 5, READY)
    assert union_of(newer, older) == union_of(older, newer) == {DRAINING.key: DRAINING}


def test_of_two_slices_of_the_same_order_the_first_by_name_is_believed() -> None:
    """Some sources have no order; the result is the same everywhere all the same."""
    one, other = report("a", 0, DRAINING), report("b", 0, READY)
    assert union_of(one, other) == union_of(other, one) == {DRAINING.key: DRAINING}


def test_a_slice_that_becomes_the_newer_one_is_believed_from_then_on() -> None:
    """Even if what it reports about the shared member did not change."""
    found = union_of(report("a", 5, DRAINING), report("b", 6, READY), report("a", 7, DRAINING))
    assert found == {DRAINING.key: DRAINING}


def test_a_member_that_one_of_two_slices_drops_is_as_the_other_one_reports_it() -> None:
    """It does not leave."""
    assert union_of(report("a", 7, DRAINING), report("b", 5, READY), report("a", 8)) == {READY.key: READY}


@pytest.mark.parametrize("family", ["auto", "ipv4", "ipv6"])
def test_a_dual_stack_pod_is_one_member_with_both_addresses(family: str) -> None:
    """The slices of both families are merged by UID; IPv4 is first."""
    union = Union(family)
    for each in (report("six", 9, made(1, "fd00::1")), report("four", 3, made(1, "10.0.0.1"))):
        union.update({each.origin: each})
    (found,) = union.members.values()
    assert found.addresses == ("10.0.0.1", "fd00::1")
    assert found.address == ("fd00::1" if family == "ipv6" else "10.0.0.1")


@pytest.mark.parametrize("shared", [False, True], ids=["", "that another slice reported, too"])
def test_a_change_costs_the_endpoint_and_not_its_slice(shared: bool) -> None:
    """No collection of all the keys in the slice is made: it would be 32 kB and more."""
    union, slice_of = Union("auto"), {each.key: each for each in map(made, range(1000))}
    union.update({"a": Report("a", 1, slice_of)})
    if shared:
        union.update({"b": Report("b", 1, slice_of)})
        union.update({"b": None})
    changed = Report("a", 2, slice_of | {READY.key: DRAINING})
    tracemalloc.start()
    try:
        assert union.update({"a": changed}) == {READY.key}
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000


def test_only_what_changed_is_reported() -> None:
    """A report that says the same again changes nothing; a report that is gone changes what only it reported."""
    union = Union("auto")
    moved = msgspec.structs.replace(READY, zone="eu-2")
    first, second = report("a", 1, READY, made(2)), report("a", 2, moved, made(2))
    assert union.update({first.origin: first}) == {READY.key, made(2).key}
    assert union.update({second.origin: second}) == {READY.key}
    assert union.update({second.origin: report("a", 3, moved, made(2))}) == set()
    assert union.update({second.origin: None}) == {READY.key, made(2).key}
    assert union.update({second.origin: None}) == set()
    assert union.members == {}
