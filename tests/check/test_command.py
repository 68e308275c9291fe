"""The command as a process sees it: invalid configurations, its formats, and being ended early."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.cli import main
from tests.check.running import check

ROOT = Path(__file__).parents[2]


def test_an_invalid_configuration_is_reported_as_run_reports_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All errors at once, in the same words, and exit code 2."""
    monkeypatch.setenv("MEMBERSHIP_SERVCE", "app")
    wrong = ["--output=json=x", "--settle=2", "--sevice=app"]
    assert main(["run", *wrong]) == 2
    messages = [line.partition(": ")[2] for line in capsys.readouterr().err.splitlines()]
    assert len(messages) == 5
    assert main(["check", "--output-format=json", *wrong]) == 2
    shown = capsys.readouterr()
    assert shown.err == ""
    rows = json.loads(shown.out)
    assert [(row["level"], row["subject"], row["message"]) for row in rows] == [
        ("error", "configuration", message) for message in messages
    ]


def test_text_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    """One line per error, and how many there are."""
    assert main(["check", "--output=json=/m/a", "--service=A"]) == 2
    assert capsys.readouterr().out == (
        "error   configuration: --service: invalid Service 'A': write NAME or NAME.NAMESPACE, such as app or"
        " app.default.\n"
        "0 ok, 0 skipped, 0 warnings, 1 error\n"
    )


@pytest.mark.parametrize("argv", [["check", "--output-format=xml"], ["run", "--output-format=json"]])
def test_the_format_is_one_of_two_and_only_for_check(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Anything else is an invalid configuration."""
    try:
        code = main([*argv, "--service=A"])
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code == 2
    assert "--output-format" in capsys.readouterr().err


def test_without_an_api_server_everything_else_is_still_checked(tmp_path: Path) -> None:
    """One finding says where the credentials were looked for."""
    found = check(tmp_path)
    assert found["configuration"] == [("ok", "It is valid.")]
    ((level, message),) = found["api"]
    assert level == "error"
    assert f"there is no kubeconfig at {tmp_path / 'none'}" in message
    assert [subject for subject in found if subject.startswith("dns ")] == ["dns default/app"]


def test_overlapping_services_are_checked_once(tmp_path: Path) -> None:
    """All namespaces include each of them."""
    found = check(tmp_path, "--service=app.*,app.default,web")
    assert [subject for subject in found if subject.startswith("dns ")] == ["dns default/web", "dns */app"]


def test_a_check_that_is_ended_early_has_not_passed(tmp_path: Path) -> None:
    """An init container that is ended before it has found anything must not look as if nothing were wrong."""
    fifo = tmp_path / "kubeconfig"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "sidecar", "check", "--service=app"),
            *(f"--output=json={tmp_path / 'a'}", f"--kubeconfig={fifo}"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    with fifo.open("wb"):  # it is open at both ends only when somebody reads the credentials
        process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert out == b""
