"""Who is in the files: what was rendered and written, whatever failed in between."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from sidecar.formats.samples import member
from sidecar.membership.policy.changes import MemberChange
from sidecar.output.written import Written

APP = [member(number, f"10.0.0.{number + 1}") for number in range(4)]
NEVER = float("inf")


def test_a_publication_tells_who_joined_left_and_was_updated() -> None:
    """In canonical order, and since when."""
    written = Written(APP[:2])
    moved = msgspec.structs.replace(APP[0], zone="eu-2")
    changes = {
        APP[0].key: MemberChange(APP[0], moved),
        APP[1].key: MemberChange(APP[1], None),
        APP[2].key: MemberChange(None, APP[2]),
    }
    written.note_rendered(changes, 5.0)
    assert list(written.members.values()) == APP[:2]
    found = written.confirm()
    assert (found.joined, found.left, found.updated, found.since) == ((APP[2],), (APP[1],), (moved,), 5.0)
    assert written.members == {moved.key: moved, APP[2].key: APP[2]}


def test_what_could_not_be_written_is_told_with_what_could() -> None:
    """A join that failed to be written, and one after it, joined together; since the first of them."""
    written = Written()
    written.note_rendered({APP[0].key: MemberChange(None, APP[0])}, 5.0)
    written.note_rendered({APP[1].key: MemberChange(None, APP[1])}, 9.0)
    found = written.confirm()
    assert (found.joined, found.since) == ((APP[0], APP[1]), 5.0)
    assert written.confirm() == ((), (), (), NEVER)


def test_who_came_and_went_between_two_writes_was_never_there() -> None:
    """It neither joined nor left."""
    written = Written()
    written.note_rendered({APP[0].key: MemberChange(None, APP[0])}, 5.0)
    written.note_rendered({APP[0].key: MemberChange(APP[0], None)}, 6.0)
    assert written.confirm() == ((), (), (), 5.0)


RENDERINGS = st.lists(st.tuples(st.sets(st.integers(0, 3)), st.booleans()), max_size=8)


@given(RENDERINGS)
def test_the_files_hold_the_newest_rendering_that_was_written(renderings: list[tuple[set[int], bool]]) -> None:
    """However many were not; and who joined and left since the one before it adds up."""
    written, rendered, told = Written(), dict[str, object](), dict[str, object]()
    for wanted, succeeds in renderings:
        after = {APP[number].key: APP[number] for number in sorted(wanted)}
        keys = rendered.keys() | after.keys()
        changes = {key: MemberChange(None, after.get(key)) for key in keys if rendered.get(key) != after.get(key)}
        written.note_rendered(changes, 1.0)
        rendered = dict(after)
        if succeeds:
            found = written.confirm()
            assert written.members == after
            told = {key: one for key, one in told.items() if key not in {each.key for each in found.left}}
            told |= {each.key: each for each in found.joined}
            assert told == after
