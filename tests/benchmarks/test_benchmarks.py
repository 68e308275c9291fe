"""The benchmarks measure what they say: the sidecar and the yardstick do the same work, and sight is no guess."""

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks import report, run, subjects, window
from tests.benchmarks.figures import percentile
from tests.benchmarks.load import ApiServer, Load
from tests.benchmarks.sight import Sight
from tests.benchmarks.subjects import Subject
from tests.benchmarks.window import Plan, Window
from tests.cluster.control_plane import ControlPlane

PLAN = Plan(warmup=1, changes=4, spacing=0.05)


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory on the tmpfs that the benchmarks use."""
    with tempfile.TemporaryDirectory(dir=run.MEMORY) as directory:
        yield Path(directory)


def replace(path: Path, text: str) -> None:
    """Put *text* in the file's place as a publisher does."""
    beside = path.with_suffix(".tmp")
    beside.write_text(text)
    beside.rename(path)


def test_sight_sees_a_text_when_it_is_renamed_into_place(tmp_path: Path) -> None:
    """Neither the unfinished file nor another file counts, and the time is that of the rename."""
    file = tmp_path / "members.json"
    with Sight(file) as sight:
        sight.expect(b"joined")
        (tmp_path / "members.tmp").write_text("joined")
        replace(tmp_path / "other", "joined")
        with pytest.raises(TimeoutError, match="joined is not in"):
            sight.seen(b"joined", seconds=0.1)
        before = time.monotonic_ns()
        replace(file, "nobody, then joined")
        assert before < sight.seen(b"joined", seconds=5) < before + 1e9
    assert not [thread for thread in threading.enumerate() if thread.name == "sight"]


def test_percentile_is_a_measured_value() -> None:
    """Nothing is interpolated: the 99th of 100 values is one of them."""
    assert percentile(range(1, 101), 99) == 99
    assert percentile(range(1, 101), 50) == 50
    assert percentile([7.0], 99) == 7.0


def test_a_goal_is_a_ratio_within_a_round() -> None:
    """A round in which the whole machine was slow changes no ratio."""

    def made(milliseconds: float) -> Window:
        return Window(milliseconds, (milliseconds,), (1.0,), milliseconds, 30.0, 30.0, "")

    yardstick, sidecar = (Subject(name, lambda target: [target.output]) for name in ("informer", "sidecar"))
    results = {100: {yardstick: [made(2), made(20)], sidecar: [made(3), made(30)]}}
    assert [(goal.value, goal.met) for goal in report.verdicts(results)] == [(1.5, False), (1.5, True), (1.5, False)]


@pytest.mark.skipif(shutil.which("go") is None, reason="the informer is built with go, and there is no go on PATH")
@pytest.mark.timeout(300)  # the informer may have to be built
def test_both_programs_come_to_the_same_bytes(control_plane: ControlPlane, scratch: Path) -> None:
    """One window of each at a tiny size: every change is seen, the costs are there, and the files are equal."""
    target = run.target_of(control_plane, scratch)
    subjects.copy(run.REPOSITORY / "sidecar", scratch / "app")
    server = ApiServer(control_plane)
    load = Load(server, 3)
    load.create()
    windows: list[Window] = []
    for subject in (subjects.informer(), subjects.sidecar(scratch / "app", settle=False)):
        load.reset()
        directory = scratch / str(len(windows))
        directory.mkdir()
        windows.append(window.run(subject, target._replace(service=load.service, directory=directory), load, PLAN))
    server.close()
    assert windows[0].digest == windows[1].digest
    for each in windows:
        assert len(each.visible) == PLAN.changes
        assert min(each.start, each.cpu, each.resident, *each.visible) > 0
