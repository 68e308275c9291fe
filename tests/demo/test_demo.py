"""The demo, as a newcomer runs it: a process in a terminal. Out of scope: what it demonstrates."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest

COMMAND = (sys.executable, "-m", "sidecar", "demo", "--seconds")


def test_the_demo_shows_the_file_change_and_ends_by_itself() -> None:
    """1 -> 2 -> 4, an API server that restarts, a pod that is lost and comes back, and 3."""
    shown = subprocess.run([*COMMAND, "5"], capture_output=True, text=True, timeout=40, check=True).stdout
    files = [block.count("  | 10.244.") for block in shown.split("hosts.txt\n")[1:]]
    assert files == [1, 2, 4, 3, 4, 3]
    assert re.search(r"Status: http://127\.0\.0\.1:\d+/status", shown)
    assert "The sidecar says: source failing" in shown
    assert "ended with exit code 0" in shown


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_ctrl_c_ends_the_demo_in_good_order(number: signal.Signals) -> None:
    """The sidecar is ended, nothing is left, and the exit code is 0."""
    with subprocess.Popen([*COMMAND, "60"], stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        for line in demo.stdout:
            if "10.244.0.1" in line:
                break
        demo.send_signal(number)
        rest = demo.stdout.read()
        assert demo.wait(10) == 0
    assert "ended with exit code 0" in rest
