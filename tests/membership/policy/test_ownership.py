"""Which pod has an address when several are reported with it.

Out of scope: that a member that left does not keep such an address (test_selection, test_leaves).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from sidecar.membership.policy.rules import Rules
from tests.support.members import NEW, OLD, by_key, made, select, select_one_by_one

if TYPE_CHECKING:
    from sidecar.membership.member import Member

FIRST = made(1, "10.0.0.9", created=OLD)
SECOND = made(2, "10.0.0.9", created=NEW)


@pytest.mark.parametrize(
    ("found", "selected"),
    [
        pytest.param((FIRST, SECOND), [SECOND], id="the newest"),
        pytest.param((FIRST, msgspec.structs.replace(SECOND, lost=True)), [FIRST], id="the newest that runs"),
        pytest.param(
            (FIRST, msgspec.structs.replace(SECOND, ready=False)),
            [msgspec.structs.replace(SECOND, ready=False)],
            id="even if the old one is reported ready and the new one is not",
        ),
        pytest.param(
            (made(1, "10.0.0.9", ready=False), made(2, "10.0.0.9")),
            [made(2, "10.0.0.9")],
            id="the ready one if the source reports no creation times",
        ),
        pytest.param(
            (made(1, "10.0.0.9"), made(2, "10.0.0.9")),
            [made(2, "10.0.0.9")],
            id="otherwise the one with the greater UID",
        ),
        pytest.param(
            (FIRST, msgspec.structs.replace(SECOND, port=5702)),
            [FIRST, msgspec.structs.replace(SECOND, port=5702)],
            id="both if the ports differ: the host network",
        ),
        pytest.param(
            (FIRST, made(2, "10.0.0.9", uid="")),
            [FIRST, made(2, "10.0.0.9", uid="")],
            id="both if it is not known that they are two pods",
        ),
    ],
)
def test_the_newest_running_pod_has_an_address_that_several_report(
    found: tuple[Member, ...], selected: list[Member]
) -> None:
    """In whatever order they are reported."""
    for order in (found, found[::-1]):
        assert select_one_by_one(Rules(), order).members == by_key(selected)


def test_the_old_pod_gets_its_address_back_when_the_new_one_is_gone() -> None:
    """It was displaced and not forgotten."""
    selection = select(Rules(), (FIRST, SECOND))
    assert selection.update([SECOND.key], {FIRST.key: FIRST}) == {FIRST.key: FIRST, SECOND.key: None}


TERMINATING = msgspec.structs.replace(SECOND, ready=False, terminating=True)
NOT_READY = msgspec.structs.replace(SECOND, ready=False, serving=False)


@pytest.mark.parametrize(
    ("of", "other"),
    [
        pytest.param(Rules(), SECOND, id="selected"),
        pytest.param(Rules(not_ready="exclude"), NOT_READY, id="not ready"),
        pytest.param(Rules(), TERMINATING, id="terminating"),
        pytest.param(Rules(cluster_id=True), msgspec.structs.replace(SECOND, cluster="green"), id="another cluster"),
        pytest.param(Rules(split=True), msgspec.structs.replace(SECOND, rollout="old"), id="another rollout"),
        pytest.param(Rules(own_pod="exclude"), msgspec.structs.replace(SECOND, is_self=True), id="the own pod"),
    ],
)
def test_a_member_that_left_does_not_keep_an_address_that_another_pod_has(of: Rules, other: Member) -> None:
    """Whether the other pod may be published or not: a server would talk to a stranger."""
    own = made(7, is_self=of.own_pod == "include", cluster="blue", rollout="new")
    left = msgspec.structs.replace(FIRST, cluster="blue", rollout="new")
    assert select(of, (own,)).may_stay(left)
    assert not select(of, (own, other)).may_stay(left)


def test_pods_that_share_an_address_by_their_ports_may_stay() -> None:
    """And so may one whose neighbour is not known to be another pod."""
    for other in (msgspec.structs.replace(SECOND, port=5702), made(2, "10.0.0.9", uid="")):
        assert select(Rules(), (other,)).may_stay(FIRST)


def test_a_pod_that_must_not_be_published_has_its_address_all_the_same() -> None:
    """The older pod that is still reported with it is not published in its place."""
    own = made(7, is_self=True, cluster="blue")
    first, second = (msgspec.structs.replace(FIRST, cluster="blue"), msgspec.structs.replace(SECOND, cluster="green"))
    for order in ((own, first, second), (second, first, own)):
        assert select_one_by_one(Rules(cluster_id=True), order).members == {own.key: own}


def test_members_without_an_address_are_in_nobodys_way() -> None:
    """They are not published, and several of them do not conflict."""
    starting = [msgspec.structs.replace(made(number), address="", addresses=()) for number in (1, 2)]
    selection = select(Rules(not_ready="include"), (*starting, SECOND))
    assert selection.members == {SECOND.key: SECOND}
