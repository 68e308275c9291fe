"""The figures of one program at one size, from its windows.

Every figure is the median over the windows, so that a burst of other load affects a window or two and not the figure. A
ratio is that of two consecutive windows of a round, and then the median over the rounds.
"""

from collections.abc import Callable, Sequence
from math import ceil
from statistics import median
from typing import NamedTuple

from tests.benchmarks.window import Window

Rounds = Sequence[Window]
"""The windows of one program at one size, in the order of the rounds."""


class Figure(NamedTuple):
    """One number of a window."""

    key: str
    title: str
    of: Callable[[Window], float]
    digits: int = 1
    """Digits after the decimal point; memory needs none."""

    def value(self, rounds: Rounds) -> float:
        """The median over *rounds*."""
        return median(self.of(window) for window in rounds)

    def ratio(self, rounds: Rounds, yardstick: Rounds) -> float:
        """The median over the ratios within each round."""
        return median(self.of(mine) / self.of(other) for mine, other in zip(rounds, yardstick, strict=True))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that *percent* of them do not exceed."""
    return sorted(values)[max(0, ceil(len(values) * percent / 100) - 1)]


P50 = Figure("p50_ms", "p50 ms", lambda window: percentile(window.visible, 50))
P99 = Figure("p99_ms", "p99 ms", lambda window: percentile(window.visible, 99))
PUT = Figure("put_p50_ms", "PUT ms", lambda window: percentile(window.put, 50))
CPU = Figure("cpu_per_change_ms", "CPU ms", lambda window: window.cpu, digits=2)
START = Figure("exec_to_first_file_ms", "start ms", lambda window: window.start, digits=0)
START_CPU = Figure("cpu_to_first_file_ms", "CPU of start", lambda window: window.start_cpu, digits=0)
RESIDENT = Figure("resident_mib", "RSS MiB", lambda window: window.resident)
PEAK = Figure("peak_mib", "peak MiB", lambda window: window.peak)

FIGURES = (P50, P99, PUT, CPU, START, START_CPU, RESIDENT, PEAK)
"""In the order of the table's columns."""
