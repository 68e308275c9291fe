"""A file is replaced as a whole or not at all, whatever fails, and whoever interferes.

Scope: ``sidecar.publisher`` and ``sidecar.floor`` alone, on real file systems. A fault comes in through ``system=``, or
it is real: a full tmpfs, a read-only one, a directory of somebody else's, a bind mount. Readers that read all the time
and a daemon that is killed are in ``test_crash``; when something is published, in ``test_keeper``.
"""

import errno
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn, ParamSpec, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import PublishError
from sidecar.floor import Floor
from sidecar.publisher import Outcome, Publication, Publisher, in_memory

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

ERRNOS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ESTALE, errno.EMFILE)

WITHOUT_SYNC = ["open", "open", "write", "fchmod", "close", "rename", "close"]
"""The calls that replace a file, when nothing fails."""
WITH_SYNC = ["open", "open", "write", "fchmod", "fsync", "close", "rename", "fsync", "close"]

NOBODY = 65534


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

    def open(self, path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        """Like ``os.open``."""
        if dir_fd is not None:
            self.temporary = path
        return self._call(os.open, path, flags, mode, dir_fd=dir_fd)

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

    def rename(self, src: str, dst: str, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        """Like ``os.rename``."""
        self._call(os.rename, src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    def unlink(self, path: str, *, dir_fd: int | None = None) -> None:
        """Like ``os.unlink``."""
        self._call(os.unlink, path, dir_fd=dir_fd)


def fault(number: int) -> OSError:
    """The error of this errno."""
    return OSError(number, os.strerror(number))


def at(numbers: Mapping[int, int]) -> Hook:
    """A hook that raises the errno given for the call's number."""

    def hook(number: int, name: str) -> None:
        del name
        if number in numbers:
            raise fault(numbers[number])

    return hook


def on(name: str, number: int) -> Hook:
    """A hook that raises this errno at every call of this name."""

    def hook(_: int, called: str) -> None:
        if called == name:
            raise fault(number)

    return hook


def outputs(directory: Path) -> list[Path]:
    """Two of them."""
    return [directory / name for name in NAMES]


def bodies(directory: Path) -> tuple[bytes, ...]:
    """What a reader finds."""
    return tuple(path.read_bytes() for path in outputs(directory))


def floor(directory: Path) -> Floor:
    """What a successor finds."""
    return Floor.decode((directory / STATE).read_bytes())


def litter(directory: Path) -> list[str]:
    """Everything that should not be there."""
    return sorted({path.name for path in directory.iterdir()} - {*NAMES, STATE})


def publish_old(directory: Path) -> None:
    """A predecessor's publication."""
    assert publish(directory, OLD, OLD_REVISION).outcomes == (Outcome.WRITTEN, Outcome.WRITTEN)


def publish(directory: Path, contents: Sequence[bytes], revision: Mapping[str, str]) -> Publication:
    """A publication of a sidecar that has just started."""
    publisher = Publisher(outputs(directory))
    publisher.prepare()
    return publisher.publish(contents, revision)


def calls_of_a_publication() -> int:
    """How many there are with fsync, when every write is a short one."""
    with tempfile.TemporaryDirectory() as name:
        publish_old(Path(name))
        calls = short_writes(nothing)
        publication = Publisher(outputs(Path(name)), fsync="always", system=calls).publish(NEW, NEW_REVISION)
    assert publication.outcomes == (Outcome.WRITTEN, Outcome.WRITTEN)
    return len(calls.names)


def short_writes(before: Hook, after: Hook = nothing) -> Calls:
    """Each file takes several writes, so that the second can fail, as on a volume that gets full."""
    return Calls(before, after, chunk=30)


def assert_told(publication: Publication, number: int) -> None:
    """The publication has one error or more, each with its errno's name and a sentence with path and cure."""
    assert publication.errors
    assert Outcome.ERROR in publication.outcomes
    for error in publication.errors:
        assert isinstance(error, PublishError)
        assert error.code == errno.errorcode[number]
        assert error.path in error.sentence
        assert error.code in error.sentence
        assert error.sentence.endswith(".")


# --- Laws: faults and deaths at every call


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.__getitem__)
def test_fault_at_any_call_leaves_the_old_file_or_the_new_one(tmp_path: Path, number: int) -> None:
    """Whichever call fails: each file is old or new, nothing is beside it, it is told, and the next time succeeds."""
    for position in range(calls_of_a_publication()):
        directory = tmp_path / str(position)
        directory.mkdir()
        publish_old(directory)
        before = floor(directory)
        publisher = Publisher(outputs(directory), fsync="always", system=short_writes(at({position: number})))
        publisher.prepare()
        publication = publisher.publish(NEW, NEW_REVISION)
        assert_told(publication, number)
        assert_old_or_new(directory, publication)
        assert litter(directory) == []
        assert publication.generation in (before.generation, before.generation + 1)
        again = publisher.publish(NEW, NEW_REVISION)
        assert not again.errors
        assert bodies(directory) == NEW
        assert floor(directory).generation >= again.generation > before.generation


def assert_old_or_new(directory: Path, publication: Publication) -> None:
    """Each output is one or the other, new wherever that is said, and never newer than the floor."""
    found = bodies(directory)
    for old, new, body, outcome in zip(OLD, NEW, found, publication.outcomes, strict=True):
        assert body in ((new,) if outcome is Outcome.WRITTEN else (old, new))
    if any(body != old for body, old in zip(found, OLD, strict=True)):
        assert floor(directory).revisions == NEW_REVISION


@given(
    contents=st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), min_size=1, max_size=5),
    faults=st.dictionaries(st.integers(0, 90), st.sampled_from(ERRNOS), max_size=12),
    chunk=st.integers(1, 100),
)
def test_any_faults_in_any_history(contents: list[tuple[bytes, bytes]], faults: dict[int, int], chunk: int) -> None:
    """However many calls fail, a file holds what it held or what it should, and in the end nothing is left over."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        publish_old(directory)
        publisher = Publisher(outputs(directory), fsync="always", system=Calls(at(faults), chunk=chunk))
        publisher.prepare()
        for step, wanted in enumerate(contents):
            before, generation = bodies(directory), floor(directory).generation
            publication = publisher.publish(wanted, {"scope": str(step)})
            for old, new, body, outcome in zip(before, wanted, bodies(directory), publication.outcomes, strict=True):
                assert body in ((old, new) if outcome is Outcome.ERROR else (new,))
            assert bool(publication.errors) is (Outcome.ERROR in publication.outcomes)
            assert floor(directory).generation >= max(generation, publication.generation)
        assert not publish(directory, NEW, NEW_REVISION).errors
        assert bodies(directory) == NEW
        assert litter(directory) == []


def test_reader_between_any_two_calls_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """At no moment of a publication is a file missing, empty or half, nor a file new before the floor is."""
    publish_old(tmp_path)
    seen = []

    def look(number: int, name: str) -> None:
        del number, name
        found = bodies(tmp_path)
        assert all(body in (old, new) for body, old, new in zip(found, OLD, NEW, strict=True))
        assert found == OLD or floor(tmp_path).revisions == NEW_REVISION
        seen.append(found)

    Publisher(outputs(tmp_path), fsync="always", system=short_writes(look, look)).publish(NEW, NEW_REVISION)
    assert set(seen) == {OLD, (NEW[0], OLD[1]), NEW}


@pytest.mark.parametrize("which", range(3))
def test_rename_that_was_made_and_reported_as_failed(tmp_path: Path, which: int) -> None:
    """As a retransmission on NFS may have it: the file is new, the error is told, the next time all is well."""
    publish_old(tmp_path)

    def hook(number: int, name: str) -> None:
        del number
        if name == "rename" and calls.names.count("rename") == which + 1:
            raise fault(errno.EIO)

    calls = Calls(after=hook)
    publisher = Publisher(outputs(tmp_path), system=calls)
    publisher.prepare()
    publication = publisher.publish(NEW, NEW_REVISION)
    assert_told(publication, errno.EIO)
    assert_old_or_new(tmp_path, publication)
    assert not publisher.publish(NEW, NEW_REVISION).errors
    assert bodies(tmp_path) == NEW
    assert litter(tmp_path) == []


def test_what_could_not_be_removed_is_swept_at_the_next_start(tmp_path: Path) -> None:
    """Where even unlink fails, the temporary file stays, hidden, until a sidecar starts."""
    publish_old(tmp_path)

    def hook(number: int, name: str) -> None:
        on("rename", errno.EIO)(number, name)
        on("unlink", errno.EIO)(number, name)

    publisher = Publisher(outputs(tmp_path), system=Calls(hook))
    assert_told(publisher.publish(NEW, NEW_REVISION), errno.EIO)
    [left] = litter(tmp_path)
    assert left.startswith(".")
    assert left.endswith(".tmp")
    publisher.prepare()
    assert litter(tmp_path) == []
    assert bodies(tmp_path) == OLD


def test_sweep_takes_nothing_else(tmp_path: Path) -> None:
    """Files of other programs stay, however similar their names."""
    others = ["members.json.tmp", ".members.json.tmp", ".other.json.01234567.tmp", ".members.json.0123.tmp"]
    for name in others:
        (tmp_path / name).touch()
    for name in NAMES:
        (tmp_path / f".{name}.01234567.tmp").touch()
    Publisher(outputs(tmp_path)).prepare()
    assert litter(tmp_path) == sorted(others)


def test_sweep_of_a_name_that_looks_like_a_pattern(tmp_path: Path) -> None:
    """Brackets in the name of an output are brackets."""
    (tmp_path / ".members[1].json.01234567.tmp").touch()
    Publisher([tmp_path / "members[1].json"]).prepare()
    assert litter(tmp_path) == []


def die_at_every_call(directory: str) -> None:
    """Publish once for each call and moment, killed there; in a process of its own, because it forks.

    Each publication finds a directory of its own.
    """
    total = calls_of_a_publication()
    for moment in ("before", "after"):
        for position in range(total):
            home = Path(directory) / f"{moment}-{position}"
            home.mkdir()
            publish_old(home)
            child = os.fork()
            if not child:
                _publish_and_die(home, moment, position)
            _, status = os.waitpid(child, 0)
            assert os.WIFSIGNALED(status)
            assert os.WTERMSIG(status) == signal.SIGKILL


def _publish_and_die(home: Path, moment: str, position: int) -> NoReturn:
    def die(number: int, name: str) -> None:
        del name
        if number == position:
            os.kill(os.getpid(), signal.SIGKILL)

    with suppress(BaseException):
        calls = short_writes(die) if moment == "before" else short_writes(nothing, die)
        publisher = Publisher(outputs(home), fsync="always", system=calls)
        publisher.prepare()
        publisher.publish(NEW, NEW_REVISION)
    os._exit(0)


def test_death_at_any_call_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """Killed -9 anywhere: each file is old or new, the floor is not older, and the next start sweeps and goes on."""
    run(die_at_every_call, tmp_path)
    homes = list(tmp_path.iterdir())
    assert len(homes) == 2 * calls_of_a_publication()
    assert any(litter(home) for home in homes)
    for home in homes:
        found, known = bodies(home), floor(home)
        assert all(body in (old, new) for body, old, new in zip(found, OLD, NEW, strict=True))
        assert found == OLD or known.revisions == NEW_REVISION
        successor = Publisher(outputs(home))
        successor.prepare()
        assert successor.complete
        assert successor.floor == known
        assert litter(home) == []
        assert not successor.publish(NEW, NEW_REVISION).errors
        assert bodies(home) == NEW
        assert successor.floor.generation == known.generation + (found != NEW)


# --- What is touched, and what is not


def stamps(directory: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of every file."""
    found = {path.name: path.stat() for path in directory.iterdir()}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}


@pytest.mark.parametrize("restarted", [False, True])
def test_same_bytes_are_not_written_again(tmp_path: Path, *, restarted: bool) -> None:
    """Inode and time of the outputs and of the floor stay, by a sidecar that wrote them and by one that did not."""
    calls = Calls()
    publisher = Publisher(outputs(tmp_path), system=calls)
    publisher.publish(NEW, NEW_REVISION)
    if restarted:
        publisher = Publisher(outputs(tmp_path), system=calls)
        publisher.prepare()
    before = stamps(tmp_path)
    calls.names.clear()
    publication = publisher.publish(NEW, {"scope": "another"})
    assert publication == Publication(1, (Outcome.UNCHANGED, Outcome.UNCHANGED), ())
    assert stamps(tmp_path) == before
    assert calls.names == []


def test_only_the_output_that_changes_is_written(tmp_path: Path) -> None:
    """Of two outputs, the one that is right already keeps its inode."""
    publish_old(tmp_path)
    before = stamps(tmp_path)
    publication = publish(tmp_path, (OLD[0], NEW[1]), NEW_REVISION)
    assert publication == Publication(2, (Outcome.UNCHANGED, Outcome.WRITTEN), ())
    assert bodies(tmp_path) == (OLD[0], NEW[1])
    assert stamps(tmp_path)[NAMES[0]] == before[NAMES[0]]


def test_one_output_fails_and_the_other_does_not(tmp_path: Path) -> None:
    """A volume that is in trouble does not keep another one from being written."""
    first, second = tmp_path / "first" / NAMES[0], tmp_path / "second" / NAMES[1]
    for path in (first, second):
        path.parent.mkdir()
    third = tmp_path / NAMES[0]
    publisher = Publisher([first, second, third])
    publisher.prepare()
    second.parent.rmdir()
    publication = publisher.publish([b"1", b"2", b"3"], {})
    assert publication.outcomes == (Outcome.WRITTEN, Outcome.ERROR, Outcome.WRITTEN)
    assert [error.path for error in publication.errors] == [str(second)]
    assert third.read_bytes() == b"3"
    second.parent.mkdir()
    outcomes = publisher.publish([b"1", b"2", b"3"], {}).outcomes
    assert outcomes == (Outcome.UNCHANGED, Outcome.WRITTEN, Outcome.UNCHANGED)


def cut(path: Path) -> None:
    """Leave half of it."""
    os.truncate(path, path.stat().st_size // 2)


def overwrite(path: Path) -> None:
    """Other bytes, in place."""
    path.write_bytes(b"?" * path.stat().st_size)


def link_elsewhere(path: Path) -> None:
    """A symlink to a file that must not be touched."""
    precious = path.with_name("precious")
    precious.write_bytes(b"precious")
    path.unlink()
    path.symlink_to(precious.name)


def link_to_itself(path: Path) -> None:
    """A symlink that leads nowhere."""
    path.unlink()
    path.symlink_to(path.name)


def link_to_a_copy(path: Path) -> None:
    """A symlink to a file with the right bytes."""
    link_elsewhere(path)
    path.with_name("precious").write_bytes(NEW[0])


def make_fifo(path: Path) -> None:
    """A named pipe, which blocks whoever opens it."""
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "interfere", [Path.unlink, cut, overwrite, link_elsewhere, link_to_itself, link_to_a_copy, make_fifo]
)
@pytest.mark.parametrize("restarted", [False, True])
def test_file_changed_by_somebody_else_is_put_right(
    tmp_path: Path, interfere: Callable[[Path], None], *, restarted: bool
) -> None:
    """Whatever was done to it, the next publication makes it a regular file with our bytes, and follows no link."""
    publisher = Publisher(outputs(tmp_path))
    publisher.publish(NEW, NEW_REVISION)
    path = outputs(tmp_path)[0]
    os.utime(path, ns=(0, 0))  # the clock of a file system ticks every few milliseconds, and this test is faster
    publisher.publish(NEW, NEW_REVISION)
    interfere(path)
    if restarted:
        publisher = Publisher(outputs(tmp_path))
        publisher.prepare()
    assert publisher.publish(NEW, NEW_REVISION).outcomes == (Outcome.WRITTEN, Outcome.UNCHANGED)
    assert bodies(tmp_path) == NEW
    assert path.is_file()
    assert not path.is_symlink()
    precious = tmp_path / "precious"
    assert not precious.exists() or precious.read_bytes() in (b"precious", NEW[0])


def test_symlink_at_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    """Whoever guesses the name that is going to be written gains nothing: an error, and the next name is another."""
    publish_old(tmp_path)
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    guessed: list[str] = []

    def plant(number: int, name: str) -> None:
        del number
        if name == "open" and calls.temporary and not guessed:
            guessed.append(calls.temporary)
            (tmp_path / calls.temporary).symlink_to(precious.name)

    calls = Calls(plant)
    publisher = Publisher(outputs(tmp_path), system=calls)
    publication = publisher.publish(NEW, NEW_REVISION)
    assert_told(publication, errno.EEXIST)
    assert bodies(tmp_path) == OLD
    assert not publisher.publish(NEW, NEW_REVISION).errors
    assert calls.temporary not in guessed
    assert precious.read_bytes() == b"precious"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_mode_is_0644_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """The reader's container runs under another UID, and reads."""
    before = os.umask(umask)
    try:
        publisher = Publisher(outputs(tmp_path))
        publisher.prepare()
        publisher.publish(NEW, NEW_REVISION)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o7777 for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys((*NAMES, STATE), 0o644)


# --- The floor


def test_floor_is_beside_the_first_output(tmp_path: Path) -> None:
    """Generation and revisions survive a restart, and two files in another directory have no floor there."""
    other = tmp_path / "other"
    other.mkdir()
    paths = [tmp_path / NAMES[0], other / NAMES[1]]
    publisher = Publisher(paths)
    publisher.prepare()
    assert not publisher.complete
    assert publisher.floor == Floor()
    publisher.publish(OLD, OLD_REVISION)
    publisher.publish(NEW, NEW_REVISION)
    assert sorted(path.name for path in tmp_path.iterdir()) == [STATE, NAMES[0], "other"]
    assert [path.name for path in other.iterdir()] == [NAMES[1]]
    successor = Publisher(paths)
    successor.prepare()
    assert successor.complete
    assert successor.floor == Floor(generation=2, revisions=NEW_REVISION)


@pytest.mark.parametrize("lacking", [*NAMES, STATE])
def test_incomplete_without_any_of_the_files(tmp_path: Path, lacking: str) -> None:
    """A successor that finds less than all of a publication does not take it for one."""
    publish_old(tmp_path)
    (tmp_path / lacking).unlink()
    successor = Publisher(outputs(tmp_path))
    successor.prepare()
    assert not successor.complete


DAMAGED = {
    "empty": b"",
    "cut": b'{"schema":"membership-state/v1","gene',
    "zeros": bytes(64),
    "list": b"[]",
    "number": b"7",
    "generation": b'{"schema":"membership-state/v1","generation":"7"}',
    "revisions": b'{"schema":"membership-state/v1","revisions":{"a":1}}',
    "schema": b'{"schema":"membership-state/v2","generation":7}',
}


@pytest.mark.parametrize("body", DAMAGED.values(), ids=DAMAGED)
def test_damaged_floor_is_ignored(tmp_path: Path, body: bytes) -> None:
    """A sidecar that finds nonsense starts as if it were the first, and writes a floor that is right."""
    publish_old(tmp_path)
    (tmp_path / STATE).write_bytes(body)
    publisher = Publisher(outputs(tmp_path))
    publisher.prepare()
    assert publisher.floor == Floor()
    assert not publisher.publish(NEW, NEW_REVISION).errors
    assert floor(tmp_path) == Floor(generation=1, revisions=NEW_REVISION)


@pytest.mark.parametrize("body", [b'{"revisions":{"a":"\xff"}}', b'{"x":' + b"[" * 9999], ids=["text", "deep"])
def test_damaged_floor_of_another_kind_is_ignored(body: bytes) -> None:
    """So it is where the nonsense is within a text, or bottomless."""
    assert Floor.decode(body) == Floor()


@given(st.dictionaries(st.text(), st.text()), st.integers(0, 2**62))
def test_floor_is_read_as_it_was_written(revisions: dict[str, str], generation: int) -> None:
    """Decoding what was encoded gives the same floor."""
    written = Floor(generation=generation, revisions=revisions)
    assert Floor.decode(written.encode()) == written


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
    """The calls that write the floor and two outputs."""
    calls = Calls()
    assert not Publisher(outputs(directory), fsync=fsync, system=calls).publish(OLD, OLD_REVISION).errors
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
    publication = publisher.publish(NEW, NEW_REVISION)
    assert_told(publication, errno.EBUSY)
    assert "mount the directory, not the file" in publication.errors[0].sentence
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
    publication = publisher.publish(too_much, NEW_REVISION)
    assert_told(publication, errno.ENOSPC)
    assert "the volume is full" in publication.errors[0].sentence
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
    publication = publisher.publish(NEW, NEW_REVISION)
    assert_told(publication, errno.EROFS)
    assert "mounted read-only" in publication.errors[0].sentence
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
    publication = publisher.publish(NEW, NEW_REVISION)
    assert_told(publication, errno.EACCES)
    assert "fsGroup" in publication.errors[0].sentence
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
    assert not publisher.publish(NEW, NEW_REVISION).errors
    assert bodies(home) == NEW
    assert litter(home) == []
    assert floor(home).revisions == NEW_REVISION


# --- Processes of their own


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


def run(scene: Callable[[str], None], directory: Path, *, mount: str = "") -> None:
    """Play a scene of this module in a process of its own.

    Args:
        scene: a function of this module.
        directory: its argument.
        mount: a script that mounts something before; the process then sees mounts that nobody else sees. Without the
            right to do so, the test is skipped.
    """
    code = f"import sys; from {__name__} import {scene.__name__} as scene; scene(sys.argv[1])"
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
        command, cwd=Path(__file__).parents[1], stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
