"""Replaces one file so that a reader sees the old one or the new one, complete, whatever happens in between.

It is written beside its name and then renamed: rename(2) within a directory is atomic for every reader on the same
kernel, and Envoy and inotify users see it as one event.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from sidecar.output.volume import explained

if TYPE_CHECKING:
    from pathlib import Path

    from sidecar.output.publication import Body

MODE = 0o644
"""Readable by any UID: the reader's container seldom runs under ours."""

PIECES = 256
"""Pieces of a body that are written together: some 75 kB."""


class System(Protocol):
    """The calls of ``os`` that replacing a file takes; the tests make each of them fail in turn."""

    def open(self, path: str, flags: int, mode: int = ...) -> int:
        """Like ``os.open``."""

    def write(self, fd: int, data: memoryview) -> int:
        """Like ``os.write``: it may take less than all."""

    def fchmod(self, fd: int, mode: int) -> None:
        """Like ``os.fchmod``."""

    def fsync(self, fd: int) -> None:
        """Like ``os.fsync``."""

    def close(self, fd: int) -> None:
        """Like ``os.close``."""

    def rename(self, src: str, dst: str) -> None:
        """Like ``os.rename``."""

    def unlink(self, path: str) -> None:
        """Like ``os.unlink``."""


class File:
    """A file that is only ever replaced.

    Args:
        path: absolute path.
        sync: whether to fsync file and directory. Only a crash of the kernel can tell the difference.
        system: ``os``.
    """

    def __init__(self, path: Path, *, sync: bool, system: System = os) -> None:
        self.path = path
        self._directory, self._target = str(path.parent), str(path)
        self._sync = sync
        self._system = system
        self._seen: tuple[int, ...] | None = None
        self._body: Body = ()

    def holds(self, body: Body) -> bool:
        """Whether the file exists with exactly *body*. Reads it only if it is not as this object left it."""
        try:
            stamp = _stamp(os.lstat(self._target))
            if stamp == self._seen:
                return self._body == body
            if stamp is None or self.path.read_bytes() != b"".join(body):
                return False
        except OSError:
            return False
        self._seen, self._body = stamp, body
        return True

    def replace(self, body: Body) -> None:
        """Put *body* in the file's place.

        Raises:
            PublishError: if that failed. The file is as it was, and nothing is left beside it.
        """
        try:
            self._seen = self._replace(body)
        except OSError as error:
            raise explained(self.path, "was not written", error) from error
        self._body = body

    def _replace(self, body: Body) -> tuple[int, ...] | None:
        temporary = f"{self._directory}/.{self.path.name}.{os.urandom(4).hex()}.tmp"
        try:
            stamp = self._write(temporary, body)
            self._system.rename(temporary, self._target)
        except BaseException:
            with suppress(OSError):
                self._system.unlink(temporary)
            raise
        if self._sync:
            self._sync_directory()
        return stamp

    def _write(self, temporary: str, body: Body) -> tuple[int, ...] | None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = self._system.open(temporary, flags, 0o600)
        try:
            for at in range(0, len(body), PIECES):
                rest = memoryview(b"".join(body[at : at + PIECES]))
                while rest:  # a full tmpfs takes part of the bytes before it says ENOSPC
                    rest = rest[self._system.write(fd, rest) :]
            self._system.fchmod(fd, MODE)
            if self._sync:
                self._system.fsync(fd)
            return _stamp(os.fstat(fd))
        finally:
            self._system.close(fd)

    def _sync_directory(self) -> None:
        directory = self._system.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._system.fsync(directory)
        finally:
            self._system.close(directory)


def _stamp(found: os.stat_result) -> tuple[int, ...] | None:
    """What differs once somebody else has written a regular file; None for anything else."""
    return (found.st_ino, found.st_mtime_ns, found.st_size) if stat.S_ISREG(found.st_mode) else None
