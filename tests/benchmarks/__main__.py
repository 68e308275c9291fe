"""The command ``python -m tests.benchmarks``."""

import argparse
import json
import platform
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import report, run, sid
from tests.benchmarks.window import Plan
from tests.cluster import binaries
from tests.cluster.control_plane import PROGRAMS

SIZES = (100, 1_000, 10_000)
FULL = Plan(warmup=10, changes=100, spacing=0.05)
QUICK = Plan(warmup=5, changes=20, spacing=0.05)
ROUNDS = 5


def main() -> int:
    """Measure and report; the exit code tells whether that was possible, and with --check whether goals are met."""
    arguments = _arguments()
    missing = binaries.missing(PROGRAMS)
    if missing:
        run.say(missing)
        return 1
    plan = (QUICK if arguments.quick else FULL)._replace(spacing=arguments.spacing / 1000)
    rounds = 1 if arguments.quick else arguments.rounds
    sizes = arguments.members or ((100, 1_000) if arguments.quick else SIZES)
    lazy = not arguments.no_lazy
    if lazy and not sid.obstacle():
        sid.enter_namespace()
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-", dir=run.MEMORY) as scratch,
        run.candidates(arguments.package, Path(scratch), plan, lazy=lazy) as found,
    ):
        results = run.measure(found, Path(scratch), sizes, plan, rounds)
    about = {"machine": platform.machine(), "kernel": platform.release(), **plan._asdict(), "rounds": rounds}
    goals = list(report.verdicts(results))
    out = sys.stdout.write
    out(f"{rounds} rounds of {plan.changes} joins {plan.spacing * 1000:.0f} ms apart, after {plan.warmup} that do not")
    out(" count; medians over the rounds, in brackets the median ratio to the informer of the same round.\n")
    if plan.spacing < run.SETTLE:
        out("The sidecar runs with --settle 0ms --settle-max 0ms, else by default; the informer knows no settle.\n")
    out(f"At the end of each window all files held the same bytes.\n\n{report.table(results)}\n\n")
    out("".join(f"{goal}\n" for goal in goals))
    if arguments.json:
        arguments.json.write_text(json.dumps(report.as_json(results, about), indent=1) + "\n")
    return 1 if arguments.check and not all(goal.met for goal in goals) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    parser.add_argument("--members", type=int, action="append", help="how many (repeatable; default 100, 1000, 10000)")
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
