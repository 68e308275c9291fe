"""Real volumes: in memory, full, read-only, mounted in the wrong place, of somebody else. Nothing is left behind."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sidecar.check.probes import volumes
from tests.check.running import ROOT, check

NOBODY = 65534


def of(directory: Path, found: dict[str, list[tuple[str, str]]]) -> list[tuple[str, str]]:
    """Level and message of the findings about the output."""
    return found[f"output {directory / 'members.json'}"]


WRITTEN = ("ok", "A file was created beside it and renamed.")


def test_nothing_is_left_in_a_directory_that_was_tried(tmp_path: Path) -> None:
    """Be it a volume or not."""
    assert of(tmp_path, check(tmp_path))[0] == WRITTEN
    assert list(tmp_path.iterdir()) == []


def test_a_volume_in_memory_is_recognized(tmp_path: Path) -> None:
    """An emptyDir with ``medium: Memory``, and a small one."""
    place = shlex.quote(str(tmp_path))
    found = of(tmp_path, check(tmp_path, mount=f"mount -t tmpfs -o size=512k none {place}"))
    assert found == [
        WRITTEN,
        ("ok", f"It is in memory (tmpfs, mounted at {tmp_path}). Files are not flushed (fsync)."),
        found[-1],
    ]
    assert found[-1][0] == "warning"
    assert re.fullmatch(r"The volume is nearly full \(free: (508|512) KiB, [0-9]+ inodes\)\.", found[-1][1]), found


def test_a_read_only_volume_is_an_error(tmp_path: Path) -> None:
    """With the errno, in the words of the publisher."""
    place = shlex.quote(str(tmp_path))
    assert of(tmp_path, check(tmp_path, mount=f"mount -t tmpfs -o ro none {place}")) == [
        ("error", f"{tmp_path}/members.json was not written (EROFS): the volume is mounted read-only.")
    ]


def test_a_full_volume_is_an_error(tmp_path: Path) -> None:
    """Full to the last page."""
    place = shlex.quote(str(tmp_path))
    fill = f"mount -t tmpfs -o size=64k none {place}; cat /dev/zero > {place}/filling 2>/dev/null || true"
    assert of(tmp_path, check(tmp_path, mount=fill)) == [
        ("error", f"{tmp_path}/members.json was not written (ENOSPC): the volume is full.")
    ]


def test_a_single_file_mount_is_an_error(tmp_path: Path) -> None:
    """A subPath: its reader would never see another inode."""
    file = tmp_path / "members.json"
    file.write_text("old")
    place = shlex.quote(str(file))
    assert of(tmp_path, check(tmp_path, mount=f"mount --bind {place} {place}")) == [
        ("error", f"{file} is a mount point (a subPath or a single-file mount).")
    ]
    assert file.read_text() == "old"


def test_an_existing_file_is_not_touched(tmp_path: Path) -> None:
    """The check may run beside a sidecar."""
    file = tmp_path / "members.json"
    file.write_text("old")
    stamp = file.stat().st_ino, file.stat().st_mtime_ns
    assert of(tmp_path, check(tmp_path))[0] == WRITTEN
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == stamp


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    """And so is a directory in the place of the file."""
    missing = tmp_path / "missing"
    assert of(missing, check(missing)) == [("error", f"The directory of {missing / 'members.json'} does not exist.")]
    (tmp_path / "members.json").mkdir()
    assert of(tmp_path, check(tmp_path)) == [("error", f"{tmp_path / 'members.json'} is a directory.")]


def look_as_nobody(*directories: str) -> None:
    """See the test below."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    for seen in volumes.look([Path(directory) / "members.json" for directory in directories]):
        assert "was not written (EACCES): this user may not write there" in seen.problem, seen


def test_a_directory_of_another_user_is_an_error() -> None:
    """Whether or not others may look into it."""
    if os.geteuid() != 0:
        pytest.skip("only root can look as somebody else")
    code = f"import sys; from {__name__} import look_as_nobody; look_as_nobody(*sys.argv[1:])"
    with tempfile.TemporaryDirectory() as open_to_all, tempfile.TemporaryDirectory() as closed:
        Path(open_to_all).chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code, open_to_all, closed],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert [*Path(open_to_all).iterdir(), *Path(closed).iterdir()] == []
