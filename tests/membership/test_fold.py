"""The fold: how events change what is known. Laws, because every history is possible.

Out of scope: which of it is published (policy/test_selection), and how it arrives (tests/sources).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from sidecar.membership.events import Applied, Deleted, Failed, Listed, Recovered, Report
from sidecar.membership.fold import Scope, State
from tests.support.strategies import SCOPES, events, histories, reports

if TYPE_CHECKING:
    from sidecar.membership.events import Event


def run(history: list[Event]) -> State:
    """The state after *history*."""
    state = State.of(SCOPES)
    for event in history:
        state.apply(event)
    return state


def test_nothing_is_known_at_first() -> None:
    """A state starts unsynced and empty."""
    state = State.of(SCOPES)
    assert not state.synced
    assert state.reports == {}
    assert state.resource_versions == dict.fromkeys(SCOPES, "")


def test_it_is_synced_when_every_scope_was_listed() -> None:
    """One complete snapshot is not enough if there are two scopes."""
    lists: list[Event] = [Listed(scope=scope, reports=(), resource_version="1") for scope in SCOPES]
    assert not run(lists[:1]).synced
    assert run(lists).synced


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
    assert run([*history, event, event]) == run([*history, event])


@given(histories(), events())
def test_an_event_returns_the_reports_that_it_replaces(history: list[Event], event: Event) -> None:
    """The reports of all other origins are as before."""
    state = run(history)
    before = state.reports
    replaced = state.apply(event)
    expected = before | {origin: report for origin, report in replaced.items() if report}
    assert state.reports == {origin: report for origin, report in expected.items() if replaced.get(origin, report)}
    assert all(state.reports.get(origin) == report for origin, report in replaced.items())


@given(histories(), events())
def test_a_scope_is_up_to_date_with_its_newest_event(history: list[Event], event: Event) -> None:
    """With that of the newest list or change; failures have none."""
    before, after = run(history), run([*history, event])
    expected = before.resource_versions
    if isinstance(event, (Listed, Applied, Deleted)):
        expected |= {event.scope: event.resource_version}
    assert after.resource_versions == expected


@given(histories(), events(), st.sampled_from(SCOPES))
def test_an_event_changes_its_own_scope_only(history: list[Event], event: Event, scope: str) -> None:
    """Scopes are independent."""
    if scope != event.scope:
        assert run([*history, event]).scopes[scope] == run(history).scopes[scope]


@given(histories(), st.sampled_from(SCOPES))
def test_a_failure_changes_no_member(history: list[Event], scope: str) -> None:
    """Neither does a recovery; the failure is known in between."""
    failure = Failed(scope=scope, reason="refused", message="away")
    before, failing = run(history), run([*history, failure])
    after = run([*history, failure, Recovered(scope=scope)])
    assert before.reports == failing.reports == after.reports
    assert before.synced == failing.synced == after.synced
    assert before.resource_versions == failing.resource_versions == after.resource_versions
    assert (failing.scopes[scope].failing, failing.scopes[scope].reason) == ("away", "refused")
    assert (after.scopes[scope].failing, after.scopes[scope].reason) == ("", "")


def failed(at: float, message: str = "away", reason: str = "refused") -> Failed:
    """A failure of the first scope."""
    return Failed(scope=SCOPES[0], reason=reason, message=message, arrived=at)


def test_a_failure_began_with_its_first_event() -> None:
    """Further ones only change its reason: the time to a fallback does not start again."""
    scope = run([failed(10.0), failed(20.0, "forbidden", "forbidden")]).scopes[SCOPES[0]]
    assert scope == Scope(failing="forbidden", reason="forbidden", since=10.0)


def test_a_failure_ends_with_any_success() -> None:
    """The next failure is another one."""
    for success in (
        Listed(scope=SCOPES[0], reports=(), resource_version="7"),
        Applied(scope=SCOPES[0], report=Report("origin", 1, {}), resource_version="7"),
        Deleted(scope=SCOPES[0], origin="origin", resource_version="7"),
        Recovered(scope=SCOPES[0]),
    ):
        scope = run([failed(10.0), success]).scopes[SCOPES[0]]
        assert (scope.failing, scope.reason, scope.since) == ("", "", 0.0)
        assert run([failed(10.0), success, failed(30.0)]).scopes[SCOPES[0]].since == 30.0


@given(histories(), reports(SCOPES[0]), reports(SCOPES[0]))
def test_changes_of_distinct_origins_commute(history: list[Event], one: Report, other: Report) -> None:
    """In whatever order two slices are reported, the same is known."""
    if one.origin == other.origin:
        return
    first = Applied(scope=SCOPES[0], report=one, resource_version="5")
    second = Applied(scope=SCOPES[0], report=other, resource_version="5")
    assert run([*history, first, second]).reports == run([*history, second, first]).reports


@given(histories(), reports(SCOPES[0]))
def test_a_deleted_origin_reports_nothing_more(history: list[Event], report: Report) -> None:
    """Deleting an origin removes everything that it reported, and deleting it twice is harmless."""
    gone = Deleted(scope=SCOPES[0], origin=report.origin, resource_version="6")
    state = run([*history, Applied(scope=SCOPES[0], report=report, resource_version="5"), gone, gone])
    assert report.origin not in state.reports
    assert state.scopes[SCOPES[0]].resource_version == "6"
