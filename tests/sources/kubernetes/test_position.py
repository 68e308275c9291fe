"""How far a collection has been followed: which LIST comes next, and what is too old to be used."""

from __future__ import annotations

import pytest

from sidecar.errors import SourceError
from sidecar.sources.kubernetes.position import Position
from tests.support.script import error

NOT_OLDER = {"resourceVersion": "900", "resourceVersionMatch": "NotOlderThan"}


@pytest.mark.parametrize(
    ("checkpoint", "paged", "query"),
    [
        ("", False, {"resourceVersion": "0"}),
        ("", True, {}),
        ("900", False, NOT_OLDER),
        ("900", True, NOT_OLDER),
        ("opaque", False, {"resourceVersion": "0"}),
    ],
)
def test_the_first_list(checkpoint: str, paged: bool, query: dict[str, str]) -> None:
    """What the watch cache has, unless there is a checkpoint; the cache would ignore a limit."""
    assert Position(checkpoint, 3).list_query(paged=paged) == query


@pytest.mark.parametrize("reason", ["expired", "too_large_resource_version", "older"])
def test_a_consistent_read_is_done_once(reason: str) -> None:
    """Its resourceVersion may be lower than before, and the next list is not older than that."""
    position = Position("900", 1)
    position.list_failed(error(reason))
    assert position.list_query(paged=False) == {}
    position.list_failed(error("server_error"))
    assert position.list_query(paged=False) == {}
    position.listed("50")
    assert position.list_query(paged=False) == NOT_OLDER | {"resourceVersion": "50"}


def test_a_server_that_is_behind_is_asked_again_some_times() -> None:
    """In a row: once it has answered, it starts anew."""
    position = Position("900", 2)
    for _ in range(3):
        position.list_failed(error("too_large_resource_version"))
        assert not position.consistent
        position.accepted()
    position.list_failed(error("older"))
    position.list_failed(error("too_large_resource_version"))
    assert position.consistent


@pytest.mark.parametrize(("reason", "useless"), [("expired", True), ("server_error", False), ("older", False)])
def test_a_position_that_has_expired_cannot_be_watched_from(reason: str, useless: bool) -> None:
    """It can be listed from: not older than that."""
    position = Position("900", 1)
    assert position.watch_failed(error(reason)) is useless
    assert position.list_query(paged=False) == NOT_OLDER


@pytest.mark.parametrize(("revision", "reason"), [("899", "older"), ("", "malformed")])
def test_an_event_that_cannot_be_the_next_one_is_refused(revision: str, reason: str) -> None:
    """And the position stays."""
    position = Position("900", 3)
    with pytest.raises(SourceError) as raised:
        position.check(revision)
    assert raised.value.reason == reason
    assert position.resource_version == "900"


@pytest.mark.parametrize("revision", ["900", "901", "opaque"])
def test_an_event_may_have_the_same_revision_a_newer_or_an_opaque_one(revision: str) -> None:
    """A bookmark repeats the one of the event before it."""
    position = Position("900", 3)
    position.check(revision)
    position.advance(revision)
    assert position.resource_version == revision


def test_a_list_that_is_older_is_refused() -> None:
    """Unless it is a consistent read."""
    position = Position("900", 3)
    with pytest.raises(SourceError, match="listed 899, older than 900"):
        position.listed("899")
    assert position.resource_version == "900"
