"""One sidecar for each output: a lock beside it, which ends with the process that holds it.

Two sidecars on one file would sweep each other's temporary files and undo each other's writes. flock(2) works between
containers of one pod, which share the kernel; where a file system has no locks, or cannot be written to yet, nothing is
refused for that.
"""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from sidecar.errors import PublishError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LONGEST_OWNER = 256
"""Bytes read of who holds a lock."""


class Locks:
    """The locks of some outputs, from ``with`` to the end of its block.

    Args:
        outputs: their paths.
    """

    def __init__(self, outputs: Sequence[Path]) -> None:
        self._outputs = outputs
        self._held: list[tuple[Path, int]] = []

    def __enter__(self) -> None:
        """Take all of them.

        Raises:
            PublishError: if another sidecar has one; the message says which process on which host that is.
        """
        try:
            for output in self._outputs:
                self._take(output)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        while self._held:
            path, fd = self._held.pop()
            with suppress(OSError):
                path.unlink()  # before the lock ends, so that nobody has it by then
            os.close(fd)

    def _take(self, output: Path) -> None:
        path = lock_beside(output)
        try:
            fd = _locked(path)
        except BlockingIOError as error:
            message = (
                f"Another sidecar publishes {output} ({_owner(path)}): stop it, or give this one a file of its own."
            )
            raise PublishError(str(output), "EWOULDBLOCK", message) from error
        except OSError:
            return  # no locks here; a volume that cannot be written to is reported when something is published to it
        self._held.append((path, fd))
        with suppress(OSError):
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)


def _locked(path: Path) -> int:
    """A descriptor of *path* with the lock on it."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(fd), os.stat(path)):  # noqa: PTH116 - beside fstat
                return fd
        except FileNotFoundError:
            pass  # whoever had it has just removed it
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _owner(path: Path) -> str:
    with suppress(OSError), path.open("rb") as file:
        return file.read(LONGEST_OWNER).decode(errors="replace").strip() or "an unknown process"
    return "an unknown process"


def lock_beside(output: Path) -> Path:
    """The lock file of *output*."""
    return output.with_name(f".{output.name}.lock")
