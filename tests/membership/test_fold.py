"""The fold: how events change what is known. Laws, because every history is possible.

Out of scope: which of it is published (policy/test_selection), and how it arrives (tests/sources).
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from sidecar.membership.events import Applied, Deleted, Failed, Listed, Recovered
from sidecar.membership.fold import State, fold
from tests.support.strategies import SCOPES, events, histories, reports

if TYPE_CHECKING:
    from sidecar.membership.events import Event, Report


def run(history: list[Event]) -> State:
    """The state after *history*."""
    return reduce(fold, history, State.of(SCOPES))


def by_origin(state: State) -> dict[str, Report]:
    """What is known."""
    return state.reports


def test_nothing_is_known_at_first() -> None:
    """A state starts unsynced and empty."""
    state = State.of(SCOPES)
    assert not state.synced
    assert state.reports == {}


def test_it_is_synced_when_every_scope_was_listed() -> None:
    """One complete snapshot is not enough if there are two scopes."""
    first, second = SCOPES
    state = fold(State.of(SCOPES), Listed(scope=first, reports=(), resource_version="1"))
    assert not state.synced
    assert fold(state, Listed(scope=second, reports=(), resource_version="7")).synced


@given(histories(), histories(), st.lists(reports(SCOPES[0]), max_size=4))
def test_a_relist_forgets_the_past(before: list[Event], after: list[Event], listed: list[Report]) -> None:
    """What came before a list of all scopes does not matter after it."""
    relist: list[Event] = [
        Listed(scope=SCOPES[0], reports=tuple(listed), resource_version="9"),
        Listed(scope=SCOPES[1], reports=(), resource_version="9"),
    ]
    assert run([*before, *relist, *after]) == run([*relist, *after])


@given(histories(), events())
def test_events_are_idempotent(history: list[Event], event: Event) -> None:
    """Applying an event twice is the same as applying it once."""
    once = fold(run(history), event)
    assert fold(once, event) == once


@given(histories(), st.sampled_from(SCOPES))
def test_a_failure_changes_no_member(history: list[Event], scope: str) -> None:
    """Neither does a recovery; the failure is known in between."""
    before = run(history)
    failing = fold(before, Failed(scope=scope, reason="refused", message="away"))
    after = fold(failing, Recovered(scope=scope))
    assert by_origin(before) == by_origin(failing) == by_origin(after)
    assert failing.scopes[scope].failing == "away"
    assert after.scopes[scope].failing == ""
    assert before.synced == failing.synced
    assert before.resource_versions == failing.resource_versions


@given(histories(), reports(SCOPES[0]), reports(SCOPES[0]))
def test_changes_of_distinct_origins_commute(history: list[Event], one: Report, other: Report) -> None:
    """In whatever order two slices are reported, the same is known."""
    if one.origin == other.origin:
        return
    first = Applied(scope=SCOPES[0], report=one, resource_version="5")
    second = Applied(scope=SCOPES[0], report=other, resource_version="5")
    assert by_origin(run([*history, first, second])) == by_origin(run([*history, second, first]))


@given(histories(), reports(SCOPES[0]))
def test_a_deleted_origin_reports_nothing_more(history: list[Event], report: Report) -> None:
    """Deleting an origin removes everything that it reported, and deleting it twice is harmless."""
    gone = Deleted(scope=SCOPES[0], origin=report.origin, resource_version="6")
    state = run([*history, Applied(scope=SCOPES[0], report=report, resource_version="5"), gone, gone])
    assert report.origin not in by_origin(state)
