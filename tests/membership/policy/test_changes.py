"""What is selected and not yet rendered: joins at once, leaves after hold-down and shrink guard.

Times are seconds of a made-up clock. Out of scope: who may leave when (test_leaves), settling (test_timing), the loop
(test_publish_loop).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sidecar.formats.samples import member
from sidecar.membership.policy.changes import MemberChange, PendingChanges
from sidecar.membership.policy.leaves import LeavePolicy
from sidecar.membership.policy.rules import Rules
from sidecar.membership.policy.selection import Selection
from sidecar.membership.policy.timing import Pace, Window

if TYPE_CHECKING:
    from sidecar.membership.member import Member

NEVER = float("inf")
SCOPE = "pods/default/app"
APP = [member(number, f"10.0.0.{number + 1}") for number in range(9)]
KEYS = [each.key for each in APP]


def published(leave_policy: LeavePolicy, *found: Member) -> PendingChanges:
    """A difference with *found* in the file."""
    difference = PendingChanges(leave_policy, lambda _: True)
    difference.note({each.key: each for each in found}, (SCOPE,), 0.0)
    difference.render(0.0, leaves=True)
    return difference


def in_file(difference: PendingChanges) -> list[str]:
    """Who is published."""
    return sorted(each.name for each in difference.rendered.values())


def leave(difference: PendingChanges, *numbers: int, at: float) -> None:
    """Some members are not selected any more."""
    difference.note({KEYS[number]: None for number in numbers}, (SCOPE,), at)


def test_without_restraint_what_is_selected_is_what_could_be_published() -> None:
    """Joins, updates and leaves."""
    difference = published(LeavePolicy(), *APP[:2])
    moved = msgspec.structs.replace(APP[0], zone="eu-2")
    difference.note({KEYS[0]: moved, KEYS[1]: None, KEYS[2]: APP[2]}, (SCOPE,), 5.0)
    at_five = Window(since=5.0, changed=5.0)
    assert difference.pending(5.0) == (at_five, replace(at_five, leaving=True), None, NEVER)
    assert difference.render(5.0, leaves=True) == {
        KEYS[0]: MemberChange(APP[0], moved),
        KEYS[1]: MemberChange(APP[1], None),
        KEYS[2]: MemberChange(None, APP[2]),
    }
    assert difference.pending(5.0) == (None, None, None, NEVER)


def test_who_left_stays_for_the_hold_down() -> None:
    """And then leaves as if it had left then."""
    difference = published(LeavePolicy(hold_down=10.0), *APP[:3])
    leave(difference, 1, at=5.0)
    assert difference.pending(14.9) == (None, None, None, 15.0)
    assert difference.render(14.9, leaves=True) == {}
    assert difference.pending(15.0) == (None, Window(since=15.0, changed=15.0, leaving=True), None, NEVER)
    difference.render(15.0, leaves=True)
    assert in_file(difference) == ["app-0", "app-2"]


def test_who_comes_back_within_the_hold_down_was_never_gone() -> None:
    """And if it leaves again, its time starts again."""
    difference = published(LeavePolicy(hold_down=10.0), *APP[:2])
    leave(difference, 1, at=5.0)
    difference.note({KEYS[1]: APP[1]}, (SCOPE,), 8.0)
    assert difference.pending(20.0) == (None, None, None, NEVER)
    leave(difference, 1, at=21.0)
    assert difference.pending(22.0).until == 31.0


def test_who_comes_back_changed_is_updated() -> None:
    """At once."""
    difference = published(LeavePolicy(hold_down=10.0), APP[0])
    leave(difference, 0, at=5.0)
    moved = msgspec.structs.replace(APP[0], zone="eu-2")
    difference.note({KEYS[0]: moved}, (SCOPE,), 6.0)
    assert difference.pending(6.0).joins == Window(since=6.0, changed=6.0)
    assert difference.render(6.0, leaves=True) == {KEYS[0]: MemberChange(APP[0], moved)}


def test_who_was_never_published_is_not_held() -> None:
    """It joined and left between two publications."""
    difference = published(LeavePolicy(hold_down=10.0), APP[0])
    difference.note({KEYS[1]: APP[1]}, (SCOPE,), 5.0)
    leave(difference, 1, at=5.1)
    assert difference.pending(5.2) == (None, None, None, NEVER)


def test_a_join_does_not_wait_for_a_member_that_is_held() -> None:
    """It is as isolated as if nobody had left."""
    difference = published(LeavePolicy(hold_down=60.0), *APP[:2])
    leave(difference, 1, at=5.0)
    difference.note({KEYS[2]: APP[2]}, (SCOPE,), 20.0)
    joins = difference.pending(20.0).joins
    assert joins == Window(since=20.0, changed=20.0)
    assert Pace(settle=0.2, settle_max=1.0).due(joins, 0.0) == 20.0
    difference.render(20.0, leaves=True)
    assert in_file(difference) == ["app-0", "app-1", "app-2"]


def test_a_leave_waits_for_its_own_moment() -> None:
    """A join is rendered beside it; only who must not stay goes with the join."""
    allowed = {KEYS[0], KEYS[1]}
    difference = PendingChanges(LeavePolicy(), lambda found: found.key in allowed)
    difference.note(dict(zip(KEYS[:2], APP[:2], strict=True)), (SCOPE,), 0.0)
    difference.render(0.0, leaves=True)
    leave(difference, 0, 1, at=5.0)
    difference.note({KEYS[2]: APP[2]}, (SCOPE,), 5.0)
    allowed.remove(KEYS[1])
    assert difference.render(5.0, leaves=False) == {
        KEYS[1]: MemberChange(APP[1], None),
        KEYS[2]: MemberChange(None, APP[2]),
    }
    assert in_file(difference) == ["app-0", "app-2"]


HALF = LeavePolicy(max_shrink=0.5, shrink_hold=30.0)


def test_more_than_the_share_that_may_leave_is_held_and_reported() -> None:
    """Until the time limit."""
    difference = published(HALF, *APP[:4])
    leave(difference, 0, 1, at=5.0)
    assert difference.pending(5.1).leaves == Window(since=5.0, changed=5.0, leaving=True)
    leave(difference, 2, at=5.1)
    joins, leaves, hold, until = difference.pending(5.2)
    assert joins is leaves is None
    assert hold
    assert hold.leaves_only
    assert hold.message.startswith("3 of 4 members left at once, more than --max-shrink 50%")
    assert hold.until == until == 35.0
    difference.render(34.9, leaves=True)
    assert len(difference.rendered) == 4
    difference.render(35.0, leaves=True)
    assert in_file(difference) == ["app-3"]


def test_a_list_confirms_what_left_before_it() -> None:
    """Not what leaves with it: that is for the next one."""
    difference = published(HALF, *APP[:4])
    difference.listed(SCOPE, 5.0)
    leave(difference, 0, 1, 2, at=5.0)
    assert difference.pending(6.0).hold
    difference.listed("another", 7.0)
    assert difference.pending(8.0).hold
    difference.listed(SCOPE, 9.0)
    assert difference.pending(9.0).hold is None
    difference.render(9.0, leaves=True)
    assert in_file(difference) == ["app-3"]


def test_the_guard_opens_when_members_come_back() -> None:
    """Those that are still away may leave."""
    difference = published(HALF, *APP[:4])
    leave(difference, 0, 1, 2, at=5.0)
    difference.note({KEYS[0]: APP[0]}, (SCOPE,), 6.0)
    assert difference.pending(6.0).hold is None
    difference.render(6.0, leaves=True)
    assert in_file(difference) == ["app-0", "app-3"]


def test_a_join_is_published_while_the_guard_holds() -> None:
    """Of the leaves nothing is."""
    difference = published(HALF, *APP[:4])
    leave(difference, 0, 1, 2, at=5.0)
    difference.note({KEYS[4]: APP[4]}, (SCOPE,), 6.0)
    joins, leaves, hold, _ = difference.pending(6.0)
    assert hold
    assert (joins, leaves) == (Window(since=6.0, changed=6.0), None)
    assert difference.render(6.0, leaves=True) == {KEYS[4]: MemberChange(None, APP[4])}


def test_who_has_the_address_of_a_member_that_is_held_ends_its_stay() -> None:
    """Two pods of one address are never in the file."""
    selection = Selection(Rules())
    difference = PendingChanges(LeavePolicy(hold_down=60.0, max_shrink=0.1), selection.may_stay)
    difference.note(selection.update([KEYS[0]], {KEYS[0]: APP[0]}), (SCOPE,), 0.0)
    difference.render(0.0, leaves=True)
    difference.note(selection.update([KEYS[0]], {}), (SCOPE,), 5.0)
    heir = msgspec.structs.replace(APP[1], address=APP[0].address, addresses=APP[0].addresses)
    difference.note(selection.update([heir.key], {heir.key: heir}), (SCOPE,), 6.0)
    difference.render(6.0, leaves=True)
    assert in_file(difference) == ["app-1"]


def test_neither_guard_keeps_a_member_of_another_family_or_cluster() -> None:
    """What must never be published does not stay."""
    of = Rules(cluster_id=True)
    mine, six = (msgspec.structs.replace(each, cluster="blue") for each in (APP[0], member(1, "fd00::2")))
    selection = Selection(of)
    difference = PendingChanges(LeavePolicy(hold_down=60.0), selection.may_stay)
    own = msgspec.structs.replace(mine, address="", addresses=())
    union = {each.key: each for each in (own, six)}
    difference.note(selection.update(union, union), (SCOPE,), 0.0)
    difference.render(0.0, leaves=True)
    assert in_file(difference) == ["app-1"]
    union[mine.key] = mine
    difference.note(selection.update([mine.key], union), (SCOPE,), 5.0)
    difference.render(5.0, leaves=True)
    assert in_file(difference) == ["app-0"]
    stranger = msgspec.structs.replace(APP[2], cluster="blue")
    for found in (stranger, msgspec.structs.replace(stranger, cluster="green")):
        union[found.key] = found
        difference.note(selection.update([found.key], union), (SCOPE,), 6.0)
        difference.render(6.0, leaves=True)
    assert in_file(difference) == ["app-0"]


def test_a_seed_that_is_held_is_none_any_more() -> None:
    """The role has passed on."""
    difference = published(LeavePolicy(hold_down=60.0), msgspec.structs.replace(APP[0], seed=True), APP[1])
    difference.note({KEYS[0]: None, KEYS[1]: msgspec.structs.replace(APP[1], seed=True)}, (SCOPE,), 5.0)
    difference.render(5.0, leaves=True)
    assert [(each.name, each.seed) for each in difference.rendered.values()] == [("app-0", False), ("app-1", True)]


MOVES = st.lists(
    st.tuples(st.floats(0, 20), st.integers(0, 8), st.sampled_from(("join", "leave", "leave", "list", "publish"))),
    max_size=30,
)
CALMS = st.builds(
    LeavePolicy,
    hold_down=st.sampled_from((0.0, 5.0)),
    max_shrink=st.sampled_from((0.0, 0.3, 0.5, 1.0)),
    shrink_hold=st.sampled_from((0.0, 30.0)),
)


@given(CALMS, MOVES)
def test_joins_never_wait_and_leaves_always_end(leave_policy: LeavePolicy, moves: list[tuple[float, int, str]]) -> None:
    """Whenever something is published, every join is in it, and nobody who left longer ago than both limits."""
    difference = published(leave_policy, *APP[:5])
    selected = dict.fromkeys(KEYS[:5], 0.0)
    gone: dict[str, float] = {}
    now = 0.0
    for after, number, what in moves:
        now += after
        key = KEYS[number]
        if what == "list":
            difference.listed(SCOPE, now)
        elif what == "join":
            selected[key] = now
            gone.pop(key, None)
            difference.note({key: APP[number]}, (SCOPE,), now)
        elif what == "leave" and key in selected:
            del selected[key]
            gone[key] = now
            difference.note({key: None}, (SCOPE,), now)
        joins, leaves, _, until = difference.pending(now)
        joined = [at for key, at in selected.items() if key not in difference.rendered]
        if joined:
            assert joins
            assert Pace(settle=0.2, settle_max=1.0).due(joins, now) <= min(joined) + 1.0
        left = [at for key, at in gone.items() if key in difference.rendered]
        assert until > now
        assert (joins is not None) == bool(joined)
        assert (until < NEVER or leaves is not None) == bool(left)
        if what == "publish":
            difference.render(now, leaves=True)
            assert selected.keys() <= difference.rendered.keys()
            limit = leave_policy.hold_down + leave_policy.shrink_hold
            assert all(now < gone[key] + limit for key in difference.rendered.keys() - selected.keys())
    end = now + leave_policy.hold_down + leave_policy.shrink_hold
    difference.render(end, leaves=True)
    assert difference.rendered.keys() == selected.keys()


@given(CALMS, MOVES)
def test_one_publication_takes_no_more_than_the_share_that_may_leave_unconfirmed(
    leave_policy: LeavePolicy, moves: list[tuple[float, int, str]]
) -> None:
    """Those beyond it left before a list, or longer ago than the limit."""
    difference = published(leave_policy, *APP[:5])
    gone: dict[str, float] = {}
    now, listed = 0.0, -1.0
    for after, number, what in moves:
        now += after
        key = KEYS[number]
        before = difference.rendered.keys() & gone.keys()
        if what == "list":
            listed = now
            difference.listed(SCOPE, now)
        elif what == "join":
            gone.pop(key, None)
            difference.note({key: APP[number]}, (SCOPE,), now)
        elif what == "leave" and key in difference.rendered:
            gone.setdefault(key, now)
            difference.note({key: None}, (SCOPE,), now)
        elif what == "publish":
            size = len(difference.rendered)
            difference.render(now, leaves=True)
            taken = before - difference.rendered.keys()
            young = [key for key in taken if now < gone[key] + leave_policy.hold_down + leave_policy.shrink_hold]
            doubtful = [key for key in young if listed <= gone[key]]
            assert len(doubtful) <= leave_policy.max_shrink * size
            assert all(now >= gone[key] + leave_policy.hold_down for key in taken)


def test_another_source_keeps_nobody_of_the_one_before() -> None:
    """Neither who leaves with it nor who was held already: two sources are never published together."""
    difference = published(LeavePolicy(hold_down=60.0, max_shrink=0.0), *APP[:3])
    leave(difference, 0, at=5.0)
    named = msgspec.structs.replace(APP[1], name="", uid="")
    difference.switch({KEYS[1]: None, KEYS[2]: None, named.key: named}, 6.0)
    joins, leaves, hold, until = difference.pending(6.0)
    assert (joins, leaves, hold, until) == (
        Window(since=6.0, changed=6.0),
        Window(since=6.0, changed=6.0, leaving=True),
        None,
        NEVER,
    )
    difference.render(6.0, leaves=False)
    assert list(difference.rendered) == [named.key]


def test_another_source_with_the_same_members_is_published_too() -> None:
    """A body may name it."""
    difference = published(LeavePolicy(), APP[0])
    difference.switch({}, 6.0)
    assert difference.pending(6.0).joins == Window(since=6.0, changed=6.0)
    difference.note({KEYS[1]: APP[1]}, (SCOPE,), 9.0)
    assert difference.pending(9.0).joins == Window(since=6.0, changed=9.0)
    assert difference.render(9.0, leaves=True) == {KEYS[1]: MemberChange(None, APP[1])}
    assert difference.pending(9.0).joins is None
