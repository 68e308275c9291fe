"""What is known of the volume that a file lies on: whether it can be published to at all, and why not.

Why refuse a mount point: a file that is itself mounted (``subPath``) pins the old inode, so that its reader would never
see another one.
"""

from __future__ import annotations

import errno
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sidecar.errors import PublishError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CURES = {
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
    """What the system raised, for people: *path* and *what*, and the remedy."""
    code = errno.errorcode.get(error.errno or 0, "UNKNOWN")
    remedy = _CURES.get(error.errno or 0, error.strerror)
    return PublishError(str(path), code, f"{path} {what} ({code}): {remedy}.")


def refuse_unpublishable(path: Path, mounts: Mapping[str, str]) -> None:
    """Raise ``PublishError`` if *path* can never be replaced by a rename."""
    if str(path) in mounts:
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
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    fields = [line.split(" ") for line in lines]
    return {_unescape(field[4]): field[field.index("-") + 1] for field in fields}


def _unescape(path: str) -> str:
    return path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")


def in_memory(path: Path, mounts: Mapping[str, str]) -> bool:
    """Whether *path* lies on a file system that keeps nothing over a crash anyway."""
    below = next((str(parent) for parent in path.parents if str(parent) in mounts), "")
    return mounts.get(below) in {"tmpfs", "ramfs"}
