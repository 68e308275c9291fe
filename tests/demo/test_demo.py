"""The demo, as a newcomer runs it: a process in a terminal. Out of scope: the behaviour that it demonstrates."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-m", "sidecar", "demo", "--seconds")


@pytest.mark.slow
def test_the_demo_prints_each_version_of_the_file_and_ends_by_itself() -> None:
    """1, 2 and 4 members; an API server that restarts; a pod that is lost and comes back; 3 members."""
    output = subprocess.run([*COMMAND, "5"], capture_output=True, text=True, timeout=40, check=True).stdout
    files = [block.count("  | 10.244.") for block in output.split("hosts.txt\n")[1:]]
    assert files == [1, 2, 4, 3, 4, 3]
    assert re.search(r"Status: http://127\.0\.0\.1:\d+/status", output)
    assert "The sidecar logs: source failing" in output
    assert "ended with exit code 0" in output


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_signal_stops_the_demo_and_its_sidecar(number: signal.Signals) -> None:
    """The sidecar is stopped first, and the exit code is 0: stopping the demo is not a failure."""
    with subprocess.Popen([*COMMAND, "60"], stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        for line in demo.stdout:
            if "10.244.0.1" in line:
                break
        demo.send_signal(number)
        rest = demo.stdout.read()
        assert demo.wait(10) == 0
    assert "ended with exit code 0" in rest


def test_the_demo_fails_if_its_sidecar_fails() -> None:
    """The address of the status is in use, so that the sidecar ends: exit code 1, without waiting for the script."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [*COMMAND, "60", "--listen", f"127.0.0.1:{taken.getsockname()[1]}"]
        demo = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
    assert demo.returncode == 1
    assert "The sidecar has ended with exit code 2." in demo.stdout


def test_the_files_are_where_the_demo_says_until_it_ends() -> None:
    """They are deleted afterwards, as the text says."""
    with subprocess.Popen([*COMMAND, "60"], stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        found = re.fullmatch(r"\* .* Until the demo ends, its files are in (\S+)\n", demo.stdout.readline())
        assert found
        directory = Path(found[1])
        while not {"hosts.txt", "members.json", "hazelcast.yaml"} <= {file.name for file in directory.iterdir()}:
            time.sleep(0.01)
        demo.terminate()
        demo.stdout.read()
    assert not directory.exists()
