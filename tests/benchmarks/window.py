"""One turn of one program: it starts, members join, and it ends.

Only one program runs at a time, and each turn starts it again with the same members: on a machine of two cores, of
which the API server needs one, two programs that react to the same change would measure each other.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks import cost
from tests.benchmarks.file_watch import FileWatch
from tests.benchmarks.load import Scene
from tests.benchmarks.subjects import Subject, Target
from tests.cluster.programs import Program

ANY_FILE = b'"members": ['
QUIET = 0.5
"""Seconds of rest after the start and before memory is read."""

PATIENCE = 30.0
"""Seconds after which a change that is not visible is an error."""


class Plan(NamedTuple):
    """The number of changes, and the time between them."""

    warmup: int
    """Changes before the measured ones: what a program does for the first time is part of its start."""
    changes: int
    spacing: float
    """Seconds."""


class Window(NamedTuple):
    """What was measured, times in milliseconds, memory in MiB."""

    start: float
    """From exec to the first file."""
    start_cpu: float
    """CPU time until then, which a busy machine lengthens less."""
    visible: tuple[float, ...]
    """From just before each PUT until the change was visible."""
    put: tuple[float, ...]
    """How long each PUT took."""
    cpu: float
    """Of one change."""
    resident: float
    peak: float
    digest: str
    """Of the file in the end, when nothing moved any more."""


def run(subject: Subject, target: Target, load: Scene, plan: Plan) -> Window:
    """Let *subject* follow *load*; everything it needs is in the target's directory."""
    log = target.directory / "log"
    with _pipe(log) as pipe, FileWatch(target.output) as file_watch:
        program = Program(subject.command(target), log=pipe)
        file_watch.expect(ANY_FILE)
        exec_at = time.monotonic_ns()
        program.start()
        try:
            start = file_watch.seen(ANY_FILE, seconds=PATIENCE) - exec_at
            pid = program.pid
            if pid is None:
                raise RuntimeError(f"{subject.name} ended:\n{log.read_text()}")
            start_cpu = cost.cpu_seconds(pid)
            time.sleep(QUIET)
            _join(load, file_watch, plan, plan.warmup)
            before = cost.cpu_seconds(pid)
            latencies = _join(load, file_watch, plan, plan.changes)
            cpu = cost.cpu_seconds(pid) - before
            time.sleep(QUIET)
            memory = cost.memory(pid)
        except TimeoutError as error:
            raise RuntimeError(f"{subject.name}: {error}\n{log.read_text()}") from error
        finally:
            program.stop()
    return Window(
        start=start / 1e6,
        start_cpu=start_cpu * 1e3,
        visible=tuple(visible for visible, _ in latencies),
        put=tuple(put for _, put in latencies),
        cpu=cpu * 1e3 / plan.changes,
        resident=memory.resident,
        peak=memory.peak,
        digest=load.fingerprint(target.output),
    )


@contextmanager
def _pipe(log: Path) -> Iterator[Path]:
    """What a program may take for its log: as in a pod a pipe, whose other end another program puts into a file."""
    pipe = log.with_name("pipe")
    os.mkfifo(pipe)
    with log.open("ab") as out, subprocess.Popen(["cat", pipe], stdout=out) as shim:
        try:
            yield pipe
        finally:
            shim.terminate()
            pipe.unlink()


def _join(load: Scene, file_watch: FileWatch, plan: Plan, count: int) -> list[tuple[float, float]]:
    """Let members join at equal intervals; for each, the time until it was visible and until the PUT returned."""
    puts = {}
    next_at = time.monotonic()
    for name, body, path in load.joins(count):
        needle = f'"name":"{name}"'.encode()
        file_watch.expect(needle)
        time.sleep(max(0.0, next_at - time.monotonic()))
        puts[needle] = load.join(path, body)
        next_at += plan.spacing
    return [
        ((file_watch.seen(needle, seconds=PATIENCE) - put.sent) / 1e6, (put.answered - put.sent) / 1e6)
        for needle, put in puts.items()
    ]
