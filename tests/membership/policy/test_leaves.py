"""Who may leave when: hold-down and shrink guard.

Times are seconds of a made-up clock. Out of scope: what else is pending meanwhile (test_changes).
"""

from __future__ import annotations

import pytest

from sidecar.membership.policy.leaves import LeavePolicy, Leaves, LeavingMembers
from sidecar.membership.policy.timing import NEVER, Hold

SCOPE = "pods/default/app"
HALF = LeavePolicy(max_shrink=0.5, shrink_hold=30.0)


def test_nobody_leaves_if_nobody_left() -> None:
    """And no time is due."""
    assert LeavingMembers(HALF).judge(5.0, 3) == Leaves((), NEVER, -NEVER, None, NEVER)


def test_what_the_shrink_guard_says() -> None:
    """How many, of how many, which option, and what ends it."""
    leaving = LeavingMembers(HALF)
    for key in ("a", "b"):
        leaving.leave(key, (SCOPE,), 5.0)
    message = (
        "2 of 3 members left at once, more than --max-shrink 50%:"
        " they stay in the files until a new list confirms it or --shrink-hold has passed"
    )
    hold = Hold(reason="shrink", message=message, until=35.0, leaves_only=True)
    assert leaving.judge(6.0, 3) == Leaves((), NEVER, -NEVER, hold, 35.0)


def test_a_leave_that_is_reported_again_changes_nothing() -> None:
    """Neither when it left nor that it must not stay."""
    leaving = LeavingMembers(LeavePolicy(hold_down=10.0))
    leaving.leave("a", (SCOPE,), 5.0)
    leaving.leave("a", (SCOPE,), 9.0)
    assert leaving.judge(9.0, 2).until == 15.0
    leaving.evict("a", 9.0)
    leaving.leave("a", (SCOPE,), 10.0)
    assert leaving.evicted == tuple(leaving) == ("a",)


def test_times_never_go_back() -> None:
    """An event that says that it arrived before another one arrived with it: no member stays longer for it."""
    leaving = LeavingMembers(LeavePolicy(hold_down=10.0))
    leaving.leave("a", (SCOPE,), 5.0)
    leaving.leave("b", (SCOPE,), 3.0)
    assert leaving.judge(14.0, 2).until == 15.0
    assert leaving.judge(15.0, 2).keys == ("a", "b")


@pytest.mark.parametrize(("shrunk", "size", "held"), [(1, 2, False), (2, 3, True), (1, 1, True), (5, 10, False)])
def test_exactly_the_share_may_leave(shrunk: int, size: int, held: bool) -> None:
    """More than half is more than half."""
    leaving = LeavingMembers(HALF)
    for number in range(shrunk):
        leaving.leave(f"app-{number}", (SCOPE,), 1.0)
    assert (leaving.judge(1.0, size).hold is not None) == held
