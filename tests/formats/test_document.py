"""A file in any format follows changes: its bytes are those of the set, however it came about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.formats import FORMATS, Document, render
from tests.formats.given import SOURCE, make_member
from tests.support import strategies

if TYPE_CHECKING:
    from sidecar.membership.member import Member

sets = st.lists(strategies.members(), max_size=6, unique_by=lambda member: member.key)
forms = st.sampled_from(sorted(FORMATS))


@given(forms, sets, st.data())
def test_bytes_are_a_function_of_the_set(form: str, members: list[Member], data: st.DataObject) -> None:
    """In whatever order the members come, the bytes are the same."""
    shuffled = data.draw(st.permutations(members))
    assert render(FORMATS[form], SOURCE, shuffled) == render(FORMATS[form], SOURCE, members)


@given(forms, st.lists(st.lists(st.tuples(st.booleans(), strategies.members()), max_size=4), max_size=6))
def test_changes_make_what_rendering_from_nothing_makes(form: str, history: list[list[tuple[bool, Member]]]) -> None:
    """After any history of joins, updates and leaves, of unknown members as well, the bytes are those of the set."""
    document = Document(FORMATS[form])
    members: dict[str, Member] = {}
    for step in history:
        changes = {member.key: member if present else None for present, member in step}
        members = {key: member for key, member in {**members, **changes}.items() if member is not None}
        assert b"".join(document.update(changes, SOURCE)) == render(FORMATS[form], SOURCE, members.values())


def test_the_own_port_follows_the_own_pod() -> None:
    """It joins, changes its port, is replaced by another pod, and leaves."""
    document = Document(FORMATS["hazelcast-xml"])
    other, own = make_member(1, "10.0.0.1", 5701), make_member(0, "10.0.0.2", 5702)
    moved = msgspec.structs.replace(own, port=5703)
    stranger = msgspec.structs.replace(own, is_self=False)
    ports = []
    for changes in ({other.key: other}, {own.key: own}, {own.key: moved}, {own.key: stranger}, {own.key: own}):
        body = b"".join(document.update(changes, SOURCE)).decode()
        ports.append(body.partition('<port auto-increment="false">')[2].partition("</port>")[0])
    assert ports == ["", "5702", "5703", "", "5702"]
    assert b"<port " not in b"".join(document.update({own.key: None}, SOURCE))


@pytest.mark.parametrize(
    ("form", "port", "expected"),
    [
        ("jgroups", 7800, ["10.0.0.1[7800]", "10.0.0.1[7801]", "10.0.0.1[7802]"]),
        ("jgroups", 65534, ["10.0.0.1[65534]", "10.0.0.1[65535]"]),
        ("jgroups", None, ["10.0.0.1"]),
        ("json", 7800, ['"port":7800']),
    ],
)
def test_a_port_range_lists_a_member_once_for_each_port(form: str, port: int | None, expected: list[str]) -> None:
    """As many after its own as are asked for, as with KUBE_PING's port_range; json has the port itself."""
    member = make_member(0, "10.0.0.1", port)
    body = b"".join(Document(FORMATS[form], port_range=2).update({member.key: member}, SOURCE)).decode()
    assert [part for part in expected if part in body] == expected
    assert body.count("10.0.0.1[") + body.count('"port":') == sum(map(bool, [port])) * len(expected)
