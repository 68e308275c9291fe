"""A track: what one candidate source knows, and which members an event changes.

Out of scope: the laws of the fold (test_fold) and of the union (test_union).
"""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from sidecar.membership.events import Applied, Deleted, Failed, Listed, Recovered, Report
from sidecar.membership.track import Track
from tests.support.members import by_key, made

if TYPE_CHECKING:
    from sidecar.membership.events import Event

SCOPE, OTHER = "endpointslice/default/app", "endpointslice/other/app"
ONE, TWO, THREE = made(1), made(2), made(3)


def new_track() -> Track:
    """A track of two scopes."""
    return Track("endpointslice", [SCOPE, OTHER], "auto")


def report(origin: str, *numbers: int, problem: str = "", warning: str = "") -> Report:
    """A slice with these members."""
    return Report(origin, 1, by_key(map(made, numbers)), problem, warning)


def listed(*reports: Report, scope: str = SCOPE) -> Listed:
    """A complete snapshot."""
    return Listed(scope=scope, reports=reports, resource_version="7")


def applied(changed: Report) -> Applied:
    """A slice that changed."""
    return Applied(scope=SCOPE, report=changed, resource_version="8")


def test_an_event_returns_the_keys_of_the_members_that_it_changes() -> None:
    """Those that join, leave and change, and no others."""
    track = new_track()
    assert track.take(listed(report("a", 1, 2), report("b", 3))) == {ONE.key, TWO.key, THREE.key}
    assert track.take(applied(report("a", 1))) == {TWO.key}
    assert track.take(Deleted(scope=SCOPE, origin="b", resource_version="9")) == {THREE.key}
    assert track.take(Failed(scope=SCOPE, reason="refused", message="away")) == set()
    assert track.take(Recovered(scope=SCOPE)) == set()
    assert track.union.members == {ONE.key: ONE}


def test_a_list_takes_away_what_it_does_not_contain() -> None:
    """Of its own scope alone."""
    track = new_track()
    track.take(listed(report("a", 1), report("b", 2)))
    track.take(listed(report("c", 3), scope=OTHER))
    assert track.take(listed(report("b", 2))) == {ONE.key}
    assert track.union.members == {TWO.key: TWO, THREE.key: THREE}


def test_it_is_synced_when_every_scope_was_listed() -> None:
    """And knows the resourceVersion of each."""
    track = new_track()
    synced = []
    for event in (listed(report("a", 1)), listed(scope=OTHER)):
        track.take(event)
        synced.append(track.state.synced)
    assert synced == [False, True]
    assert track.state.resource_versions == {SCOPE: "7", OTHER: "7"}


def test_problems_and_warnings_last_as_long_as_their_origin_reports_them() -> None:
    """Until it reports none, or is gone."""
    track = new_track()
    track.take(listed(report("a", problem="several ports"), report("b", warning="truncated")))
    assert track.problems == {"a": "several ports"}
    assert track.warnings == {"b": "truncated"}
    track.take(applied(report("a", 1)))
    track.take(Failed(scope=SCOPE, reason="refused", message="away"))
    assert track.problems == {}
    assert track.warnings == {"b": "truncated"}
    track.take(Deleted(scope=SCOPE, origin="b", resource_version="9"))
    assert track.warnings == {}
    track.take(applied(report("a", problem="several ports", warning="truncated")))
    track.take(listed())
    assert track.problems == track.warnings == {}


def test_what_is_forgotten_is_as_if_it_had_never_been_known() -> None:
    """The next list starts from nothing."""
    track = new_track()
    track.take(listed(report("a", 1, problem="several ports", warning="truncated")))
    track.forget()
    assert track.state.resource_versions == {SCOPE: "", OTHER: ""}
    assert not any((track.state.reports, track.union.members, track.problems, track.warnings))
    assert track.take(listed(report("a", 1))) == {ONE.key}


PODS = [Report(f"pods/default/app-{number}", 1, by_key([made(number)])) for number in range(20_000)]


@pytest.mark.parametrize(
    "event",
    [
        Applied(scope=SCOPE, report=PODS[7], resource_version="8"),
        Deleted(scope=SCOPE, origin=PODS[7].origin, resource_version="8"),
        Failed(scope=SCOPE, reason="refused", message="away"),
        Recovered(scope=SCOPE),
    ],
    ids=lambda event: type(event).__name__,
)
def test_a_change_costs_the_change_however_many_pods_there_are(event: Event) -> None:
    """Nothing that is known is copied: a copy of 20,000 references would be 160 kB."""
    track = new_track()
    track.take(listed(*PODS))
    tracemalloc.start()
    try:
        track.take(event)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000
