"""What the metrics count. That they are served is tested in ``test_server``, their table in the README elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.membership.member import Member
from sidecar.observability.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterable


def member(name: str, *states: str) -> Member:
    """A member in these states."""
    return Member(
        name=name,
        namespace="default",
        service="app",
        uid=name,
        address="10.0.0.1",
        addresses=("10.0.0.1",),
        port=80,
        hostname="",
        node="",
        zone="",
        ready="ready" in states,
        serving="serving" in states,
        terminating="terminating" in states,
        is_self=False,
    )


def counted(members: Iterable[Member]) -> dict[str, float | None]:
    """What ``membership_members`` says of them, by state."""
    metrics = Metrics(())
    metrics.measure_members(lambda: members)
    states = ("all", "ready", "serving", "terminating")
    return {state: metrics.registry.get_sample_value("membership_members", {"state": state}) for state in states}


def test_a_member_counts_in_each_of_its_states_and_once_in_all() -> None:
    """The states overlap, so that their sum is not the number of members."""
    members = [member("a", "ready", "serving"), member("b", "serving", "terminating"), member("c")]
    assert counted(members) == {"all": 3, "ready": 1, "serving": 2, "terminating": 1}
    assert counted([]) == {"all": 0, "ready": 0, "serving": 0, "terminating": 0}


def test_members_are_counted_at_each_scrape() -> None:
    """The gauge follows the set by itself."""
    members: list[Member] = []
    metrics = Metrics(())
    metrics.measure_members(lambda: members)
    members.append(member("a"))
    assert metrics.registry.get_sample_value("membership_members", {"state": "all"}) == 1
