"""The benchmarks measure what they claim: sidecar and informer do the same work, and times are those of renames."""

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.benchmarks import image, report, run, subjects, window
from tests.benchmarks.figures import percentile
from tests.benchmarks.file_watch import FileWatch
from tests.benchmarks.load import NAMESPACE, ApiServer, Load
from tests.benchmarks.pod_load import PodLoad
from tests.benchmarks.subjects import Subject
from tests.benchmarks.window import Plan, Window
from tests.cluster.api import path_of
from tests.cluster.control_plane import ControlPlane

PLAN = Plan(warmup=1, changes=4, spacing=0.05)


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory on the tmpfs that the benchmarks use."""
    with tempfile.TemporaryDirectory(dir=run.MEMORY) as directory:
        yield Path(directory)


@pytest.fixture
def server(control_plane: ControlPlane) -> Iterator[ApiServer]:
    """A connection that writes."""
    with closing(ApiServer(control_plane)) as made:
        yield made


@pytest.fixture
def slice_maker(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """A control plane with the controllers of the benchmark only: the garbage collector would delete the pods."""
    made = ControlPlane(controllers=(*run.CONTROLLERS, run.SLICES))
    made.start()
    try:
        yield made
    finally:
        made.stop()


def replace(path: Path, text: str) -> None:
    """Replace the file by *text* as a publisher does."""
    beside = path.with_suffix(".tmp")
    beside.write_text(text)
    beside.rename(path)


def test_a_text_is_visible_when_it_is_renamed_into_place(tmp_path: Path) -> None:
    """Neither the unfinished file nor another file counts, and the time is that of the rename."""
    file = tmp_path / "members.json"
    with FileWatch(file) as file_watch:
        file_watch.expect(b"joined")
        (tmp_path / "members.tmp").write_text("joined")
        replace(tmp_path / "other", "joined")
        with pytest.raises(TimeoutError, match="joined is not in"):
            file_watch.seen(b"joined", seconds=0.1)
        before = time.monotonic_ns()
        replace(file, "nobody, then joined")
        assert before < file_watch.seen(b"joined", seconds=5) < before + 1e9
    assert not [thread for thread in threading.enumerate() if thread.name == "file_watch"]


def test_percentile_is_a_measured_value() -> None:
    """It is not interpolated: the 99th of 100 values is one of them."""
    assert percentile(range(1, 101), 99) == 99
    assert percentile(range(1, 101), 50) == 50
    assert percentile([7.0], 99) == 7.0


def test_a_goal_is_a_ratio_within_a_round() -> None:
    """A round during which the whole machine was slow changes no ratio."""

    def made(milliseconds: float) -> Window:
        return Window(milliseconds, milliseconds, (milliseconds,), (1.0,), milliseconds, 30.0, 30.0, "")

    yardstick, sidecar = (Subject(name, lambda target: [target.output]) for name in ("informer", "sidecar"))
    results = {100: {yardstick: [made(2), made(20)], sidecar: [made(3), made(30)]}}
    assert [(goal.value, goal.met) for goal in report.verdicts(results)] == [(1.5, False), (1.5, True), (1.5, False)]


@pytest.mark.skipif(shutil.which("go") is None, reason="the informer is built with go, and there is no go on PATH")
@pytest.mark.timeout(300)  # the informer may have to be built
def test_both_programs_write_the_same_bytes(control_plane: ControlPlane, server: ApiServer, scratch: Path) -> None:
    """One window of each at a tiny size: every change is seen, the costs are measured, and the files are equal."""
    target = run.target_of(control_plane, scratch)
    subjects.copy(run.REPOSITORY / "sidecar", scratch / "app")
    load = Load(server, 3)
    load.create()
    windows: list[Window] = []
    for subject in (subjects.informer(), subjects.sidecar(scratch / "app", settle=False)):
        load.reset()
        directory = scratch / str(len(windows))
        directory.mkdir()
        windows.append(window.run(subject, target._replace(service=load.service, directory=directory), load, PLAN))
    assert windows[0].digest == windows[1].digest
    for each in windows:
        assert len(each.visible) == PLAN.changes
        assert min(each.start, each.start_cpu, each.cpu, each.resident, *each.visible) > 0


@pytest.mark.timeout(120)
def test_the_pods_and_their_slices_have_the_same_members(slice_maker: ControlPlane, scratch: Path) -> None:
    """One window of each source at a tiny size, with a reset between them; the pods are as large as claimed."""
    target = run.target_of(slice_maker, scratch)
    subjects.copy(run.REPOSITORY / "sidecar", scratch / "app")
    windows: list[Window] = []
    with closing(ApiServer(slice_maker)) as server:
        pod_load = PodLoad(server, 3, joins=PLAN.warmup + PLAN.changes)
        pod_load.create()
        for pods in (False, True):
            pod_load.reset()
            directory = scratch / str(pods)
            directory.mkdir()
            here = target._replace(service=pod_load.service, directory=directory)
            windows.append(window.run(subjects.sidecar(scratch / "app", settle=False, pods=pods), here, pod_load, PLAN))
            assert len(json.loads(here.output.read_bytes())["members"]) == 8
        pod_list = server.read(path_of("Pod", NAMESPACE))
    assert windows[0].digest == windows[1].digest
    assert 5_000 < len(pod_list) / 8 < 7_000


def test_the_image_is_imitated_variable_by_variable() -> None:
    """The program gets the variables of the Dockerfile's last stage and none of the first."""
    found = image.environment()
    assert found["PATH"].startswith(f"{image.ENVIRONMENT}/bin:/usr/local/sbin:")
    assert {"PYTHON_LAZY_IMPORTS", "PYTHONOPTIMIZE", "SSL_CERT_FILE"} <= found.keys()
    last_stage = image.DOCKERFILE.read_text().rpartition("\nFROM ")[2]
    assert all(f"{name}=" in last_stage for name in found)
