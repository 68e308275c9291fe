"""What the tests of publications share: a publication before and after, syscalls that fail, processes of their own.

A fault comes in through ``system=``; a scene that needs mounts, another user or its own death runs elsewhere.
"""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from sidecar.errors import PublishError
from sidecar.output.checkpoint import Checkpoint
from sidecar.output.publication import Body, Outcome, Publication
from sidecar.output.publisher import Publisher

P = ParamSpec("P")
T = TypeVar("T")

Hook = Callable[[int, str], None]
"""Told of a call: how many there were before it, and its name."""

NAMES = ("members.json", "hosts.txt")
STATE = ".members.json.state"

OLD = (b'{"members": ["a"]}\n', b"10.0.0.1\n")
NEW = (b'{"members": ["a", "b"]}\n', b"10.0.0.1\n10.0.0.2\n")
OLD_REVISION = {"endpointslice/default/app": "1001"}
NEW_REVISION = {"endpointslice/default/app": "1002"}


def nothing(number: int, name: str) -> None:
    """A hook that does nothing."""


class Calls:
    """``os``, with hooks before and after each call.

    A hook that raises makes the call fail. A descriptor is closed even so, as Linux does it: close(2) never fails to
    close.

    Args:
        before: told before the call is made.
        after: told when it has been made.
        chunk: the number of bytes that a write takes at most.
    """

    def __init__(self, before: Hook = nothing, after: Hook = nothing, chunk: int = 1 << 20) -> None:
        self.names: list[str] = []
        self.temporary = ""
        """The name that is being written to."""
        self._before = before
        self._after = after
        self._chunk = chunk

    def _call(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        name = call.__name__
        number = len(self.names)
        self.names.append(name)
        self._before(number, name)
        result = call(*args, **kwargs)
        self._after(number, name)
        return result

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        """Like ``os.open``."""
        if flags & os.O_CREAT:
            self.temporary = path
        return self._call(os.open, path, flags, mode)

    def write(self, fd: int, data: memoryview) -> int:
        """Like ``os.write``, but it takes no more than a chunk."""
        return self._call(os.write, fd, data[: self._chunk])

    def fchmod(self, fd: int, mode: int) -> None:
        """Like ``os.fchmod``."""
        self._call(os.fchmod, fd, mode)

    def fsync(self, fd: int) -> None:
        """Like ``os.fsync``."""
        self._call(os.fsync, fd)

    def close(self, fd: int) -> None:
        """Like ``os.close``."""

        def close() -> None:
            pass

        try:
            self._call(close)
        finally:
            os.close(fd)

    def rename(self, src: str, dst: str) -> None:
        """Like ``os.rename``."""
        self._call(os.rename, src, dst)

    def unlink(self, path: str) -> None:
        """Like ``os.unlink``."""
        self._call(os.unlink, path)


def outputs(directory: Path) -> list[Path]:
    """Two of them."""
    return [directory / name for name in NAMES]


def bodies(directory: Path) -> tuple[bytes, ...]:
    """What a reader finds."""
    return tuple(path.read_bytes() for path in outputs(directory))


def checkpoint(directory: Path) -> Checkpoint:
    """What a successor finds."""
    return Checkpoint.decode((directory / STATE).read_bytes()).checkpoint


def litter(directory: Path) -> list[str]:
    """Everything that should not be there."""
    return sorted({path.name for path in directory.iterdir()} - {*NAMES, STATE})


def publish_old(directory: Path) -> None:
    """A predecessor's publication."""
    assert publish(directory, OLD, OLD_REVISION).outcomes == (Outcome.WRITTEN, Outcome.WRITTEN)


def pieces(contents: Iterable[bytes]) -> list[Body]:
    """Each content as a pipeline has it: in pieces."""
    return [(content[:3], content[3:]) for content in contents]


def publish(directory: Path, contents: Sequence[bytes], revision: Mapping[str, str]) -> Publication:
    """A publication of a sidecar that has just started."""
    publisher = Publisher(outputs(directory))
    publisher.prepare()
    return publisher.publish(pieces(contents), revision)


def assert_told(publication: Publication, number: int) -> None:
    """The publication has one error or more, each with its errno's name and a message with path and remedy."""
    assert publication.errors
    assert Outcome.ERROR in publication.outcomes
    for error in publication.errors:
        assert isinstance(error, PublishError)
        assert error.code == errno.errorcode[number]
        assert error.path in error.message
        assert error.code in error.message
        assert error.message.endswith(".")


def run(scene: Callable[[str], None], directory: Path, *, mount: str = "") -> None:
    """Play a scene in a process of its own.

    Args:
        scene: a function at the top of a module of tests.
        directory: its argument.
        mount: a script that mounts something before; the process then sees mounts that nobody else sees. Without the
            right to do so, the test is skipped.
    """
    code = f"import sys; from {scene.__module__} import {scene.__name__} as scene; scene(sys.argv[1])"
    command = [sys.executable, "-W", "error", "-c", code, str(directory)]
    if mount:
        unshare = ["unshare", "--mount", "--propagation", "private"]
        if os.geteuid() != 0:
            unshare.append("--map-root-user")
        allowed = subprocess.run(
            [*unshare, "mount", "-t", "tmpfs", "none", directory], capture_output=True, check=False
        )
        if allowed.returncode:
            pytest.skip(f"mounting needs root or user namespaces: {allowed.stderr.decode().strip()}")
        command = [*unshare, "sh", "-ec", f'{mount}; exec "$@"', "sh", *command]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
