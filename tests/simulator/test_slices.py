"""Which endpoint is in which slice; the objects are tested in test_service."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.simulator.slices import Slices, Writes, names


def placed(count: int, per_slice: int = 4) -> tuple[Slices, dict[str, None]]:
    """Slices with members m0, m1, ..."""
    slices = Slices(names("app"), per_slice)
    wanted = {f"m{number}": None for number in range(count)}
    slices.reconcile(wanted, wanted)
    return slices, wanted


def sizes(slices: Slices) -> list[int]:
    """The number of members of each slice."""
    return [len(members) for members in slices.members.values()]


def change(slices: Slices, wanted: dict[str, None], *, add: tuple[str, ...] = (), drop: tuple[str, ...] = ()) -> Writes:
    """Add and remove members."""
    for name in drop:
        del wanted[name]
    wanted |= dict.fromkeys(add)
    return slices.reconcile(wanted, (*add, *drop))


def test_slices_are_filled_one_after_the_other() -> None:
    """So that as many as possible are full."""
    slices, _ = placed(10)
    assert sizes(slices) == [4, 4, 2]


def test_a_new_member_joins_a_slice_with_room() -> None:
    """That is one update and no creation."""
    slices, wanted = placed(10)
    writes = change(slices, wanted, add=("new",))
    assert (len(writes.updated), writes.created, writes.deleted) == (1, [], [])
    assert sizes(slices) == [4, 4, 3]


def test_a_removed_member_leaves_a_gap() -> None:
    """No other member moves; a new member of the same write takes the place."""
    slices, wanted = placed(10)
    assert len(change(slices, wanted, drop=("m0",)).updated) == 1
    assert sizes(slices) == [3, 4, 2]
    assert len(change(slices, wanted, drop=("m5",), add=("new",)).updated) == 1
    assert sizes(slices) == [3, 4, 2]


def test_new_members_that_do_not_fit_into_one_slice_get_another() -> None:
    """Gaps are not filled one by one, which would take many writes."""
    slices, wanted = placed(10)
    writes = change(slices, wanted, add=("x", "y", "z"))
    assert (len(writes.created), writes.updated) == (1, [])
    assert sizes(slices) == [4, 4, 2, 3]


def test_an_empty_slice_is_deleted_except_the_last() -> None:
    """A service without endpoints has one slice without endpoints."""
    slices, wanted = placed(5)
    assert len(change(slices, wanted, drop=("m4",)).deleted) == 1
    writes = change(slices, wanted, drop=("m0", "m1", "m2", "m3"))
    assert (len(writes.updated), writes.deleted) == (1, [])
    assert sizes(slices) == [0]


def test_a_change_rewrites_one_slice() -> None:
    """The one that contains the member."""
    slices, wanted = placed(10)
    writes = slices.reconcile(wanted, ["m5"])
    assert [list(slices.members[name]) for name in writes.updated] == [["m4", "m5", "m6", "m7"]]


@given(st.lists(st.sets(st.integers(min_value=0, max_value=40)), max_size=8), st.integers(min_value=1, max_value=7))
def test_every_member_is_in_exactly_one_slice(steps: list[set[int]], per_slice: int) -> None:
    """Whatever joins and leaves, no slice overflows, and only the single slice of an empty service is empty."""
    slices = Slices(names("app"), per_slice)
    before: set[str] = set()
    for step in steps:
        wanted = {f"m{number}" for number in step}
        slices.reconcile(dict.fromkeys(wanted), sorted(before ^ wanted))
        before = wanted
        everyone = [name for members in slices.members.values() for name in members]
        assert sorted(everyone) == sorted(wanted)
        assert all(size <= per_slice for size in sizes(slices))
        assert 0 not in sizes(slices) or sizes(slices) == [0]
