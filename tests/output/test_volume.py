"""A publication on real file systems: in memory or on a disk, full, read-only, somebody else's, mounted in the way.

Faults at every single call are in ``test_publisher``.
"""

import errno
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sidecar.errors import PublishError, SettingsError
from sidecar.output.publisher import Publisher
from sidecar.output.volume import in_memory, parse_mounts
from tests.support.publishing import (
    NAMES,
    NEW,
    NEW_REVISION,
    OLD,
    OLD_REVISION,
    Calls,
    assert_told,
    bodies,
    checkpoint,
    litter,
    outputs,
    pieces,
    publish_old,
    run,
)

WITHOUT_SYNC = ["open", "write", "fchmod", "close", "rename"]
"""The calls that replace a file, when nothing fails."""
WITH_SYNC = ["open", "write", "fchmod", "fsync", "close", "rename", "open", "fsync", "close"]

NOBODY = 65534


# --- fsync


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/disk/members.json", False),
        ("/memory/members.json", True),
        ("/memory/disk/members.json", False),
        ("/memory/other/members.json", True),
        ("/ramfs/members.json", True),
        ("/memory-not/members.json", False),
    ],
)
def test_file_system_is_that_of_the_nearest_mount(path: str, *, expected: bool) -> None:
    """A file belongs to the mount that is nearest above it."""
    mounts = {"/": "overlay", "/memory": "tmpfs", "/memory/disk": "ext4", "/ramfs": "ramfs"}
    assert in_memory(Path(path), mounts) is expected


@pytest.mark.parametrize(("fsync", "expected"), [("always", WITH_SYNC), ("never", WITHOUT_SYNC)])
def test_calls_of_a_policy(tmp_path: Path, fsync: str, expected: list[str]) -> None:
    """With ``always`` file and directory are on the disk before the next file; with ``never`` nothing waits."""
    assert calls_to_publish(tmp_path, fsync) == expected * 3


def calls_to_publish(directory: Path, fsync: str) -> list[str]:
    """The calls that write the checkpoint and two outputs."""
    calls = Calls()
    assert not Publisher(outputs(directory), fsync=fsync, system=calls).publish(pieces(OLD), OLD_REVISION).errors
    return calls.names


def test_auto_syncs_a_disk(tmp_path: Path) -> None:
    """A volume that outlives a crash gets files that do."""
    kind = subprocess.run(
        ["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True, check=True
    ).stdout.strip()
    if kind in ("tmpfs", "ramfs"):
        pytest.skip(f"the temporary directory is on {kind}; set TMPDIR to one on a disk")
    assert calls_to_publish(tmp_path, "auto") == WITH_SYNC * 3


def publish_in_memory(directory: str) -> None:
    """See the test below."""
    assert calls_to_publish(Path(directory), "auto") == WITHOUT_SYNC * 3


def test_auto_does_not_sync_memory(tmp_path: Path) -> None:
    """On a tmpfs there is nothing to wait for, also where the mount point's name is written with escapes."""
    volume = tmp_path / "a \\volume"
    volume.mkdir()
    run(publish_in_memory, volume, mount=f"mount -t tmpfs none {shlex.quote(str(volume))}")


# --- Refusals and real faults


def test_directory_is_refused(tmp_path: Path) -> None:
    """An output that is a directory is the operator's mistake, told at the start."""
    with pytest.raises(PublishError, match=r"is a directory: name the file in it\.") as caught:
        Publisher([tmp_path]).prepare()
    assert caught.value.code == "EISDIR"


@pytest.mark.parametrize("second", ["link/members.json", "sub/../members.json", ".members.json.state"])
def test_two_outputs_that_are_one_file_are_refused(tmp_path: Path, second: str) -> None:
    """Through a link, by another path, or as the sidecar's own file."""
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "sub").mkdir()
    with pytest.raises(SettingsError, match="is the same file as"):
        Publisher([tmp_path / "members.json", tmp_path / second]).prepare()


def test_a_link_to_a_volume_in_memory_is_in_memory(tmp_path: Path) -> None:
    """The mounts know only real paths."""
    (tmp_path / "volume").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "volume")
    mounts = {"/": "overlay", str(tmp_path / "volume"): "tmpfs"}
    assert in_memory(tmp_path / "link" / "members.json", mounts)


def test_only_a_newline_ends_a_line_of_the_mounts() -> None:
    """The name of a mount point may hold what other programs take for one."""
    line = "36 35 98:0 / {} rw - tmpfs none rw"
    names = ["/a\rb", "/a\u2028b", "/a\x0bb"]
    assert parse_mounts("\n".join(line.format(name) for name in names) + "\n") == dict.fromkeys(names, "tmpfs")


def test_missing_directory_is_refused(tmp_path: Path) -> None:
    """So is a volume that is not mounted."""
    with pytest.raises(PublishError, match="does not exist: mount the shared volume there") as caught:
        Publisher([tmp_path / "absent" / "members.json"]).prepare()
    assert caught.value.code == "ENOENT"


def refuse_mount_point(directory: str) -> None:
    """See the test below."""
    with pytest.raises(PublishError, match="mount the directory, not the file") as caught:
        Publisher(outputs(Path(directory))).prepare()
    assert caught.value.code == "EBUSY"


def fail_at_mount_point(directory: str) -> None:
    """See the test below."""
    home = Path(directory)
    path = outputs(home)[0]
    publisher = Publisher(outputs(home))
    publisher.prepare()
    shell(f"mount --bind {shlex.quote(str(path))} {shlex.quote(str(path))}")
    publication = publisher.publish(pieces(NEW), NEW_REVISION)
    assert_told(publication, errno.EBUSY)
    assert "mount the directory, not the file" in publication.errors[0].message
    assert bodies(home) == (OLD[0], NEW[1])
    assert litter(home) == []
    shell(f"umount {shlex.quote(str(path))}")
    assert_recovered(publisher, home)


def test_mount_point_is_refused(tmp_path: Path) -> None:
    """A file that is itself mounted (subPath) pins its inode: its reader would never see another."""
    publish_old(tmp_path)
    path = shlex.quote(str(tmp_path / NAMES[0]))
    run(refuse_mount_point, tmp_path, mount=f"mount --bind {path} {path}")


def test_file_that_becomes_a_mount_point(tmp_path: Path) -> None:
    """Mounted later, it fails as it is renamed, with the same advice, and the other output is written."""
    publish_old(tmp_path)
    run(fail_at_mount_point, tmp_path, mount="true")


def fill_up(directory: str) -> None:
    """See the test below."""
    home = Path(directory)
    publish_old(home)
    publisher = Publisher(outputs(home))
    publisher.prepare()
    filler = home / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(1024)):
            pass
    os.truncate(filler, filler.stat().st_size - 16384)
    too_much = (bytes(1 << 20), NEW[1])  # a part of it fits
    publication = publisher.publish(pieces(too_much), NEW_REVISION)
    assert_told(publication, errno.ENOSPC)
    assert "the volume is full" in publication.errors[0].message
    assert bodies(home) == (OLD[0], NEW[1])
    assert litter(home) == ["filler"]
    filler.unlink()
    assert_recovered(publisher, home)


def test_full_volume(tmp_path: Path) -> None:
    """A tmpfs takes a part before it says ENOSPC: the old file stays, the part does not, and it recovers."""
    run(fill_up, tmp_path, mount=f"mount -t tmpfs -o size=256k none {tmp_path}")


def write_to_read_only(directory: str) -> None:
    """See the test below."""
    home = Path(directory)
    publish_old(home)
    publisher = Publisher(outputs(home))
    shell(f"mount -o remount,ro {home}")
    publisher.prepare()
    publication = publisher.publish(pieces(NEW), NEW_REVISION)
    assert_told(publication, errno.EROFS)
    assert "mounted read-only" in publication.errors[0].message
    assert bodies(home) == OLD
    shell(f"mount -o remount,rw {home}")
    assert_recovered(publisher, home)


def test_read_only_volume(tmp_path: Path) -> None:
    """A volume that is mounted read-only by mistake is told, and used once that is corrected."""
    run(write_to_read_only, tmp_path, mount=f"mount -t tmpfs none {tmp_path}")


def write_without_permission(directory: str) -> None:
    """See the test below."""
    home = Path(directory)
    become_nobody()
    publish_old(home)
    publisher = Publisher(outputs(home))
    home.chmod(0o555)
    publisher.prepare()
    publication = publisher.publish(pieces(NEW), NEW_REVISION)
    assert_told(publication, errno.EACCES)
    assert "fsGroup" in publication.errors[0].message
    assert bodies(home) == OLD
    home.chmod(0o755)
    assert_recovered(publisher, home)


def enter_without_permission(directory: str) -> None:
    """See the test below."""
    home = Path(directory)
    become_nobody()
    home.chmod(0o600)
    with pytest.raises(PublishError) as caught:
        Publisher(outputs(home)).prepare()
    assert caught.value.code == "EACCES"


def test_directory_that_may_not_be_written_to() -> None:
    """Somebody else's volume is told, and used once it is ours."""
    with anybodys_directory() as directory:
        run(write_without_permission, directory)


def test_directory_that_may_not_be_entered() -> None:
    """A volume of which not even the names can be seen is the same mistake, told at the start."""
    with anybodys_directory() as directory:
        run(enter_without_permission, directory)


def assert_recovered(publisher: Publisher, home: Path) -> None:
    """The cause is gone, and so is the fault."""
    assert not publisher.publish(pieces(NEW), NEW_REVISION).errors
    assert bodies(home) == NEW
    assert litter(home) == []
    assert checkpoint(home).resource_versions == NEW_REVISION


# --- Users


def become_nobody() -> None:
    """Give up root, for which permissions do not exist."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


@contextmanager
def anybodys_directory() -> Iterator[Path]:
    """A directory that belongs to whom ``become_nobody`` makes us; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if os.geteuid() == 0:
            directory.chmod(0o711)
        home = directory / "home"
        home.mkdir()
        if os.geteuid() == 0:
            os.chown(home, NOBODY, NOBODY)
        yield home
        home.chmod(0o755)


def shell(script: str) -> None:
    """Run a command, in the mount namespace that we are in."""
    subprocess.run(["sh", "-ec", script], check=True)
