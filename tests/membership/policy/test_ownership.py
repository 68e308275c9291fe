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
            (FIRST, msgspec.structs.replace(FIRST, service="other")),
            [FIRST, msgspec.structs.replace(FIRST, service="other")],
            id="both if they are one pod, in two services",
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
