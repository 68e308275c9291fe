"""The fold: what events do to what is known. Laws, since every history is possible.

Out of scope: which of it is published (test_policy), and how it comes over the wire (test_endpointslices,
test_reflector).
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from sidecar.membership.member import Applied, Deleted, Failed, Listed, Recovered, State, fold
from tests.support.strategies import SCOPES, events, groups, histories

if TYPE_CHECKING:
    from sidecar.membership.member import Event, Group


def run(history: list[Event]) -> State:
    """The state after *history*."""
    return reduce(fold, history, State.of(SCOPES))


def by_origin(state: State) -> dict[str, Group]:
    """What is known."""
    return state.groups


def test_nothing_is_known_at_first() -> None:
    """A state starts unsynced and empty."""
    state = State.of(SCOPES)
    assert not state.synced
    assert state.groups == {}


def test_it_is_synced_when_every_scope_was_listed() -> None:
    """One complete answer is not enough if there are two scopes."""
    first, second = SCOPES
    state = fold(State.of(SCOPES), Listed(scope=first, groups=(), revision="1"))
    assert not state.synced
    assert fold(state, Listed(scope=second, groups=(), revision="7")).synced


@given(histories(), histories(), st.lists(groups(SCOPES[0]), max_size=4))
def test_a_relist_forgets_the_past(before: list[Event], after: list[Event], listed: list[Group]) -> None:
    """What came before a list of all scopes does not matter after it."""
    relist: list[Event] = [
        Listed(scope=SCOPES[0], groups=tuple(listed), revision="9"),
        Listed(scope=SCOPES[1], groups=(), revision="9"),
    ]
    assert run([*before, *relist, *after]) == run([*relist, *after])


@given(histories(), events())
def test_events_are_idempotent(history: list[Event], event: Event) -> None:
    """Folding an event twice is folding it once."""
    once = fold(run(history), event)
    assert fold(once, event) == once


@given(histories(), st.sampled_from(SCOPES))
def test_a_failure_changes_no_member(history: list[Event], scope: str) -> None:
    """Neither does a recovery; the failure is known in between."""
    before = run(history)
    failing = fold(before, Failed(scope=scope, reason="refused", sentence="away"))
    after = fold(failing, Recovered(scope=scope))
    assert by_origin(before) == by_origin(failing) == by_origin(after)
    assert failing.scopes[scope].failing == "away"
    assert after.scopes[scope].failing == ""
    assert before.synced == failing.synced
    assert before.revisions == failing.revisions


@given(histories(), groups(SCOPES[0]), groups(SCOPES[0]))
def test_changes_of_distinct_origins_commute(history: list[Event], one: Group, other: Group) -> None:
    """In whatever order two slices are heard of, the same is known."""
    if one.origin == other.origin:
        return
    first = Applied(scope=SCOPES[0], group=one, revision="5")
    second = Applied(scope=SCOPES[0], group=other, revision="5")
    assert by_origin(run([*history, first, second])) == by_origin(run([*history, second, first]))


@given(histories(), groups(SCOPES[0]))
def test_a_deleted_origin_says_nothing_more(history: list[Event], group: Group) -> None:
    """Deleting what was applied takes all of it away, and deleting twice is harmless."""
    gone = Deleted(scope=SCOPES[0], origin=group.origin, revision="6")
    state = run([*history, Applied(scope=SCOPES[0], group=group, revision="5"), gone, gone])
    assert group.origin not in by_origin(state)
