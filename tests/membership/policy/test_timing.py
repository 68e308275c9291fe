"""When a change is due: joins at once, leaves once it has been quiet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.membership.policy.timing import Pace, Window

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


def test_a_join_exactly_one_settle_time_after_a_publication_is_due_at_once() -> None:
    """It has been quiet for long enough."""
    pace = Pace(settle=0.25, settle_max=1.0)
    assert pace.due(Window(since=10.0, changed=10.0), 9.75) == 10.0


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
