"""When it is said what is waited for."""

from __future__ import annotations

from sidecar.membership.policy.timing import NEVER, Hold
from sidecar.output.waiting import FIRST_REMINDER, LISTING_SECONDS, LONGEST_REMINDER, Waiting

FEW = Hold(reason="min-members", message="1 of 2", until=300.0)
LISTING = Hold(reason="not-synced", message="still listing", until=300.0)


def said(waiting: Waiting, hold: Hold, seconds: range) -> list[int]:
    """The seconds at which it is said, asked each second."""
    return [now for now in seconds if waiting.is_due(hold, float(now))]


def test_it_is_said_at_once_and_then_at_growing_intervals() -> None:
    """The first after ten seconds, then each interval twice the one before, up to five minutes."""
    times = said(Waiting(), FEW, range(2000))
    assert times[:5] == [0, 10, 30, 70, 150]
    assert times[-1] - times[-2] == LONGEST_REMINDER
    assert times[1] == FIRST_REMINDER


def test_another_reason_is_said_at_once() -> None:
    """And starts again; when nothing is waited for, nothing is said."""
    waiting = Waiting()
    assert waiting.is_due(FEW, 0.0)
    assert waiting.is_due(Hold(reason="self", message="not there", until=300.0), 1.0)
    assert waiting.next_at == 1.0 + FIRST_REMINDER
    assert not waiting.is_due(None, 2.0)
    assert waiting.next_at == NEVER
    assert waiting.is_due(FEW, 3.0)


def test_a_first_answer_may_take_a_moment() -> None:
    """A line about every start would say nothing."""
    waiting = Waiting()
    assert not waiting.is_due(LISTING, 0.0)
    assert waiting.next_at == LISTING_SECONDS
    assert waiting.is_due(LISTING, LISTING_SECONDS)
