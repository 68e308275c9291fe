"""One sidecar for each output, as long as it lives."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from sidecar.errors import PublishError
from sidecar.output.lock import Locks

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event
    from pathlib import Path


def test_a_second_sidecar_is_refused_and_told_who_is_there(tmp_path: Path) -> None:
    """With the process and the host, which is the pod's name."""
    outputs = [tmp_path / "members.json", tmp_path / "hosts.txt"]
    with Locks(outputs[:1]):
        with pytest.raises(PublishError, match="Another sidecar publishes") as caught, Locks(reversed_(outputs)):
            pass
        assert f"process {os.getpid()} on {socket.gethostname()}" in caught.value.message
        assert not (tmp_path / ".hosts.txt.lock").exists()
    with Locks(outputs):
        pass
    assert list(tmp_path.iterdir()) == []


def reversed_(outputs: list[Path]) -> list[Path]:
    """The free one first."""
    return outputs[::-1]


def test_sidecars_of_different_files_share_a_directory(tmp_path: Path) -> None:
    """They do not meet."""
    with Locks([tmp_path / "a.json"]), Locks([tmp_path / "b.json"]):
        pass


def hold(path: Path, ready: Event) -> None:
    """Hold the lock until killed."""
    with Locks([path]):
        ready.set()
        signal.pause()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    """Killed with -9, it leaves the file and not the lock."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=hold, args=(tmp_path / "members.json", ready))
    process.start()
    assert ready.wait(30)
    with pytest.raises(PublishError), Locks([tmp_path / "members.json"]):
        pass
    process.kill()
    process.join()
    with Locks([tmp_path / "members.json"]):
        pass


def test_a_directory_without_locks_refuses_nothing(tmp_path: Path) -> None:
    """What is wrong with it is reported when something is published to it."""
    with Locks([tmp_path / "absent" / "members.json"]):
        pass
