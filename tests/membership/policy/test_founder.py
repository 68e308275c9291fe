"""Which member may found the cluster."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.membership.member import Member
from sidecar.membership.policy.founder import Founder
from sidecar.membership.policy.rules import Rules
from sidecar.membership.policy.selection import Selection
from tests.support.members import NEW, OLD, made, select


def seeds(selection: Selection) -> list[str]:
    """The names of the members that are marked."""
    return [each.name for each in selection.members.values() if each.seed]


@pytest.mark.parametrize(
    ("found", "seed"),
    [
        pytest.param((made(1, created=NEW), made(2, created=OLD)), ["app-2"], id="the oldest"),
        pytest.param(
            (made(2, created=OLD), made(1, created=OLD)), ["app-1"], id="of two of the same age the first in order"
        ),
        pytest.param((made(1), made(2)), ["app-1"], id="the first in order if the source reports no creation times"),
        pytest.param((made(1), made(2, created=NEW)), ["app-2"], id="a known age comes before an unknown one"),
        pytest.param(
            (made(1, created=NEW), made(2, created=OLD, ready=False)), [], id="nobody if the oldest is not admitted"
        ),
        pytest.param(
            (made(1, created=NEW, ready=False), made(2, created=OLD, ready=False)),
            ["app-2"],
            id="the oldest, ready or not",
        ),
        pytest.param(
            (made(1, created=NEW), made(2, created=OLD, terminating=True)), ["app-1"], id="not a terminating member"
        ),
        pytest.param((made(1, created=NEW), made(2, created=OLD, lost=True)), ["app-1"], id="not a lost member"),
        pytest.param(
            (made(1, created=NEW), made(2, "fd00::2", created=OLD)), ["app-1"], id="not a member of the other family"
        ),
        pytest.param((), [], id="nobody if there are no members"),
    ],
)
def test_the_oldest_running_member_may_found_the_cluster(found: tuple[Member, ...], seed: list[str]) -> None:
    """The table of --seed."""
    assert seeds(select(Rules(seed=True), found)) == seed
    assert seeds(select(Rules(), found)) == []


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=40))
@example([(1, True), *[(2, there) for there in (True, False)] * 70])
def test_a_newcomer_never_takes_the_role_from_one_that_was_there_before(moves: list[tuple[int, bool]]) -> None:
    """Once a cluster has existed, only its members may found it again: a replaced pod is another, newer pod."""
    selection, union = Selection(Rules(seed=True)), dict[str, Member]()
    for now, (number, there) in enumerate(moves):
        before = seeds(selection)
        gone = [key for key, each in union.items() if each.name == f"app-{number}"]
        for key in gone:
            del union[key]
        new = made(number, uid=f"uid-{now}", created=f"2026-03-01T10:{now // 60:02}:{now % 60:02}Z")
        if there:
            union[new.key] = new
        selection.update([*gone, new.key], union)
        after = seeds(selection)
        assert len(after) == bool(union)
        if before and before[0] != f"app-{number}":
            assert after == before
        if there and len(union) > 1:
            assert after != [new.name]


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from((None, "", OLD, NEW))), max_size=30))
@example([*((number, NEW) for number in (5, 4, 3)), *[(2, there) for there in (OLD, None)] * 70])
@example([(5, NEW), *[(4, there) for there in (OLD, NEW)] * 70])
def test_the_founder_is_the_oldest_candidate(moves: list[tuple[int, str | None]]) -> None:
    """Whoever joins, leaves and joins again, however often."""
    founder, candidates = Founder(), dict[str, str]()
    for number, created in moves:
        key = f"app-{number}"
        founder.put(key, created)
        candidates.pop(key, None)
        if created is not None:
            candidates[key] = created or "unknown"
        assert founder.seed == min(candidates, key=lambda key: (candidates[key], key), default="")


def test_the_seed_is_a_pod_whichever_service_its_line_comes_from() -> None:
    """The first Service does not admit it; its line is the one of the second Service."""
    first = made(1, service="a", created=OLD, ready=False, serving=False)
    second = made(1, service="b", created=OLD)
    selection = select(Rules(seed=True), (first, second, made(2, service="b", created=NEW)))
    assert [(each.name, each.service) for each in selection.members.values() if each.seed] == [("app-1", "b")]


def test_every_line_of_the_seed_is_marked() -> None:
    """A pod with two ports finds itself in one line or the other."""
    lines = [made(1, service=service, port=port, created=OLD) for service, port in (("a", 1), ("b", 2))]
    union = {each.key: each for each in (*lines, made(2, service="a", created=NEW))}
    selection = select(Rules(seed=True), union.values())
    assert seeds(selection) == ["app-1", "app-1"]
    for each in lines:
        del union[each.key]
    changed = selection.update([each.key for each in lines], union)
    assert seeds(selection) == ["app-2"]
    assert len(changed) == 3


def test_the_seed_stays_when_its_line_moves_to_another_service() -> None:
    """It is the same pod."""
    lines = [made(1, service=service, created=OLD) for service in ("a", "b")]
    union = {each.key: each for each in (*lines, made(2, service="a", created=NEW))}
    selection = select(Rules(seed=True), union.values())
    del union[lines[0].key]
    selection.update([lines[0].key], union)
    assert [(each.name, each.service) for each in selection.members.values() if each.seed] == [("app-1", "b")]


def test_an_older_pod_takes_the_role_from_a_younger_one_that_was_reported_first() -> None:
    """Both are marked anew, though nothing else about the younger one changed."""
    younger, older, other = made(1, created=NEW), made(2, created=OLD), made(3, created=NEW)
    union = {each.key: each for each in (younger, other)}
    selection = select(Rules(seed=True), union.values())
    union[older.key] = older
    changed = selection.update([older.key], union)
    assert {key: each.seed for key, each in changed.items() if each} == {younger.key: False, older.key: True}


class Counted(str):
    """A key that counts how often two of its kind are compared."""

    __slots__ = ()
    comparisons = 0

    def __lt__(self, other: str) -> bool:
        Counted.comparisons += 1
        return str.__lt__(self, other)


@pytest.mark.parametrize("candidates", [50, 1000])
def test_a_new_candidate_does_not_cause_all_to_be_sorted_again(candidates: int) -> None:
    """It is compared with as many as the queue is deep."""
    founder = Founder()
    for number in range(candidates):
        founder.put(Counted(f"app-{number}"), OLD)
    before = Counted.comparisons
    founder.put(Counted("app"), OLD)
    assert Counted.comparisons - before <= 10
    assert founder.seed == "app"


def test_a_candidate_that_is_known_is_not_queued_again() -> None:
    """Every change of a member's conditions comes by here."""
    founder = Founder()
    for number in range(1000):
        founder.put(f"app-{number}", OLD)
    tracemalloc.start()
    try:
        for number in range(1000):
            founder.put(f"app-{number}", OLD)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 20_000


def test_the_memory_of_the_queue_does_not_grow_with_the_number_of_changes() -> None:
    """A member whose pod is replaced again and again leaves stale entries behind, which are cleared away."""
    founder = Founder()
    founder.put("app-0", OLD)
    tracemalloc.start()
    try:
        for number in range(20_000):
            founder.put("app-1", f"{number:020}")
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 50_000
    assert founder.seed == "app-1"
