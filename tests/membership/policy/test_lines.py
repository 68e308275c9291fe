"""One line for each pod and port, however many Services select the pod."""

from __future__ import annotations

import pytest

from sidecar.membership.member import Member
from sidecar.membership.policy.rules import Rules
from sidecar.membership.policy.selection import Selection
from tests.support.members import by_key, made, select, select_one_by_one

A, B, C = (made(1, service=service) for service in "abc")
"""One pod, as three Services report it."""


@pytest.mark.parametrize(
    ("found", "selected", "pods"),
    [
        pytest.param((A, B), (A,), 1, id="the first in canonical order has the line"),
        pytest.param((A, B, C, made(2, service="b")), (A, made(2, service="b")), 2, id="of each pod"),
        pytest.param((A, made(1, service="b", port=5702)), (A, made(1, service="b", port=5702)), 1, id="two ports"),
        pytest.param(
            (A, made(1, service="b", port=5702), made(1, service="c", port=5702)),
            (A, made(1, service="b", port=5702)),
            1,
            id="one line for each port",
        ),
        pytest.param((A, made(1, service="b", port=None)), (A, made(1, service="b", port=None)), 1, id="no port"),
        pytest.param((A, made(1, "10.0.0.99", service="b")), (A,), 1, id="by UID, not by address"),
        pytest.param((A, made(2, "10.0.0.1", service="b", uid="")), None, 2, id="a UID is not an address"),
        pytest.param(
            (made(1, uid=""), made(2, "10.0.0.1", uid="")), (made(1, uid=""),), 1, id="by address without a UID"
        ),
        pytest.param((made(1, uid=""), made(2, uid="")), None, 2, id="of each address"),
        pytest.param((made(1, service="a", ready=False), B, made(2)), (B, made(2)), 2, id="the first that is admitted"),
        pytest.param((), (), 0, id="nobody"),
    ],
)
def test_a_pod_and_port_has_one_line(found: tuple[Member, ...], selected: tuple[Member, ...] | None, pods: int) -> None:
    """In whatever order the Services report it. None stands for a line for each of those found."""
    for order in (found, found[::-1]):
        selection = select_one_by_one(Rules(not_ready="exclude"), list(order))
        assert selection.members == by_key(found if selected is None else selected)
        assert selection.pods == pods


def test_the_line_moves_when_its_service_no_longer_selects_the_pod() -> None:
    """The pod never has none, and never two."""
    union = by_key((A, B, C))
    selection = select(Rules(), union.values())
    del union[A.key]
    assert selection.update([A.key], union) == {A.key: None, B.key: B}
    assert selection.pods == 1
    union[A.key] = A
    assert selection.update([A.key], union) == {A.key: A, B.key: None}
    del union[B.key]
    assert selection.update([B.key], union) == {}


def test_a_line_that_moved_does_not_stay() -> None:
    """Neither hold-down nor shrink guard list a pod twice; a port of its own is another line."""
    selection = select(Rules(), (B,))
    assert not selection.may_stay(A)
    assert selection.may_stay(made(1, service="a", port=5702))


def test_the_pods_are_counted_change_by_change() -> None:
    """As they join and leave, by one Service or the other."""
    selection, union, counts = Selection(Rules()), dict[str, Member](), []
    for member, present in ((A, True), (B, True), (made(2), True), (A, False), (B, False), (made(2), False)):
        union.pop(member.key, None)
        if present:
            union[member.key] = member
        selection.update([member.key], union)
        counts.append(selection.pods)
    assert counts == [1, 1, 2, 2, 1, 0]
