"""Replaces files so that a reader sees the old one or the new one, complete, whatever happens in between.

One synchronous function, ``Publisher.publish``, meant for one thread hop: awaiting step by step would be slower and
could be cancelled between two steps. It knows bytes and paths, not members. The checkpoint (see ``checkpoint``) is renamed into
place before the outputs.

Why beside the file and then rename: rename(2) within a directory is atomic for every reader on the same kernel, and
Envoy and inotify users see it as one event.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from sidecar.errors import PublishError
from sidecar.output.checkpoint import Checkpoint
from sidecar.output.volume import explained, in_memory, read_mounts, refuse_unpublishable, sweep, translated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MODE = 0o644
"""Readable by any UID: the reader's container seldom runs under ours."""


PIECES = 256
"""Of a body, written together: some 75 kB."""

Body: TypeAlias = tuple[bytes, ...]
"""The content of a file, in pieces: of megabytes a change is some hundred bytes, and the others need not be moved."""


class Outcome(Enum):
    """What became of an output; the label of a metric."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    ERROR = "error"


class Publication(NamedTuple):
    """What a call of ``Publisher.publish`` did."""

    generation: int
    outcomes: tuple[Outcome, ...]
    """One for each output."""
    errors: tuple[PublishError, ...]


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
    """What is another when a regular file was written by somebody else; None for what is none."""
    return (found.st_ino, found.st_mtime_ns, found.st_size) if stat.S_ISREG(found.st_mode) else None


class Publisher:
    """The outputs and the checkpoint.

    Args:
        outputs: the paths to keep true; their directories exist.
        fsync: ``auto`` (everywhere but on tmpfs), ``always`` or ``never``.
        system: ``os``.
    """

    def __init__(self, outputs: Sequence[Path], *, fsync: str = "auto", system: System = os) -> None:
        mounts = read_mounts()
        syncs = [fsync == "always" or (fsync == "auto" and not in_memory(path, mounts)) for path in outputs]
        self._outputs = [File(path, sync=sync, system=system) for path, sync in zip(outputs, syncs, strict=True)]
        self._checkpoint_file = File(Checkpoint.path_beside(outputs[0]), sync=syncs[0], system=system)
        self.checkpoint = Checkpoint()
        self.paths = tuple(str(path) for path in outputs)
        """Of the outputs, in the order of the bodies; they name them in metrics."""

    @property
    def complete(self) -> bool:
        """Whether a sidecar has published all outputs here before, be it a predecessor."""
        return self.checkpoint.generation > 0 and all(output.path.is_file() for output in self._outputs)

    def written(self) -> dict[str, float]:
        """When each output that is there was last replaced, in seconds since 1970, by its path."""
        return {str(output.path): output.path.stat().st_mtime for output in self._outputs if output.path.is_file()}

    def prepare(self) -> None:
        """Check the paths, sweep what a killed predecessor left, and read its checkpoint.

        Raises:
            PublishError: if a path can never be published to.
        """
        mounts = read_mounts()
        for file in (*self._outputs, self._checkpoint_file):
            with translated(file.path, "can never be written"):
                refuse_unpublishable(file.path, mounts)
            sweep(file.path)
        with suppress(OSError):
            self.checkpoint = Checkpoint.decode(self._checkpoint_file.path.read_bytes())

    def publish(self, bodies: Sequence[Body], resource_versions: Mapping[str, str]) -> Publication:
        """Make each output hold its body; one that does already is not touched.

        Args:
            bodies: one for each output.
            resource_versions: up to where each scope has been followed, for the checkpoint.
        """
        stale = [not output.holds(body) for output, body in zip(self._outputs, bodies, strict=True)]
        if not any(stale):
            return Publication(self.checkpoint.generation, (Outcome.UNCHANGED,) * len(stale), ())
        checkpoint = Checkpoint(generation=self.checkpoint.generation + 1, resource_versions=dict(resource_versions))
        try:
            self._checkpoint_file.replace((checkpoint.encode(),))
        except PublishError as error:
            outcomes = tuple(Outcome.ERROR if is_stale else Outcome.UNCHANGED for is_stale in stale)
            return Publication(self.checkpoint.generation, outcomes, (error,))
        self.checkpoint = checkpoint
        return self._write(bodies, stale)

    def _write(self, bodies: Sequence[Body], stale: Sequence[bool]) -> Publication:
        outcomes, errors = [], []
        for output, body, is_stale in zip(self._outputs, bodies, stale, strict=True):
            outcome = Outcome.UNCHANGED
            if is_stale:
                try:
                    output.replace(body)
                    outcome = Outcome.WRITTEN
                except PublishError as error:
                    errors.append(error)
                    outcome = Outcome.ERROR
            outcomes.append(outcome)
        return Publication(self.checkpoint.generation, tuple(outcomes), tuple(errors))
