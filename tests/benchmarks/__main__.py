"""The command ``python -m tests.benchmarks``."""

import argparse
import json
import platform
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import image_root, report, run
from tests.benchmarks.window import Plan
from tests.cluster import binaries
from tests.cluster.control_plane import PROGRAMS

SIZES = (100, 1_000, 10_000)
FULL = Plan(warmup=10, changes=100, spacing=0.05)
QUICK = Plan(warmup=5, changes=20, spacing=0.05)
ROUNDS = 5
PODS = 5_000
"""The number of pods with ``--pods``."""


def main() -> int:
    """Measure and report; the exit code says whether that was possible, and with --check whether the goals are met."""
    arguments = _arguments()
    missing = binaries.missing(PROGRAMS)
    if missing:
        run.say(missing)
        return 1
    plan = (QUICK if arguments.quick else FULL)._replace(spacing=arguments.spacing / 1000)
    rounds = 1 if arguments.quick else arguments.rounds
    pods = arguments.pods
    sizes = arguments.members or ((PODS,) if pods else (100, 1_000) if arguments.quick else SIZES)
    lazy = not arguments.no_lazy
    if lazy and not image_root.obstacle():
        image_root.enter_namespace()
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-", dir=run.MEMORY) as scratch,
        run.candidates(arguments.package, Path(scratch), plan, lazy=lazy, pods=pods) as found,
    ):
        results = run.measure(found, Path(scratch), sizes, plan, rounds, pods=pods)
    about = {"machine": platform.machine(), "kernel": platform.release(), **plan._asdict(), "rounds": rounds}
    goals = [] if pods else list(report.verdicts(results))
    out = sys.stdout.write
    out(f"{_heading(plan, rounds, pods=pods)}\n\n{report.table(results)}\n\n")
    out("".join(f"{goal}\n" for goal in goals))
    if arguments.json:
        arguments.json.write_text(json.dumps(report.as_json(results, goals, about), indent=1) + "\n")
    return 1 if arguments.check and not all(goal.met for goal in goals) else 0


def _heading(plan: Plan, rounds: int, *, pods: bool) -> str:
    yardstick, same = ("sidecar that follows EndpointSlices", "members") if pods else ("informer", "bytes")
    joins = f"{plan.changes} joins {plan.spacing * 1000:.0f} ms apart, after {plan.warmup} that do not count"
    ratio = f"in brackets the median ratio to the {yardstick} of the same round"
    lines = [f"{rounds} rounds of {joins}; medians over the rounds, {ratio}."]
    if plan.spacing < run.SETTLE:
        lines.append(
            "The sidecar runs with --settle 0ms --settle-max 0ms, else by default; an informer knows no settle."
        )
    if pods:
        lines.append("For EndpointSlices, what the endpoint-slice controller takes to write them is in the latency.")
    return "\n".join([*lines, f"At the end of each window all files held the same {same}."])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    parser.add_argument("--members", type=int, action="append", help="how many (repeatable; default 100, 1000, 10000)")
    parser.add_argument("--pods", action="store_true", help="follow 5,000 pods, beside their EndpointSlices")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="windows of each program (default %(default)s)")
    parser.add_argument(
        "--spacing", type=float, default=FULL.spacing * 1000, help="ms between two joins (default %(default)s)"
    )
    parser.add_argument("--no-lazy", action="store_true", help="leave Python 3.15 out")
    parser.add_argument(
        "--package", type=Path, default=run.REPOSITORY / "sidecar", help="another copy of the package to measure"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there, raw windows included")
    parser.add_argument("--check", action="store_true", help="exit 1 unless all goals are met")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
