"""What the publish loop does next: a table of situations. That it does so is in ``test_publish_loop``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.membership.policy.changes import Pending
from sidecar.membership.policy.timing import NEVER, Hold, Pace, Window
from sidecar.output.schedule import Step, plan

PACE = Pace(settle=0.2, settle_max=1.0)
NOTHING = Pending(None, None, None, NEVER)
JOIN = Window(since=10.0, changed=10.0)
LEAVE = Window(since=10.0, changed=10.0, leaving=True)
SHRINK = Hold(reason="shrink", message="too many left", until=40.0, leaves_only=True)
PROBLEM = Hold(reason="problem", message="several ports", until=NEVER)


@pytest.mark.parametrize(
    ("pending", "hold", "now", "first", "retry_at", "step"),
    [
        pytest.param(NOTHING, None, 10.0, False, NEVER, Step(NEVER), id="nothing to do"),
        pytest.param(NOTHING, None, 10.0, False, 60.0, Step(60.0), id="until somebody must look"),
        pytest.param(NOTHING, None, 10.0, True, NEVER, Step(10.0, render=True), id="the first one, whatever is in it"),
        pytest.param(
            Pending(JOIN, None, None, NEVER),
            None,
            10.0,
            False,
            NEVER,
            Step(10.0, render=True, since=10.0),
            id="a join",
        ),
        pytest.param(Pending(None, LEAVE, None, NEVER), None, 10.0, False, NEVER, Step(10.2), id="a leave settles"),
        pytest.param(
            Pending(None, LEAVE, None, NEVER),
            None,
            10.2,
            False,
            NEVER,
            Step(10.2, render=True, leaves=True, since=10.0),
            id="a leave that has settled",
        ),
        pytest.param(
            Pending(Window(since=10.1, changed=10.1), LEAVE, None, NEVER),
            None,
            10.1,
            False,
            NEVER,
            Step(10.1, render=True, since=10.1),
            id="a join while a leave settles",
        ),
        pytest.param(
            Pending(Window(since=10.15, changed=10.15), LEAVE, None, NEVER),
            None,
            10.2,
            False,
            NEVER,
            Step(10.2, render=True, leaves=True, since=10.0),
            id="both at once",
        ),
        pytest.param(
            Pending(JOIN, LEAVE, None, NEVER), PROBLEM, 10.5, False, 12.0, Step(12.0), id="a hold, but for retries"
        ),
        pytest.param(
            Pending(JOIN, None, SHRINK, 40.0),
            SHRINK,
            10.0,
            False,
            NEVER,
            Step(10.0, render=True, since=10.0),
            id="a join while the shrink guard holds",
        ),
        pytest.param(
            Pending(None, None, SHRINK, 40.0), SHRINK, 10.0, False, NEVER, Step(40.0), id="until the guard gives way"
        ),
        pytest.param(NOTHING, None, 10.0, False, 9.0, Step(9.0), id="a retry that is due"),
    ],
)
def test_what_is_done_next(
    pending: Pending, hold: Hold | None, now: float, first: bool, retry_at: float, step: Step
) -> None:
    """Each situation, and what is done in it."""
    assert plan(pending, hold, PACE, now=now, published_at=-NEVER, first=first, retry_at=retry_at) == step


WINDOWS = st.none() | st.builds(
    lambda since, after: Window(since=since, changed=since + after), st.floats(0, 20), st.floats(0, 5)
)


@given(WINDOWS, WINDOWS, st.floats(0, 30), st.floats(0, 30))
def test_a_join_is_never_later_for_a_leave(
    joins: Window | None, leaves: Window | None, now: float, published_at: float
) -> None:
    """Whatever else is pending."""
    leaving = leaves and Window(since=leaves.since, changed=leaves.changed, leaving=True)

    def at(pending: Pending) -> float:
        return plan(pending, None, PACE, now=now, published_at=published_at, first=False, retry_at=NEVER).at

    assert at(Pending(joins, leaving, None, NEVER)) <= at(Pending(joins, None, None, NEVER))
