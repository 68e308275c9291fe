"""The goals, and the text and JSON of a run. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tests.benchmarks.figures import CPU, FIGURES, P50, P99, RESIDENT, START, Figure, Rounds
from tests.benchmarks.subjects import Subject

Results = Mapping[int, Mapping[Subject, Rounds]]
"""By the number of members; the yardstick is the first subject."""

RATIO_GOALS = ((P50, 1.2), (P99, 1.5), (CPU, 1.0))
"""What the sidecar may cost in units of the informer, at every size."""

LAZY_GOALS = (
    (START, 200.0, (100, 1_000, 10_000)),
    (RESIDENT, 40.0, (1_000,)),
    (RESIDENT, 60.0, (10_000,)),
)
"""What it may cost on Python 3.15 with lazy imports, and at how many members."""


class Verdict(NamedTuple):
    """The result of a goal."""

    members: int
    subject: str
    goal: str
    value: float
    limit: float

    @property
    def met(self) -> bool:
        """Whether the goal is met."""
        return self.value <= self.limit

    def __str__(self) -> str:
        word = "pass" if self.met else "FAIL"
        return (
            f"{word}  {self.members:>6}  {self.subject:<26} {self.goal:<30} {self.value:7.2f}  (limit {self.limit:g})"
        )


def verdicts(results: Results) -> Iterator[Verdict]:
    """Every goal that was measured."""
    for members, by_subject in results.items():
        (_, yardstick), *others = by_subject.items()
        for subject, rounds in others:
            for figure, limit in RATIO_GOALS:
                goal = f"{figure.title} / informer's"
                yield Verdict(members, subject.name, goal, figure.ratio(rounds, yardstick), limit)
            for figure, limit, sizes in LAZY_GOALS:
                if subject.lazy and members in sizes:
                    yield Verdict(members, subject.name, figure.title, figure.value(rounds), limit)


def table(results: Results) -> str:
    """A row for each program at each size; in brackets, how many times the informer's."""
    lines = ["".join([f"{'members':>7}  {'program':<26}", *(f"{figure.title:>16}" for figure in FIGURES)])]
    for members, by_subject in results.items():
        yardstick = next(iter(by_subject.values()))
        for subject, rounds in by_subject.items():
            cells = (_cell(figure, rounds, yardstick) for figure in FIGURES)
            lines.append(f"{members:>7}  {subject.name:<26}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)


def as_json(results: Results, goals: Sequence[Verdict], about: Mapping[str, object]) -> dict[str, Any]:
    """Everything, raw windows included."""
    return {
        **about,
        "results": [
            {
                "members": members,
                "program": subject.name,
                **{figure.key: figure.value(rounds) for figure in FIGURES},
                "windows": [window._asdict() for window in rounds],
            }
            for members, by_subject in results.items()
            for subject, rounds in by_subject.items()
        ],
        "goals": [{**verdict._asdict(), "met": verdict.met} for verdict in goals],
    }


def _cell(figure: Figure, rounds: Rounds, yardstick: Rounds) -> str:
    value = f"{figure.value(rounds):.{figure.digits}f}"
    return value if rounds is yardstick else f"{value} ({figure.ratio(rounds, yardstick):.2f}x)"
