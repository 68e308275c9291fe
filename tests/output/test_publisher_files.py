"""What a publication touches, and what it leaves alone: files that are right, and files that others have changed.

Faults at every single call are in ``test_publisher``.
"""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.output.file import PIECES
from sidecar.output.publication import Outcome, Publication
from sidecar.output.publisher import Publisher
from tests.support.publishing import (
    NAMES,
    NEW,
    NEW_REVISION,
    OLD,
    STATE,
    Calls,
    assert_told,
    bodies,
    checkpoint,
    outputs,
    pieces,
    publish,
    publish_old,
)


def stamps(directory: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of every file."""
    found = {path.name: path.stat() for path in directory.iterdir()}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}


@pytest.mark.parametrize("restarted", [False, True])
def test_same_bytes_are_not_written_again(tmp_path: Path, *, restarted: bool) -> None:
    """Inode and time of outputs and checkpoint stay, by a sidecar that wrote them and by one that did not."""
    calls = Calls()
    publisher = Publisher(outputs(tmp_path), system=calls)
    publisher.publish(pieces(NEW), NEW_REVISION)
    if restarted:
        publisher = Publisher(outputs(tmp_path), system=calls)
        publisher.prepare()
    before = stamps(tmp_path)
    calls.names.clear()
    publication = publisher.publish(pieces(NEW), {"scope": "another"})
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


def test_a_body_of_very_many_pieces_is_written_whole(tmp_path: Path) -> None:
    """They are written some at a time."""
    body = tuple(f"{number}\n".encode() for number in range(3 * PIECES + 1))
    publisher = Publisher([tmp_path / "numbers"], system=Calls())
    for wanted in (body, (*body, b"end")):
        assert publisher.publish([wanted], {}).outcomes == (Outcome.WRITTEN,)
        assert (tmp_path / "numbers").read_bytes() == b"".join(wanted)
        assert publisher.publish([wanted], {}).outcomes == (Outcome.UNCHANGED,)


def test_one_output_fails_and_the_other_does_not(tmp_path: Path) -> None:
    """A volume that is in trouble does not keep another one from being written."""
    first, second = tmp_path / "first" / NAMES[0], tmp_path / "second" / NAMES[1]
    for path in (first, second):
        path.parent.mkdir()
    third = tmp_path / NAMES[0]
    publisher = Publisher([first, second, third])
    publisher.prepare()
    second.parent.rmdir()
    publication = publisher.publish(pieces([b"1", b"2", b"3"]), {})
    assert publication.outcomes == (Outcome.WRITTEN, Outcome.ERROR, Outcome.WRITTEN)
    assert [error.path for error in publication.errors] == [str(second)]
    assert third.read_bytes() == b"3"
    second.parent.mkdir()
    outcomes = publisher.publish(pieces([b"1", b"2", b"3"]), {}).outcomes
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
    publisher.publish(pieces(NEW), NEW_REVISION)
    path = outputs(tmp_path)[0]
    os.utime(path, ns=(0, 0))  # the clock of a file system ticks every few milliseconds, and this test is faster
    publisher.publish(pieces(NEW), NEW_REVISION)
    interfere(path)
    if restarted:
        publisher = Publisher(outputs(tmp_path))
        publisher.prepare()
    assert publisher.publish(pieces(NEW), NEW_REVISION).outcomes == (Outcome.WRITTEN, Outcome.UNCHANGED)
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
    publication = publisher.publish(pieces(NEW), NEW_REVISION)
    assert_told(publication, errno.EEXIST)
    assert bodies(tmp_path) == OLD
    assert not publisher.publish(pieces(NEW), NEW_REVISION).errors
    assert calls.temporary not in guessed
    assert precious.read_bytes() == b"precious"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_mode_is_0644_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """The reader's container runs under another UID, and reads."""
    before = os.umask(umask)
    try:
        publisher = Publisher(outputs(tmp_path))
        publisher.prepare()
        publisher.publish(pieces(NEW), NEW_REVISION)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o7777 for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys((*NAMES, STATE), 0o644)


def test_publishing_the_same_again_is_no_new_generation(tmp_path: Path) -> None:
    """A retry, or a file that is put back: the checkpoint stays as it is."""
    publisher = Publisher(outputs(tmp_path))
    publisher.publish(pieces(NEW), NEW_REVISION)
    before = stamps(tmp_path)[STATE]
    outputs(tmp_path)[1].unlink()
    publication = publisher.publish(pieces(NEW), NEW_REVISION, again=True)
    assert publication == Publication(1, (Outcome.UNCHANGED, Outcome.WRITTEN), ())
    assert stamps(tmp_path)[STATE] == before
    outputs(tmp_path)[1].unlink()
    assert publisher.publish(pieces(NEW), NEW_REVISION).generation == 2


def test_outputs_that_are_not_tried_are_left_alone(tmp_path: Path) -> None:
    """What comes later for them finds the checkpoint of the newest bodies, and never an older one."""
    publish_old(tmp_path)
    publisher = Publisher(outputs(tmp_path))
    publisher.prepare()
    publication = publisher.publish(pieces((OLD[0], NEW[1])), NEW_REVISION, only={0})
    assert publication == Publication(1, (Outcome.UNCHANGED, None), ())
    assert bodies(tmp_path) == OLD
    publication = publisher.publish(pieces((OLD[0], NEW[1])), NEW_REVISION, only={1}, again=True)
    assert publication == Publication(2, (None, Outcome.WRITTEN), ())
    assert checkpoint(tmp_path).resource_versions == NEW_REVISION


def test_the_members_follow_the_checkpoint(tmp_path: Path) -> None:
    """Where no output has them, a successor finds them there."""
    publisher = Publisher(outputs(tmp_path))
    publisher.publish(pieces(OLD), NEW_REVISION, members=(b"who ", b"is there"))
    successor = Publisher(outputs(tmp_path))
    successor.prepare()
    assert successor.predecessor.members == b"who is there"
    assert successor.checkpoint.resource_versions == NEW_REVISION
