"""How long is waited before which attempt. That the reflector waits so long, and for what, is in test_reflector."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.backoff import Backoff


@dataclass
class Clock:
    """Stands still until told."""

    now: float = 0.0

    def seconds(self) -> float:
        """What it shows."""
        return self.now


def delays(backoff: Backoff, count: int, at_least: float = 0.0) -> list[float]:
    """The next so many."""
    return [backoff.delay(at_least) for _ in range(count)]


@pytest.mark.parametrize(
    ("rolled", "at_least", "expected"),
    [
        pytest.param(0.0, 0.0, [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0], id="doubles up to the cap"),
        pytest.param(0.5, 0.0, [1.2, 2.4, 4.8, 9.6, 19.2, 38.4, 45.0, 45.0], id="half as much again"),
        pytest.param(0.0, 5.0, [5.0, 5.0, 5.0, 6.4, 12.8, 25.6, 30.0, 30.0], id="no less than asked"),
        pytest.param(0.5, 5.0, [5.4, 5.8, 6.6, 9.6, 19.2, 38.4, 45.0, 45.0], id="asked, and jitter"),
        pytest.param(0.0, 90.0, [90.0] * 8, id="asked for more than the cap"),
        pytest.param(0.0, 86_400.0, [120.0] * 8, id="asked for a day"),
        pytest.param(0.5, 10**400, [120.4, 120.8, 121.6, 123.2, 126.4, 132.8, 135.0, 135.0], id="asked for ever"),
    ],
)
def test_delays(rolled: float, at_least: float, expected: list[float]) -> None:
    """Client-go's figures: 800 ms, doubled, up to 30 s, and up to as much again at random."""
    backoff = Backoff(clock=Clock().seconds, jitter=lambda: rolled)
    assert delays(backoff, 8, at_least) == pytest.approx(expected)


def test_other_figures() -> None:
    """All of them are arguments."""
    backoff = Backoff(clock=Clock().seconds, jitter=lambda: 0.0, initial=0.1, cap=0.3)
    assert delays(backoff, 4) == pytest.approx([0.1, 0.2, 0.3, 0.3])


@pytest.mark.parametrize(("pause", "expected"), [(119.0, 3.2), (120.0, 3.2), (120.5, 0.8)])
def test_it_starts_again_after_two_minutes_without_a_failure(pause: float, expected: float) -> None:
    """Not sooner: a server that is well for a minute in between is not well."""
    clock = Clock(1000.0)
    backoff = Backoff(clock=clock.seconds, jitter=lambda: 0.0)
    delays(backoff, 2)
    clock.now += pause
    assert backoff.delay() == pytest.approx(expected)


@given(st.lists(st.tuples(st.floats(0, 300), st.floats(0, 60), st.floats(0, 1, exclude_max=True)), max_size=30))
def test_no_delay_is_out_of_bounds(history: list[tuple[float, float, float]]) -> None:
    """Never less than the first step or than asked for, never more than twice the cap beyond what was asked for."""
    clock = Clock()
    rolls = [roll for *_, roll in history]
    backoff = Backoff(clock=clock.seconds, jitter=lambda: rolls.pop(0))
    for pause, at_least, _ in history:
        clock.now += pause
        assert max(0.8, at_least) <= backoff.delay(at_least) <= max(30.0, at_least) + 30.0
