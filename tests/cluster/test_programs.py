"""Programs run, end on request, and do not outlive the process that started them. No cluster is needed."""

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


def test_stop_kills_a_program_that_ignores_sigterm(tmp_path: Path) -> None:
    """After the given time."""
    program = make(tmp_path, STUBBORN)
    program.start()
    program.wait_until(lambda: "ready" in program.log_tail())
    process = Path(f"/proc/{program.pid}")
    program.stop(seconds=0.2)
    assert program.pid is None
    assert not process.exists()


def test_the_error_of_a_failed_start_has_the_log(tmp_path: Path) -> None:
    """The end of it."""
    program = make(tmp_path, "echo no such flag >&2; exit 1")
    program.start()
    with pytest.raises(ProgramFailed, match="sh ended while starting:\nno such flag"):
        program.wait_until(lambda: False)


def test_a_slow_start_is_a_failure(tmp_path: Path) -> None:
    """A program that is not ready in time is stopped."""
    program = make(tmp_path, "echo loading; sleep 60")
    program.start()
    with pytest.raises(ProgramFailed, match="not ready within 0 s:\nloading"):
        program.wait_until(lambda: False, seconds=0.3)
    assert program.pid is None


def test_programs_end_with_the_interpreter(tmp_path: Path) -> None:
    """Even if the interpreter is killed and cannot clean up."""
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
    assert not process.exists() or " Z " in process.read_text()  # a zombie waits for its new parent


def test_missing_programs_are_reported_with_the_command_that_builds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line."""
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert binaries.missing(["etcd", "coredns"]) == f"not built yet: etcd, coredns (to build them: {ENABLE})"


def test_assets_of_envtest_take_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs in KUBEBUILDER_ASSETS are used; a missing one is reported as an error of that directory."""
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "etcd").touch()
    assert binaries.path("etcd") == tmp_path / "etcd"
    assert binaries.find("kube-controller-manager") is None
    assert binaries.missing(["kube-apiserver"]) == (
        f"KUBEBUILDER_ASSETS={tmp_path} has no kube-apiserver: correct it or unset it"
    )
