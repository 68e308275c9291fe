"""Union, timing and the pipeline: what is published of what is known, and when.

The incremental parts are compared with the same thing made from nothing. Out of scope: the rules of the selection
(test_policy_selection), what leaves and what waits (test_policy_leaves, test_policy_guards), reading the clock and
writing (test_keeper), the bytes of each format (test_formats).
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.formats import FORMATS, render
from sidecar.formats.samples import member
from sidecar.membership.addresses import choose
from sidecar.membership.events import Applied, Event, Report
from sidecar.membership.fold import State, fold
from sidecar.membership.policy.leaves import LeavePolicy
from sidecar.membership.policy.rules import Own, Rules
from sidecar.membership.policy.selection import Selection
from sidecar.membership.policy.timing import Pace, Window
from sidecar.membership.track import Track
from sidecar.membership.union import Union, merge
from sidecar.output.pipeline import Pipeline
from tests.support.strategies import SCOPES, histories, rules

if TYPE_CHECKING:
    from sidecar.membership.member import Member

FAMILIES = st.sampled_from(("auto", "ipv4", "ipv6"))
NEVER = float("inf")
RULES = Rules()


def union_from_nothing(state: State, family: str) -> dict[str, Member]:
    """The specification of the union: collect the sightings of each key, then merge."""
    sightings: dict[str, list[tuple[Report, Member]]] = {}
    for report in state.reports.values():
        for key, found in report.members.items():
            sightings.setdefault(key, []).append((report, found))
    return {key: seen[0][1] if len(seen) == 1 else merge(seen, family) for key, seen in sightings.items()}


def selection_from_nothing(union: dict[str, Member], own: Own, of: Rules) -> dict[str, Member]:
    """The selection at once; that it is right is in test_policy_selection."""
    selection = Selection(of)
    selection.own = own
    selection.update(union, union)
    return selection.members


def new_pipeline(family: str = "auto", of: Rules = RULES) -> Pipeline:
    """A pipeline with every format."""
    return Pipeline(
        [Track("endpointslice", SCOPES, family)], list(FORMATS.values()), rules=of, leave_policy=LeavePolicy()
    )


@given(histories(), FAMILIES)
def test_the_union_is_the_union_made_from_nothing(history: list[Event], family: str) -> None:
    """Following every event gives what looking once at the end gives."""
    union, state = Union(family), State.of(SCOPES)
    for event in history:
        before, known = dict(union.members), state.reports
        state = fold(state, event)
        changed = union.update({origin: state.reports.get(origin) for origin in known.keys() | state.reports.keys()})
        assert changed == {key for key in before.keys() | union.members if before.get(key) != union.members.get(key)}
    assert union.members == union_from_nothing(state, family)


@given(histories(), FAMILIES, rules(), st.data())
def test_a_publication_depends_on_what_is_known_and_not_on_how_it_was_chunked(
    history: list[Event], family: str, of: Rules, data: st.DataObject
) -> None:
    """However often the bytes are asked for in between, they end as those made from nothing."""
    pipeline = new_pipeline(family, of)
    for event in history:
        pipeline.take(event)
        if data.draw(st.booleans()):
            pipeline.render(NEVER, leaves=True)
    pipeline.render(NEVER, leaves=True)
    state = reduce(fold, history, State.of(SCOPES))
    selected = selection_from_nothing(union_from_nothing(state, family), pipeline.selection.own, of)
    assert pipeline.selected == pipeline.rendered == selected
    expected = tuple(render(form, "endpointslice", selected.values()) for form in FORMATS.values())
    assert tuple(map(b"".join, pipeline.bodies)) == expected


@given(histories(), FAMILIES, rules())
def test_policy_adds_no_member_that_the_source_did_not_report(history: list[Event], family: str, of: Rules) -> None:
    """Whatever is published was said by an origin, with one of the addresses that were said."""
    pipeline = new_pipeline(family, of)
    for event in history:
        pipeline.take(event)
    reported = {
        (key, address)
        for report in pipeline.state.reports.values()
        for key, found in report.members.items()
        for address in found.addresses
    }
    assert {(key, found.address) for key, found in pipeline.selected.items()} <= reported


@given(histories())
def test_what_is_pending_is_the_difference_to_what_was_rendered(history: list[Event]) -> None:
    """Something is pending exactly while the selection differs from the last rendering."""
    pipeline = new_pipeline()
    for number, event in enumerate(history):
        pipeline.take(event)
        pending = pipeline.pending(NEVER)
        different = {key for key, found in pipeline.selected.items() if pipeline.rendered.get(key) != found}
        assert (pending.joins is not None) == bool(different)
        assert (pending.leaves is not None) == bool(pipeline.rendered.keys() - pipeline.selected.keys())
        if number % 3 == 0:
            pipeline.render(NEVER, leaves=True)


def applied(origin: str, version: int, *found: Member, arrived: float = 0.0) -> Applied:
    """A slice of the first scope."""
    report = Report(f"endpointslice/default/{origin}", version, {each.key: each for each in found})
    return Applied(scope=SCOPES[0], report=report, resource_version=str(version), arrived=arrived)


def test_a_member_that_moves_between_slices_is_never_missing_if_it_is_quick() -> None:
    """Out of one slice and into another before anything is due: nothing is pending."""
    pipeline = new_pipeline()
    pipeline.take(applied("a", 1, member(0, "10.0.0.1")))
    pipeline.render(NEVER, leaves=True)
    pipeline.take(applied("a", 2, arrived=1.0))
    assert pipeline.pending(1.0).leaves == Window(since=1.0, changed=1.0, leaving=True)
    pipeline.take(applied("b", 3, member(0, "10.0.0.1"), arrived=1.05))
    assert pipeline.pending(1.05).leaves is pipeline.pending(1.05).joins is None


def test_slices_that_disagree_are_resolved_by_the_newer_one() -> None:
    """The conditions of a pod that two slices report are those of the newer slice, whichever came last."""
    ready, draining = member(0, "10.0.0.1"), msgspec.structs.replace(member(0, "10.0.0.1"), ready=False)
    for order in (
        (applied("a", 7, draining), applied("b", 5, ready)),
        (applied("b", 5, ready), applied("a", 7, draining)),
    ):
        pipeline = new_pipeline(of=Rules(not_ready="include"))
        for event in order:
            pipeline.take(event)
        assert [found.ready for found in pipeline.selected.values()] == [False]


def test_a_slice_that_becomes_the_newer_one_is_believed_from_then_on() -> None:
    """Its view of the shared member did not change, its version did."""
    ready, draining = member(0, "10.0.0.1"), msgspec.structs.replace(member(0, "10.0.0.1"), ready=False)
    pipeline = new_pipeline(of=Rules(not_ready="include"))
    for event in (applied("a", 5, draining), applied("b", 6, ready), applied("a", 7, draining)):
        pipeline.take(event)
    assert [found.ready for found in pipeline.selected.values()] == [False]


def test_a_dual_stack_pod_is_one_member_with_both_addresses() -> None:
    """The slices of both families are merged by UID; IPv4 is first, and the one that is used."""
    v4, v6 = member(0, "10.0.0.1"), member(0, "fd00::1")
    assert v4.key == v6.key
    pipeline = new_pipeline()
    pipeline.take(applied("six", 9, v6))
    pipeline.take(applied("four", 3, v4))
    (found,) = pipeline.selected.values()
    assert found.addresses == ("10.0.0.1", "fd00::1")
    assert found.address == "10.0.0.1"


def test_a_set_is_published_in_one_family() -> None:
    """A member without an IPv4 address is left out as soon as another one has one, and is back when it goes."""
    pipeline = new_pipeline()
    pipeline.take(applied("six", 1, member(0, "fd00::1"), member(1, "fd00::2")))
    assert len(pipeline.selected) == 2
    pipeline.take(applied("four", 2, member(1, "10.0.0.2")))
    assert [found.name for found in pipeline.selected.values()] == ["app-1"]
    pipeline.take(applied("four", 3))
    assert len(pipeline.selected) == 2


@pytest.mark.parametrize(
    ("addresses", "family", "chosen"),
    [
        (("10.0.0.1", "fd00::1"), "auto", "10.0.0.1"),
        (("10.0.0.1", "fd00::1"), "ipv6", "fd00::1"),
        (("fd00::1",), "auto", "fd00::1"),
        (("fd00::1",), "ipv4", ""),
        ((), "auto", ""),
    ],
)
def test_the_address_is_of_the_chosen_family(addresses: tuple[str, ...], family: str, chosen: str) -> None:
    """Auto prefers IPv4; a family that a member has not leaves it without an address."""
    assert choose(addresses, family) == chosen


READY, STARTING = member(0, "10.0.0.1"), msgspec.structs.replace(member(1, "10.0.0.2"), ready=False)
LEAVING = msgspec.structs.replace(member(2, "10.0.0.3"), terminating=True)


@pytest.mark.parametrize(
    ("not_ready", "union", "selected"),
    [
        pytest.param("prefer-ready", (READY, STARTING), (READY,), id="ready ones if there are any"),
        pytest.param("prefer-ready", (STARTING,), (STARTING,), id="else all: a new cluster must find itself"),
        pytest.param("include", (READY, STARTING), (READY, STARTING), id="include"),
        pytest.param("exclude", (READY, STARTING), (READY,), id="exclude"),
        pytest.param("exclude", (STARTING,), (), id="exclude may leave none"),
        pytest.param("include", (READY, LEAVING), (READY,), id="terminating never"),
        pytest.param("prefer-ready", (STARTING, LEAVING), (STARTING,), id="a terminating one is not a ready one"),
    ],
)
def test_which_members_are_selected(not_ready: str, union: tuple[Member, ...], selected: tuple[Member, ...]) -> None:
    """The table of --not-ready."""
    selection = Selection(Rules(not_ready=not_ready))
    changes = selection.update([each.key for each in union], {each.key: each for each in union})
    assert changes == selection.members == {each.key: each for each in selected}


PACE = Pace(settle=0.2, settle_max=1.0)


@pytest.mark.parametrize(
    ("since", "changed", "leaving", "published", "due"),
    [
        pytest.param(10.0, 10.0, False, 5.0, 10.0, id="an isolated join: at once"),
        pytest.param(10.0, 10.0, False, float("-inf"), 10.0, id="the first one: at once"),
        pytest.param(10.0, 10.0, False, 9.9, 10.2, id="a join soon after a publication: waits for quiet"),
        pytest.param(10.0, 10.0, True, 5.0, 10.2, id="a leave: waits for quiet"),
        pytest.param(10.0, 10.15, True, 5.0, 10.35, id="quiet counts from the newest change"),
        pytest.param(10.0, 10.95, True, 5.0, 11.0, id="but not longer than the ceiling"),
        pytest.param(10.0, 10.0, False, 10.05, 10.2, id="a join while the file was being written"),
    ],
)
def test_when_a_change_is_due(since: float, changed: float, leaving: bool, published: float, due: float) -> None:
    """Joins are fast, leaves are calm."""
    pending = Window(since=since, changed=changed, leaving=leaving)
    assert PACE.due(pending, published) == pytest.approx(due)


@given(st.floats(0, 10), st.floats(0, 10), st.booleans(), st.floats(0, 30), st.floats(0, 2), st.floats(0, 5))
def test_a_change_is_never_held_longer_than_the_ceiling(
    since: float,
    after: float,
    leaving: bool,
    published: float,
    settle: float,
    longest: float,
) -> None:
    """Whatever goes on, a change is due within settle-max (or settle, if that is longer)."""
    pace = Pace(settle=settle, settle_max=longest)
    due = pace.due(Window(since=since, changed=since + after, leaving=leaving), published)
    assert since <= due <= since + max(settle, longest)
