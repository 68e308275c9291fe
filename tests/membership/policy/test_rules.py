"""The rules for one member: tables of the options.

Out of scope: keeping the selection up to date (test_selection), conflicts of addresses (test_ownership).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from sidecar.membership.policy.rules import Rules
from tests.support.members import by_key, made, names, select, select_one_by_one

if TYPE_CHECKING:
    from sidecar.membership.member import Member

READY, STARTING = made(1), made(2, ready=False, serving=False)
SERVING = made(3, ready=False, serving=True, terminating=True)
LEAVING = made(4, ready=False, serving=False, terminating=True)
PUBLISHED = made(5, ready=True, serving=True, terminating=True)
LOST = made(6, ready=True, serving=True, lost=True)


@pytest.mark.parametrize(
    ("of", "found", "selected"),
    [
        pytest.param(Rules(), (READY, SERVING, LEAVING), (READY,), id="a terminating member never is, by default"),
        pytest.param(
            Rules(), (PUBLISHED, STARTING), (STARTING,), id="not even if publishNotReadyAddresses makes it ready"
        ),
        pytest.param(
            Rules(terminating="while-serving"), (READY, SERVING, LEAVING), (READY, SERVING), id="while-serving"
        ),
        pytest.param(
            Rules(terminating="while-serving"),
            (STARTING, SERVING),
            (STARTING, SERVING),
            id="new members find each other beside a terminating one",
        ),
        pytest.param(
            Rules(terminating="while-serving", not_ready="include"),
            (STARTING, LEAVING),
            (STARTING,),
            id="while-serving is about terminating members only",
        ),
        pytest.param(
            Rules(terminating="include"), (STARTING, LEAVING), (STARTING, LEAVING), id="include, and nobody is ready"
        ),
        pytest.param(Rules(terminating="include"), (READY, LEAVING), (READY,), id="include, but it is not serving"),
        pytest.param(Rules(), (READY, LOST), (READY,), id="a lost member is not ready"),
        pytest.param(Rules(), (STARTING, LOST), (STARTING, LOST), id="a lost member is like a starting one"),
        pytest.param(Rules(not_ready="exclude"), (LOST,), (), id="a lost member is excluded with those not ready"),
        pytest.param(
            Rules(terminating="while-serving"),
            (READY, msgspec.structs.replace(SERVING, lost=True)),
            (READY,),
            id="a lost member is not serving",
        ),
    ],
)
def test_conditions_decide_who_is_selected(of: Rules, found: tuple[Member, ...], selected: tuple[Member, ...]) -> None:
    """The tables of --terminating and --not-ready, and of lost nodes."""
    assert select(of, found).members == by_key(selected)


@pytest.mark.parametrize(
    ("not_ready", "union", "selected"),
    [
        pytest.param("prefer-ready", (READY, STARTING), (READY,), id="ready members if there are any"),
        pytest.param("prefer-ready", (STARTING,), (STARTING,), id="otherwise all: a new cluster must find itself"),
        pytest.param("include", (READY, STARTING), (READY, STARTING), id="include"),
        pytest.param("exclude", (READY, STARTING), (READY,), id="exclude"),
        pytest.param("exclude", (STARTING,), (), id="exclude may leave none"),
        pytest.param("include", (READY, PUBLISHED), (READY,), id="a terminating member never is"),
        pytest.param(
            "prefer-ready", (STARTING, PUBLISHED), (STARTING,), id="a terminating member does not count as ready"
        ),
    ],
)
def test_members_that_are_not_ready_are_selected_as_asked(
    not_ready: str, union: tuple[Member, ...], selected: tuple[Member, ...]
) -> None:
    """The table of --not-ready."""
    assert select(Rules(not_ready=not_ready), union).members == by_key(selected)


V4, V4_STARTING = made(1), made(1, ready=False, serving=False)
V4_LEAVING = made(1, ready=False, serving=True, terminating=True)
V6 = (made(2, "fd00::2"), made(3, "fd00::3"), made(4, "fd00::4"))
V6_STARTING = made(5, "fd00::5", ready=False, serving=False)


@pytest.mark.parametrize(
    ("of", "found", "selected"),
    [
        pytest.param(Rules(), (V4, *V6), (V4,), id="IPv4 if a ready member has it"),
        pytest.param(Rules(), (V4_STARTING, *V6), V6, id="but not if only one has it that is not ready"),
        pytest.param(Rules(not_ready="exclude"), (V4_STARTING, *V6), V6, id="which is excluded"),
        pytest.param(Rules(not_ready="include"), (V4_STARTING, *V6), (V4_STARTING,), id="unless it is included"),
        pytest.param(Rules(), (V4_STARTING, V6_STARTING), (V4_STARTING,), id="or nobody is ready"),
        pytest.param(
            Rules(terminating="while-serving"), (V4_LEAVING, *V6), V6, id="a terminating member does not decide"
        ),
        pytest.param(
            Rules(terminating="while-serving", not_ready="exclude"),
            (V4_LEAVING, V6_STARTING),
            (V4_LEAVING,),
            id="unless nobody else is admitted",
        ),
    ],
)
def test_a_set_has_one_address_family(of: Rules, found: tuple[Member, ...], selected: tuple[Member, ...]) -> None:
    """Readiness is decided first: no member that is not published takes the file away from ready ones."""
    for order in (found, found[::-1]):
        assert select_one_by_one(of, order).members == by_key(selected)


def test_the_family_follows_the_members() -> None:
    """A pod with the first IPv4 address takes over when it becomes ready, and gives back when it is gone."""
    union = by_key((V4_STARTING, *V6))
    selection = select(Rules(), union.values())
    union[V4.key] = V4
    assert selection.update([V4.key], union) == {V4.key: V4} | {each.key: None for each in V6}
    del union[V4.key]
    assert selection.update([V4.key], union) == {V4.key: None} | by_key(V6)


def test_the_family_stays_while_one_member_that_decides_is_left() -> None:
    """They are counted as they come and go."""
    of = Rules(terminating="while-serving", not_ready="exclude")
    other = msgspec.structs.replace(made(6), ready=False, terminating=True)
    union = by_key((V4_LEAVING, other, V6_STARTING))
    selection = select(of, union.values())
    del union[other.key]
    assert selection.update([other.key], union) == {other.key: None}
    assert selection.members == {V4_LEAVING.key: V4_LEAVING}


SELF = made(0, "10.0.0.10", rollout="new", cluster="blue")
MATE = made(1, rollout="new", cluster="blue")
OTHER = made(2, rollout="old", cluster="green")
NOBODY = made(3)


@pytest.mark.parametrize(
    ("of", "found", "selected"),
    [
        (Rules(), (SELF, MATE, OTHER, NOBODY), ["app-0", "app-1", "app-2", "app-3"]),
        (Rules(split=True), (SELF, MATE, OTHER, NOBODY), ["app-0", "app-1"]),
        (Rules(split=True), (MATE, OTHER, NOBODY), []),
        (Rules(split=True, split_unknown="open"), (MATE, OTHER, NOBODY), ["app-1", "app-2", "app-3"]),
        (Rules(split=True, split_unknown="open"), (SELF, MATE, OTHER), ["app-0", "app-1"]),
        (Rules(cluster_id=True), (SELF, MATE, OTHER, NOBODY), ["app-0", "app-1"]),
        (Rules(cluster_id=True), (MATE, OTHER, NOBODY), []),
        (Rules(cluster_id=True), (made(0, cluster=""), NOBODY), []),
        (Rules(own_pod="exclude"), (SELF, MATE), ["app-1"]),
        (Rules(own_pod="require"), (MATE,), ["app-1"]),
    ],
)
def test_only_members_of_the_own_rollout_and_cluster_are_selected(
    of: Rules, found: tuple[Member, ...], selected: list[str]
) -> None:
    """The tables of --split, --cluster-id and --self, in whatever order the members are reported."""
    for order in (found, found[::-1]):
        assert names(select_one_by_one(of, order)) == selected
