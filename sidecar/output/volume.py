"""The volume that a file lies on: whether anything can be published to it at all, and if not, why.

A mount point is refused because a file that is itself mounted (``subPath``) pins the old inode: its reader would never
see another one. Links in the path of a directory are followed first, since the mounts know only real paths.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sidecar.errors import PublishError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_REMEDIES = {
    errno.ENOSPC: "the volume is full: free some space or raise the emptyDir's sizeLimit",
    errno.EDQUOT: "the quota is used up: free some space or raise it",
    errno.EROFS: "the volume is mounted read-only: remove readOnly from the sidecar's volumeMount",
    errno.EACCES: "this user may not write there: use an emptyDir, or set fsGroup",
    errno.EPERM: "this user may not write there: use an emptyDir, or set fsGroup",
    errno.ENOENT: "the directory does not exist: mount the shared volume there",
    errno.EBUSY: "it is a mount point: mount the directory, not the file",
    errno.EXDEV: "it is a mount point: mount the directory, not the file",
}


@contextmanager
def translated(path: Path, what: str) -> Iterator[None]:
    """Turn what the system raises into a ``PublishError``."""
    try:
        yield
    except OSError as error:
        raise explained(path, what, error) from error


def explained(path: Path, what: str, error: OSError) -> PublishError:
    """What the system raised, for people: *path*, *what* and the remedy."""
    code = errno.errorcode.get(error.errno or 0, "UNKNOWN")
    remedy = _REMEDIES.get(error.errno or 0, error.strerror)
    return PublishError(str(path), code, f"{path} {what} ({code}): {remedy}.")


def real(path: Path) -> Path:
    """*path* with the links in its directory followed. The file itself is replaced, hence never followed."""
    return Path(os.path.realpath(path.parent)) / path.name


def refuse_unpublishable(path: Path, mounts: Mapping[str, str]) -> None:
    """Raise ``PublishError`` if *path* can never be replaced by a rename."""
    if str(real(path)) in mounts:
        reason = (
            "EBUSY",
            f"{path} is a mount point (a subPath or a single-file mount): mount the directory, not the file.",
        )
    elif path.is_dir():
        reason = "EISDIR", f"{path} is a directory: name the file in it."
    elif not path.parent.is_dir():
        reason = "ENOENT", f"The directory of {path} does not exist: mount the shared volume there."
    else:
        return
    raise PublishError(str(path), *reason)


def refuse_same_file(outputs: Iterable[Path], reserved: Path) -> None:
    """Raise ``SettingsError`` if two outputs are one file, or one is the sidecar's own.

    Args:
        outputs: their paths, as they were given.
        reserved: the path of the checkpoint.
    """
    taken = {real(reserved): "the sidecar's own checkpoint"}
    problems = []
    for path in outputs:
        if real(path) in taken:
            problems.append(f"--output {path} is the same file as {taken[real(path)]}: give each output its own file.")
        taken.setdefault(real(path), f"--output {path}")
    if problems:
        raise SettingsError(problems)


def sweep(path: Path) -> None:
    """Remove the temporary files of *path* that a killed sidecar left."""
    ours = rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.tmp"
    with suppress(OSError):
        for found in path.parent.iterdir():
            if found.suffix == ".tmp" and re.fullmatch(ours, found.name):
                found.unlink()


def read_mounts() -> dict[str, str]:
    """The file system type of every mount point (proc_pid_mountinfo(5)); empty where there is no /proc."""
    try:
        text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return {}
    return parse_mounts(text)


def parse_mounts(text: str) -> dict[str, str]:
    """The file system type by mount point. Only a newline ends a line: other separators may be part of a name."""
    fields = [line.split(" ") for line in text.split("\n") if line]
    return {_unescape(field[4]): field[field.index("-") + 1] for field in fields}


def _unescape(path: str) -> str:
    return path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")


def in_memory(path: Path, mounts: Mapping[str, str]) -> bool:
    """Whether *path* lies on a file system that keeps nothing over a crash anyway."""
    return mounts.get(mount_point(path, mounts)) in {"tmpfs", "ramfs"}


def mount_point(path: Path, mounts: Mapping[str, str]) -> str:
    """The mount that *path* lies on; empty where that is not known."""
    return next((str(parent) for parent in real(path).parents if str(parent) in mounts), "")
