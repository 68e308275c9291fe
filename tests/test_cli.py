"""The command line as a process sees it: exit codes, streams, and what each command refuses.

Out of scope: the options (``settings``), and what the commands do.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from sidecar.cli import main
from sidecar.formats import FORMATS

if TYPE_CHECKING:
    from pathlib import Path

WRONG = ["--output", "json=x"]
"""A relative path, and no Service."""


@pytest.mark.parametrize("command", ["run", "once"])
def test_an_invalid_configuration_is_one_line_per_error_and_exit_code_2(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, for people."""
    assert main([command, *WRONG]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["membership-sidecar"] * 2


@pytest.mark.parametrize("given", [[], ["--log-format", "json"], ["--log-format", "console", "--log-format", "json"]])
def test_a_fatal_error_is_a_log_event_too(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object on stdout with everything that stderr says."""
    assert main(["run", *WRONG, *given]) == 2
    shown = capsys.readouterr()
    (line,) = shown.out.splitlines()
    event = json.loads(line)
    assert (event["event"], event["level"], set(event)) == ("fatal", "error", {"event", "level", "reason", "time"})
    assert event["reason"] == " ".join(one.removeprefix("membership-sidecar: ") for one in shown.err.splitlines())


def test_an_error_of_the_run_itself_is_such_an_event_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever ends the program with an exit code that is not 0."""
    arguments = [
        "--service=app",
        f"--output=json={tmp_path}/missing/a",
        "--listen=off",
        f"--kubeconfig={tmp_path}/none",
    ]
    assert main(["run", *arguments]) == 1
    shown = capsys.readouterr()
    event = json.loads(shown.out.splitlines()[-1])
    assert event["event"] == "fatal"
    assert shown.err == f"membership-sidecar: {event['reason']}\n"


def test_with_a_log_for_people_a_fatal_error_is_said_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the format of the log is set."""
    assert main(["run", *WRONG, "--log-format", "console"]) == 2
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("MEMBERSHIP_LOG_FORMAT", "console")
    assert main(["run", *WRONG]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("command", "code"), [("run", 0), ("once", 143), ("check", 143)])
def test_only_a_daemon_that_is_ended_while_it_starts_has_succeeded(tmp_path: Path, command: str, code: int) -> None:
    """Other containers wait for ``once`` and ``check``, which have done nothing yet."""
    config = tmp_path / "config.yaml"
    os.mkfifo(config)
    process = subprocess.Popen([sys.executable, "-m", "sidecar", command, f"--config={config}"])
    with config.open("w"):  # it is open at both ends only when somebody reads the configuration
        process.send_signal(signal.SIGTERM)
    assert process.wait(20) == code


def test_a_busy_address_is_shown_as_it_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the brackets of IPv6."""
    kubeconfig = tmp_path / "kubeconfig"
    clusters = [{"name": "x", "cluster": {"server": "http://127.0.0.1:1"}}]
    contexts = [{"name": "x", "context": {"cluster": "x", "user": "x"}}]
    users = [{"name": "x", "user": {}}]
    kubeconfig.write_text(
        json.dumps({"current-context": "x", "clusters": clusters, "contexts": contexts, "users": users})
    )
    with socket.create_server(("::", 0), family=socket.AF_INET6) as busy:
        address = f"[::]:{busy.getsockname()[1]}"
        arguments = ["--service=app", f"--output=json={tmp_path / 'a'}", f"--kubeconfig={kubeconfig}"]
        assert main(["run", *arguments, f"--listen={address}", "--log-format=console"]) == 2
    assert (
        capsys.readouterr().err == f"membership-sidecar: --listen {address} cannot be used: Address already in use.\n"
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["formats", "json"], "unknown argument json."),
        (["formats", "--output", "json=/a"], "unknown argument --output."),
        (["demo", "--second=3"], "unknown argument --second; did you mean --seconds?"),
    ],
)
def test_a_command_refuses_arguments_that_it_does_not_know(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Instead of ignoring them."""
    assert main(argv) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"membership-sidecar: {message}\n")


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["--help"], "Keeps a file on a shared volume up to date with the current members of a Kubernetes Service."),
        (["--version"], "membership-sidecar "),
        (["demo", "--help"], "Show the sidecar at work on a simulated cluster; no Kubernetes needed."),
    ],
)
def test_help_and_version_go_to_stdout(argv: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 0."""
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 0
    assert part in capsys.readouterr().out


def test_formats_shows_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    """Name, readers, and a sample of two members."""
    assert main(["formats"]) == 0
    shown = capsys.readouterr().out
    for form in FORMATS.values():
        assert f"{form.name}: {form.summary}" in shown
    assert "10.0.0.1[5701]" in shown
