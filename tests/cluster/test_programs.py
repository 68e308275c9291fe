"""Programs run, end when they are told to, and do not outlive the one who started them. No cluster is needed."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster import ENABLE, binaries
from tests.cluster.programs import Program, ProgramFailed

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


def make(tmp_path: Path, script: str) -> Program:
    """A program that is a shell script."""
    return Program(["sh", "-c", script], log=tmp_path / "log")


def test_stop_insists(tmp_path: Path) -> None:
    """A program that ignores SIGTERM is killed after the time that it was given."""
    program = make(tmp_path, STUBBORN)
    program.start()
    program.wait_until(lambda: "ready" in program.log_tail())
    process = Path(f"/proc/{program.pid}")
    program.stop(seconds=0.2)
    assert program.pid is None
    assert not process.exists()


def test_failure_to_start_tells_why(tmp_path: Path) -> None:
    """The end of the log is in the error."""
    program = make(tmp_path, "echo no such flag >&2; exit 1")
    program.start()
    with pytest.raises(ProgramFailed, match="sh ended while starting:\nno such flag"):
        program.wait_until(lambda: False)


def test_slow_start_is_a_failure(tmp_path: Path) -> None:
    """What is not ready in time is ended."""
    program = make(tmp_path, "echo loading; sleep 60")
    program.start()
    with pytest.raises(ProgramFailed, match="not ready within 0 s:\nloading"):
        program.wait_until(lambda: False, seconds=0.3)
    assert program.pid is None


def test_programs_die_with_the_interpreter(tmp_path: Path) -> None:
    """Killed without a chance to clean up, the one who started a program takes it along."""
    script = f"""
import pathlib, time
from tests.cluster.programs import Program
program = Program(["sleep", "60"], log=pathlib.Path({str(tmp_path / "log")!r}))
program.start()
runs = pathlib.Path(f"/proc/{{program.pid}}/comm")
program.wait_until(lambda: runs.read_text() == "sleep\\n")  # before, setpriv may not have done its work
print(program.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        process = Path(f"/proc/{int(starter.stdout.readline())}/stat")
        assert process.exists()
        starter.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while process.exists() and " Z " not in process.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not process.exists() or " Z " in process.read_text()  # a zombie waits for whoever adopted it


def test_missing_programs_are_told_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what is not there and which command changes that."""
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert binaries.missing(["etcd", "coredns"]) == f"not built yet: etcd, coredns (to build them: {ENABLE})"


def test_assets_of_envtest_take_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What KUBEBUILDER_ASSETS has is used; what it must have and has not is its fault."""
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "etcd").touch()
    assert binaries.path("etcd") == tmp_path / "etcd"
    assert binaries.find("kube-controller-manager") is None
    assert binaries.missing(["kube-apiserver"]) == (
        f"KUBEBUILDER_ASSETS={tmp_path} has no kube-apiserver: correct it or unset it"
    )
