"""Tries the volumes as the publisher uses them: creates a file beside each output, renames it and removes it."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from sidecar.check.findings.volumes import Directory
from sidecar.errors import PublishError
from sidecar.output.file import File
from sidecar.output.volume import in_memory, read_mounts, refuse_unpublishable, translated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def look(paths: Sequence[Path]) -> list[Directory]:
    """What can be seen of the directories of outputs. Blocks for as long as the volumes do."""
    mounts = read_mounts()
    return [_look(path, mounts) for path in paths]


def _look(path: Path, mounts: Mapping[str, str]) -> Directory:
    trial = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")  # swept by the sidecar if we are killed
    try:
        with translated(path, "was not written"):
            refuse_unpublishable(path, mounts)
            File(trial, sync=False).replace((b"to be removed\n",))
            room = os.statvfs(path.parent)
    except PublishError as error:
        return Directory(str(path), error.message.replace(str(trial), str(path)))
    finally:
        with suppress(OSError):
            trial.unlink()
    mount = next((str(parent) for parent in path.parents if str(parent) in mounts), "")
    return Directory(
        str(path),
        mount=mount,
        filesystem=mounts.get(mount, ""),
        in_memory=in_memory(path, mounts),
        free=room.f_bavail * room.f_frsize,
        nodes=room.f_favail or (0 if room.f_files else 1),  # some file systems do not count their files
    )
