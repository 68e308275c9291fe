"""The pipeline: from events to the bytes of every output.

It is compared with the bytes that are rendered from scratch. Out of scope: the union (tests/membership), the rules of
the selection and what restrains leaves (tests/membership/policy), when a publication happens (test_publish_loop), the
bytes of each format (tests/formats).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from sidecar.formats import FORMATS, render
from sidecar.formats.samples import member
from sidecar.membership.events import Applied, Event, Listed, Report
from sidecar.membership.policy.leaves import LeavePolicy
from sidecar.membership.policy.rules import OwnPod, Rules
from sidecar.membership.policy.selection import Selection
from sidecar.membership.policy.timing import Window
from sidecar.membership.track import Track
from sidecar.output.pipeline import Pipeline
from tests.support.members import by_key
from tests.support.strategies import FAMILIES, SCOPES, histories, rules

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sidecar.membership.member import Member

NEVER = float("inf")
RULES = Rules()


def selection_from_scratch(members: Iterable[Member], own: OwnPod, of: Rules) -> dict[str, Member]:
    """The selection in one go; that it is right is in test_selection."""
    selection = Selection(of)
    selection.own = own
    union = by_key(members)
    selection.update(union, union)
    return selection.members


def new_pipeline(family: str = "auto", of: Rules = RULES) -> Pipeline:
    """A pipeline with every format."""
    return Pipeline(
        [Track("endpointslice", SCOPES, family)], list(FORMATS.values()), rules=of, leave_policy=LeavePolicy()
    )


@given(histories(), FAMILIES, rules(), st.data())
def test_the_bytes_depend_on_what_is_known_and_not_on_how_often_they_were_rendered(
    history: list[Event], family: str, of: Rules, data: st.DataObject
) -> None:
    """However often something is rendered in between, the bytes end up as those rendered from scratch."""
    pipeline = new_pipeline(family, of)
    for event in history:
        pipeline.take(event)
        if data.draw(st.booleans()):
            pipeline.render(NEVER, leaves=True)
    pipeline.render(NEVER, leaves=True)
    at_once = Track("endpointslice", SCOPES, family)
    for event in history:
        at_once.take(event)
    selected = selection_from_scratch(at_once.union.members.values(), pipeline.selection.own, of)
    assert pipeline.selected == pipeline.rendered == selected
    expected = tuple(render(form, "endpointslice", selected.values()) for form in FORMATS.values())
    assert tuple(map(b"".join, pipeline.bodies)) == expected


@given(histories(), FAMILIES, rules())
def test_only_members_and_addresses_that_the_source_reported_are_selected(
    history: list[Event], family: str, of: Rules
) -> None:
    """Policy takes away and adds nothing."""
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
def test_what_is_pending_is_the_difference_between_selected_and_rendered(history: list[Event]) -> None:
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
    """It is out of one slice and in another before anything is due: nothing is pending."""
    pipeline = new_pipeline()
    pipeline.take(applied("a", 1, member(0, "10.0.0.1")))
    pipeline.render(NEVER, leaves=True)
    pipeline.take(applied("a", 2, arrived=1.0))
    assert pipeline.pending(1.0).leaves == Window(since=1.0, changed=1.0, leaving=True)
    pipeline.take(applied("b", 3, member(0, "10.0.0.1"), arrived=1.05))
    assert pipeline.pending(1.05).leaves is pipeline.pending(1.05).joins is None


def test_a_set_is_published_in_one_family() -> None:
    """A member without an IPv4 address is left out as soon as another one has one, and is back when it goes."""
    pipeline = new_pipeline()
    pipeline.take(applied("six", 1, member(0, "fd00::1"), member(1, "fd00::2")))
    assert len(pipeline.selected) == 2
    pipeline.take(applied("four", 2, member(1, "10.0.0.2")))
    assert [found.name for found in pipeline.selected.values()] == ["app-1"]
    pipeline.take(applied("four", 3))
    assert len(pipeline.selected) == 2


FIRST = member(0, "10.0.0.1")
SECOND = msgspec.structs.replace(FIRST, service="other")


def test_a_pod_that_two_services_select_is_listed_once_in_every_format() -> None:
    """In all formats alike: the first in canonical order."""
    once, twice = new_pipeline(), new_pipeline()
    for pipeline, events in (
        (once, [applied("a", 1, FIRST)]),
        (twice, [applied("a", 1, FIRST), applied("b", 2, SECOND)]),
    ):
        for event in events:
            pipeline.take(event)
        pipeline.render(NEVER, leaves=True)
    assert twice.bodies == once.bodies


def test_a_pod_whose_line_moves_to_another_service_is_never_listed_twice() -> None:
    """The old line goes with the rendering that brings the new one, though no leave is due."""
    pipeline = Pipeline(
        [Track("endpointslice", SCOPES, "auto")],
        list(FORMATS.values()),
        rules=RULES,
        leave_policy=LeavePolicy(hold_down=60.0, max_shrink=0.0),
    )
    for event in (applied("a", 1, FIRST), applied("b", 2, SECOND)):
        pipeline.take(event)
    pipeline.render(0.0, leaves=True)
    pipeline.take(applied("a", 3, arrived=5.0))
    assert pipeline.render(5.0, leaves=False) == {FIRST.key: (FIRST, None), SECOND.key: (None, SECOND)}
    assert list(pipeline.rendered.values()) == [SECOND]


def test_a_checkpoint_says_how_far_every_track_was_followed() -> None:
    """How far each was followed, used or not; where nothing is known yet, what was known before."""
    tracks = [Track(name, [f"{name}/default/app"], "auto") for name in ("endpointslice", "endpoints", "dns")]
    pipeline = Pipeline(tracks, [], rules=Rules(), leave_policy=LeavePolicy())
    pipeline.take(Listed(scope="endpointslice/default/app", reports=(), resource_version="7"))
    pipeline.activate(tracks[1], 1.0)
    before = {"endpointslice/default/app": "3", "endpoints/default/app": "5", "gone/default/app": "9"}
    assert pipeline.resource_versions(before) == {"endpointslice/default/app": "7", "endpoints/default/app": "5"}


def test_the_set_changes_when_the_answer_becomes_complete() -> None:
    """Nobody joined by it, and yet it was not known before who is there: ``--stable-for`` counts from then."""
    pipeline = Pipeline([Track("dns", ["a", "b"], "auto")], [], rules=Rules(), leave_policy=LeavePolicy())
    found = member(0, "10.0.0.1")
    report = Report("a/x", 1, {found.key: found})
    pipeline.take(Listed(scope="a", reports=(report,), resource_version="", arrived=1.0))
    assert pipeline.changed_at == 1.0
    pipeline.take(Listed(scope="b", reports=(), resource_version="", arrived=9.0))
    assert pipeline.changed_at == 9.0
    pipeline.take(Listed(scope="b", reports=(), resource_version="", arrived=20.0))
    assert pipeline.changed_at == 9.0
