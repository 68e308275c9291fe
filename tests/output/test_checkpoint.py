"""What a successor finds beside the outputs: generation and revisions, or nothing that it would trust."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.output.checkpoint import Checkpoint, Predecessor
from sidecar.output.publisher import Publisher
from tests.support.publishing import (
    NAMES,
    NEW,
    NEW_REVISION,
    OLD,
    OLD_REVISION,
    STATE,
    checkpoint,
    outputs,
    pieces,
    publish_old,
)


def test_the_checkpoint_is_beside_the_first_output(tmp_path: Path) -> None:
    """Generation and revisions survive a restart, and two files in another directory have no checkpoint there."""
    other = tmp_path / "other"
    other.mkdir()
    paths = [tmp_path / NAMES[0], other / NAMES[1]]
    publisher = Publisher(paths)
    publisher.prepare()
    assert not publisher.complete
    assert publisher.checkpoint == Checkpoint()
    publisher.publish(pieces(OLD), OLD_REVISION)
    publisher.publish(pieces(NEW), NEW_REVISION)
    assert sorted(path.name for path in tmp_path.iterdir()) == [STATE, NAMES[0], "other"]
    assert [path.name for path in other.iterdir()] == [NAMES[1]]
    successor = Publisher(paths)
    successor.prepare()
    assert successor.complete
    assert successor.checkpoint == Checkpoint(generation=2, resource_versions=NEW_REVISION)


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
def test_a_damaged_checkpoint_is_ignored(tmp_path: Path, body: bytes) -> None:
    """A sidecar that finds nonsense starts as if it were the first, and writes a checkpoint that is right."""
    publish_old(tmp_path)
    (tmp_path / STATE).write_bytes(body)
    publisher = Publisher(outputs(tmp_path))
    publisher.prepare()
    assert publisher.checkpoint == Checkpoint()
    assert publisher.predecessor.problem
    assert not publisher.publish(pieces(NEW), NEW_REVISION).errors
    assert checkpoint(tmp_path) == Checkpoint(generation=1, resource_versions=NEW_REVISION)


@pytest.mark.parametrize("body", [b'{"revisions":{"a":"\xff"}}', b'{"x":' + b"[" * 9999], ids=["text", "deep"])
def test_a_checkpoint_damaged_in_another_way_is_ignored(body: bytes) -> None:
    """So it is where the nonsense is within a text, or bottomless."""
    found = Checkpoint.decode(body)
    assert found.checkpoint == Checkpoint()
    assert found.problem


@given(st.dictionaries(st.text(), st.integers(0, 2**63).map(str)), st.integers(0, 2**62), st.binary())
def test_a_checkpoint_is_read_as_it_was_written(revisions: dict[str, str], generation: int, members: bytes) -> None:
    """Decoding what was encoded gives the same checkpoint, and the members that follow it."""
    written = Checkpoint(generation=generation, resource_versions=revisions)
    assert Checkpoint.decode(written.encode() + members) == Predecessor(written, members)


def test_a_resource_version_that_is_not_a_number_is_not_used() -> None:
    """The API server would refuse it for ever; the others stay, and the reason names the scope."""
    written = Checkpoint(generation=7, resource_versions={"endpointslice/a/b": "x7", "endpointslice/c/d": "12"})
    found = Checkpoint.decode(written.encode())
    assert found.checkpoint == Checkpoint(generation=7, resource_versions={"endpointslice/c/d": "12"})
    assert "endpointslice/a/b is not a number" in found.problem


def test_a_checkpoint_of_a_newer_version_is_not_used() -> None:
    """What its fields mean there is not known; the reason says so."""
    found = Checkpoint.decode(Checkpoint(schema="membership-state/v2", generation=7).encode())
    assert found.checkpoint == Checkpoint()
    assert "'membership-state/v2'" in found.problem
