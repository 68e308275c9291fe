"""A file is replaced as a whole or not at all, whatever fails, and whoever interferes.

Scope: ``sidecar.output.publisher`` alone, with faults that come in through ``system=``; faults that are real are in
``test_volumes``, what a successor finds in ``test_floor``. Readers that read all the time and a daemon that is killed
are in ``test_crash``; when something is published, in ``test_keeper``.
"""

import errno
import os
import signal
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.output.publication import Outcome, Publication
from sidecar.output.publisher import Publisher
from tests.support.publishing import (
    NAMES,
    NEW,
    NEW_REVISION,
    OLD,
    Calls,
    Hook,
    assert_told,
    bodies,
    checkpoint,
    litter,
    nothing,
    outputs,
    pieces,
    publish,
    publish_old,
    run,
)

ERRNOS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ESTALE, errno.EMFILE)


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


def calls_of_a_publication() -> int:
    """How many there are with fsync, when every write is a short one."""
    with tempfile.TemporaryDirectory() as name:
        publish_old(Path(name))
        calls = short_writes(nothing)
        publication = Publisher(outputs(Path(name)), fsync="always", system=calls).publish(pieces(NEW), NEW_REVISION)
    assert publication.outcomes == (Outcome.WRITTEN, Outcome.WRITTEN)
    return len(calls.names)


def short_writes(before: Hook, after: Hook = nothing) -> Calls:
    """Each file takes several writes, so that the second can fail, as on a volume that gets full."""
    return Calls(before, after, chunk=30)


# --- Laws: faults and deaths at every call


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.__getitem__)
def test_fault_at_any_call_leaves_the_old_file_or_the_new_one(tmp_path: Path, number: int) -> None:
    """Whichever call fails: each file is old or new, nothing is beside it, it is told, and the next time succeeds."""
    for position in range(calls_of_a_publication()):
        directory = tmp_path / str(position)
        directory.mkdir()
        publish_old(directory)
        before = checkpoint(directory)
        publisher = Publisher(outputs(directory), fsync="always", system=short_writes(at({position: number})))
        publisher.prepare()
        publication = publisher.publish(pieces(NEW), NEW_REVISION)
        assert_told(publication, number)
        assert_old_or_new(directory, publication)
        assert litter(directory) == []
        assert publication.generation in (before.generation, before.generation + 1)
        again = publisher.publish(pieces(NEW), NEW_REVISION)
        assert not again.errors
        assert bodies(directory) == NEW
        assert checkpoint(directory).generation >= again.generation > before.generation


def assert_old_or_new(directory: Path, publication: Publication) -> None:
    """Each output is one or the other, new wherever that is said, and never newer than the checkpoint."""
    found = bodies(directory)
    for old, new, body, outcome in zip(OLD, NEW, found, publication.outcomes, strict=True):
        assert body in ((new,) if outcome is Outcome.WRITTEN else (old, new))
    if any(body != old for body, old in zip(found, OLD, strict=True)):
        assert checkpoint(directory).resource_versions == NEW_REVISION


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
            before, generation = bodies(directory), checkpoint(directory).generation
            publication = publisher.publish(pieces(wanted), {"scope": str(step)})
            for old, new, body, outcome in zip(before, wanted, bodies(directory), publication.outcomes, strict=True):
                assert body in ((old, new) if outcome is Outcome.ERROR else (new,))
            assert bool(publication.errors) is (Outcome.ERROR in publication.outcomes)
            assert checkpoint(directory).generation >= max(generation, publication.generation)
        assert not publish(directory, NEW, NEW_REVISION).errors
        assert bodies(directory) == NEW
        assert litter(directory) == []


def test_reader_between_any_two_calls_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """At no moment of a publication is a file missing, empty or half, nor a file new before the checkpoint is."""
    publish_old(tmp_path)
    seen = []

    def look(number: int, name: str) -> None:
        del number, name
        found = bodies(tmp_path)
        assert all(body in (old, new) for body, old, new in zip(found, OLD, NEW, strict=True))
        assert found == OLD or checkpoint(tmp_path).resource_versions == NEW_REVISION
        seen.append(found)

    Publisher(outputs(tmp_path), fsync="always", system=short_writes(look, look)).publish(pieces(NEW), NEW_REVISION)
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
    publication = publisher.publish(pieces(NEW), NEW_REVISION)
    assert_told(publication, errno.EIO)
    assert_old_or_new(tmp_path, publication)
    assert not publisher.publish(pieces(NEW), NEW_REVISION).errors
    assert bodies(tmp_path) == NEW
    assert litter(tmp_path) == []


def test_what_could_not_be_removed_is_swept_at_the_next_start(tmp_path: Path) -> None:
    """Where even unlink fails, the temporary file stays, hidden, until a sidecar starts."""
    publish_old(tmp_path)

    def hook(number: int, name: str) -> None:
        on("rename", errno.EIO)(number, name)
        on("unlink", errno.EIO)(number, name)

    publisher = Publisher(outputs(tmp_path), system=Calls(hook))
    assert_told(publisher.publish(pieces(NEW), NEW_REVISION), errno.EIO)
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
        publisher.publish(pieces(NEW), NEW_REVISION)
    os._exit(0)


def test_death_at_any_call_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """Killed anywhere: each file is old or new, the checkpoint is not older, and the next start sweeps and goes on."""
    run(die_at_every_call, tmp_path)
    homes = list(tmp_path.iterdir())
    assert len(homes) == 2 * calls_of_a_publication()
    assert any(litter(home) for home in homes)
    for home in homes:
        found, known = bodies(home), checkpoint(home)
        assert all(body in (old, new) for body, old, new in zip(found, OLD, NEW, strict=True))
        assert found == OLD or known.resource_versions == NEW_REVISION
        successor = Publisher(outputs(home))
        successor.prepare()
        assert successor.complete
        assert successor.checkpoint == known
        assert litter(home) == []
        assert not successor.publish(pieces(NEW), NEW_REVISION).errors
        assert bodies(home) == NEW
        assert successor.checkpoint.generation == known.generation + (found != NEW)
