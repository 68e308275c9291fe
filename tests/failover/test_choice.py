"""Which way to find members is believed: tables over time, and that it can neither flap nor end in nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.failover.choice import Choice, choose
from sidecar.membership.events import Failed, Listed, Recovered
from sidecar.membership.fold import State
from sidecar.membership.policy.timing import NEVER

if TYPE_CHECKING:
    from sidecar.membership.events import Event

PATIENCE = 300.0

SYNCED = Listed(scope="s", reports=(), resource_version="1")


def failed(at: float, reason: str = "refused") -> Failed:
    """The source fails."""
    return Failed(scope="s", reason=reason, message=f"This is {reason}.", arrived=at)


def state(*events: Event) -> State:
    """A way with one source, after *events*."""
    made = State.of("s")
    for event in events:
        made.apply(event)
    return made


WORKS = state(SYNCED)
UNKNOWN = state()
AWAY = state(SYNCED, failed(10.0))
FORBIDDEN = state(failed(10.0, "forbidden"))
BACK = state(SYNCED, failed(10.0), Recovered(scope="s"))

CASES = {
    "the first works": ([WORKS, UNKNOWN, UNKNOWN], 0, 50.0, Choice(active=0, running=1, until=NEVER)),
    "nothing is known yet": ([UNKNOWN, UNKNOWN], 0, 50.0, Choice(active=0, running=1, until=NEVER)),
    "away for a while": ([AWAY, UNKNOWN], 0, 309.0, Choice(active=0, running=1, until=310.0)),
    "away for too long": ([AWAY, UNKNOWN], 0, 310.0, Choice(active=0, running=2, until=NEVER)),
    "away, and the next knows": ([AWAY, WORKS], 0, 311.0, Choice(active=1, running=2, until=NEVER)),
    "away, and the next is away, too": ([AWAY, AWAY], 1, 311.0, Choice(active=1, running=2, until=NEVER)),
    "away, and the next never worked": (
        [AWAY, state(failed(311.0)), UNKNOWN],
        0,
        311.0,
        Choice(active=0, running=3, until=NEVER),
    ),
    "not allowed, and the next is away": (
        [FORBIDDEN, state(failed(50.0)), UNKNOWN],
        0,
        60.0,
        Choice(active=0, running=2, until=350.0),
    ),
    "away, and the next worked until lately": (
        [AWAY, state(SYNCED, failed(200.0)), UNKNOWN],
        1,
        311.0,
        Choice(active=1, running=2, until=500.0),
    ),
    "back": ([BACK, WORKS], 1, 400.0, Choice(active=0, running=1, until=NEVER)),
    "never allowed": ([FORBIDDEN, UNKNOWN, UNKNOWN], 0, 10.0, Choice(active=0, running=2, until=NEVER)),
    "never allowed, twice": ([FORBIDDEN, FORBIDDEN, WORKS], 0, 10.0, Choice(active=2, running=3, until=NEVER)),
    "not there": ([state(failed(10.0, "not_found")), WORKS], 0, 10.0, Choice(active=1, running=2, until=NEVER)),
    "allowed later": ([WORKS, WORKS], 1, 60.0, Choice(active=0, running=1, until=NEVER)),
    "not allowed any more": (
        [state(SYNCED, failed(10.0, "forbidden")), UNKNOWN],
        0,
        20.0,
        Choice(active=0, running=1, until=310.0),
    ),
    "alone": ([AWAY], 0, 1000.0, Choice(active=0, running=1, until=NEVER)),
}


@pytest.mark.parametrize(("states", "active", "now", "expected"), CASES.values(), ids=CASES)
def test_the_most_preferred_that_works(states: list[State], active: int, now: float, expected: Choice) -> None:
    """Each situation, and what is done in it."""
    assert choose(states, active, PATIENCE, now) == expected


def test_without_a_fallback_nobody_is_given_up() -> None:
    """``--fallback-after off`` waits for ever, but for what is not allowed."""
    assert choose([AWAY, UNKNOWN], 0, NEVER, 1e9).running == 1
    assert choose([FORBIDDEN, UNKNOWN], 0, NEVER, 1e9).running == 2


def test_who_was_given_up_works_again_only_after_a_list() -> None:
    """That it answers says nothing about its members: they are as old as the failure."""
    states = [BACK, UNKNOWN, WORKS]
    assert choose(states, 2, PATIENCE, 400.0, outdated={0, 1}).active == 2
    assert choose(states, 2, PATIENCE, 400.0, outdated={1}).active == 0


def test_a_candidate_in_between_takes_over_while_the_first_is_still_outdated() -> None:
    """Each is judged by itself."""
    assert choose([BACK, WORKS, WORKS], 2, PATIENCE, 400.0, outdated={0}).active == 1


STATES = st.lists(
    st.one_of(
        st.just(SYNCED),
        st.just(Recovered(scope="s")),
        st.builds(failed, st.floats(0, 1000), st.sampled_from(("refused", "forbidden", "timeout"))),
    ),
    max_size=5,
).map(lambda events: state(*events))


@given(st.lists(STATES, min_size=1, max_size=3), st.data(), st.floats(0, 2000))
def test_whoever_is_believed_is_followed_and_stays_so(states: list[State], data: st.DataObject, now: float) -> None:
    """The choice is among those that run, it is the same when asked again, and it lies in the future when to ask."""
    active = data.draw(st.integers(0, len(states) - 1))
    choice = choose(states, active, PATIENCE, now)
    assert 0 <= choice.active < choice.running <= len(states)
    assert choice.until > now
    again = choose(states, choice.active, PATIENCE, now)
    assert again.active == choice.active


@given(st.lists(STATES, min_size=2, max_size=3), st.floats(0, 2000))
def test_nobody_takes_over_without_a_complete_answer(states: list[State], now: float) -> None:
    """A way that never answered, or fails now, is not believed in the place of another."""
    choice = choose(states, 0, PATIENCE, now)
    if choice.active:
        (scope,) = states[choice.active].scopes.values()
        assert scope.synced
        assert not scope.failing
