"""Members by key and by a property: compared with looking at every member."""

from __future__ import annotations

from operator import attrgetter

from hypothesis import given
from hypothesis import strategies as st

from sidecar.membership.member import Member
from sidecar.membership.policy.member_index import MemberIndex
from tests.support.members import made
from tests.support.strategies import members


@given(st.lists(st.tuples(members(), st.booleans()), max_size=20))
def test_the_members_with_a_value_are_found(moves: list[tuple[Member, bool]]) -> None:
    """Whatever was put and removed, and in whatever order."""
    index, known = MemberIndex(attrgetter("address")), dict[str, Member]()
    for member, present in moves:
        before = known.pop(member.key, None)
        after = member if present else None
        values = {each.address for each in (before, after) if each}
        others = {each.key for each in known.values() if each.address in values} if before is not after else set()
        assert set(index.put(member.key, after)) == others
        if after:
            known[member.key] = after
        assert index.get(member.key) is after
        assert index.values == len({each.address for each in known.values()})
        for address in values:
            expected = [each for each in known.values() if each.address == address]
            assert sorted(each.key for each in index.having(address)) == sorted(each.key for each in expected)
            assert all(index.is_alone(each) == (len(expected) == 1) for each in expected)


def test_a_member_that_changes_its_value_concerns_those_of_both_values() -> None:
    """Those that it leaves alone, and those that it joins."""
    index = MemberIndex(attrgetter("address"))
    left, joined, moving = made(1, "10.0.0.1"), made(2, "10.0.0.2"), made(3, "10.0.0.1")
    for each in (left, joined, moving):
        index.put(each.key, each)
    moved = made(3, "10.0.0.2")
    assert sorted(index.put(moved.key, moved)) == [left.key, joined.key]


def test_the_same_member_again_concerns_nobody() -> None:
    """Nothing is judged again for it."""
    index = MemberIndex(attrgetter("address"))
    one, other = made(1, service="a"), made(1, service="b")
    assert index.put(one.key, one) == []
    assert index.put(other.key, other) == [one.key]
    assert index.put(other.key, other) == []
