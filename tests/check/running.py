"""Runs ``check`` where no API server can be reached: in this process, or in another one behind a mount of its own."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from sidecar.cli import main

ROOT = Path(__file__).parents[2]


def check(directory: Path, *options: str, mount: str = "") -> dict[str, list[tuple[str, str]]]:
    """Level and message of every finding, by subject.

    Args:
        directory: for the output ``members.json``.
        options: further options.
        mount: a script that mounts something for this run alone. If that is not permitted, the test is skipped.
    """
    argv = ["check", "--output-format=json", "--service=app", f"--output=json={directory / 'members.json'}"]
    argv += [f"--kubeconfig={directory / 'none'}", *options]
    before = sorted(directory.iterdir()) if directory.is_dir() else None
    code, out, err = behind(mount, directory, argv) if mount else here(argv)
    assert err == ""
    assert code == 1, "no API server can be reached, which is an error"
    if before is not None:
        assert sorted(directory.iterdir()) == before
    found: dict[str, list[tuple[str, str]]] = {}
    for row in json.loads(out):
        found.setdefault(row["subject"], []).append((row["level"], row["message"]))
    return found


def here(argv: list[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command in this process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main(argv)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return code, out.getvalue(), err.getvalue()


def behind(mount: str, directory: Path, argv: list[str]) -> tuple[int, str, str]:
    """The same of a process that sees a mount which no other process sees."""
    command = [*unshare(directory), "sh", "-ec", f'{mount}; exec "$@"', "sh"]
    command += [sys.executable, "-W", "error", "-m", "sidecar", *argv]
    done = subprocess.run(
        command, cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def unshare(directory: Path) -> list[str]:
    """A command that runs another one with mounts of its own."""
    words = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() != 0:
        words.append("--map-root-user")
    allowed = subprocess.run([*words, "mount", "-t", "tmpfs", "none", directory], capture_output=True, check=False)
    if allowed.returncode:
        pytest.skip(f"mounting needs root or user namespaces: {allowed.stderr.decode().strip()}")
    return words
