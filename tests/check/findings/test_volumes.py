"""Whether a volume can be published to, by what was seen of it."""

from __future__ import annotations

import pytest

from sidecar.check.findings.finding import Finding
from sidecar.check.findings.volumes import ENOUGH, Directory, judge

DISK = Directory("/m/a", mount="/m", filesystem="ext4", free=ENOUGH)


@pytest.mark.parametrize(
    ("seen", "fsync", "found"),
    [
        (
            DISK,
            "auto",
            ("ok", "It is on a disk (ext4, mounted at /m). Each file is flushed to it before it is renamed (fsync)."),
        ),
        (DISK, "never", ("ok", "It is on a disk (ext4, mounted at /m). Files are not flushed (fsync).")),
        (
            DISK._replace(filesystem="tmpfs", in_memory=True),
            "auto",
            ("ok", "It is in memory (tmpfs, mounted at /m). Files are not flushed (fsync)."),
        ),
        (
            DISK._replace(filesystem="tmpfs", in_memory=True),
            "always",
            ("ok", "It is in memory (tmpfs, mounted at /m). Each file is flushed to it before it is renamed (fsync)."),
        ),
        (
            DISK._replace(mount="/", filesystem="overlay"),
            "auto",
            ("warning", "Its directory is not on a mounted volume, so no other container sees the file."),
        ),
        (
            DISK._replace(free=ENOUGH - 1),
            "auto",
            ("warning", "The volume is nearly full (free: 1023 KiB, 1 inodes)."),
        ),
        (DISK._replace(nodes=0), "auto", ("warning", "The volume is nearly full (free: 1024 KiB, 0 inodes).")),
    ],
)
def test_a_volume_that_was_written_to_is_described(seen: Directory, fsync: str, found: tuple[str, str]) -> None:
    """What it is, whether others see it, and how much is left."""
    judged = list(judge(seen, fsync))
    assert judged[0] == Finding("ok", "output /m/a", "A file was created beside it and renamed.")
    assert (judged[-1].level, judged[-1].message) == found
    assert all(finding.remedy for finding in judged if finding.level != "ok")


@pytest.mark.parametrize(
    ("problem", "message", "remedy"),
    [
        (
            "/m/a was not written (EROFS): the volume is mounted read-only: remove readOnly.",
            "/m/a was not written (EROFS): the volume is mounted read-only.",
            "Remove readOnly.",
        ),
        (
            "/m/a is a mount point (a subPath): mount the directory, not the file.",
            "/m/a is a mount point (a subPath).",
            "Mount the directory, not the file.",
        ),
        ("It is odd.", "It is odd.", ""),
        ("/m/a is a directory: name the file in it.", "/m/a is a directory.", "Name the file in it."),
        ("/m/a was not written (EIO): Input/output error.", "/m/a was not written (EIO): Input/output error.", ""),
    ],
)
def test_a_volume_that_cannot_be_written_to_is_an_error(problem: str, message: str, remedy: str) -> None:
    """In the words of the publisher."""
    (finding,) = judge(DISK._replace(problem=problem), "auto")
    assert finding == Finding("error", "output /m/a", message, remedy)
