"""Members, reports and histories for the laws, with few names and addresses, so that conflicts are common; any JSON."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from sidecar.membership.events import Applied, Deleted, Event, Failed, Listed, Recovered, Report
from sidecar.membership.member import Member
from sidecar.membership.policy.rules import Rules

FAMILIES = st.sampled_from(("auto", "ipv4", "ipv6"))

SCOPES = ("endpointslice/default/app", "endpointslice/other/app")

OWN = 0
"""The number of the own pod, the only one with ``is_self``; its rollout and cluster, if known, are always the same."""

_ADDRESSES = {False: ("10.0.0.1", "10.0.0.2", "10.0.0.3"), True: ("fd00::1", "fd00::2", "fd00::3")}


@st.composite
def members(draw: st.DrawFn, namespace: str = "default") -> Member:
    """A member as one slice reports it: addresses of one family."""
    number = draw(st.integers(0, 5))
    v6 = draw(st.booleans())
    address = draw(st.sampled_from(_ADDRESSES[v6]))
    named = draw(st.booleans())
    own = named and number == OWN
    return Member(
        name=f"app-{number}" if named else "",
        namespace=namespace,
        service=draw(st.sampled_from(("app", "web"))),
        uid=f"uid-{number}-{draw(st.integers(0, 1))}" if named else "",
        address=address,
        addresses=(address,),
        port=draw(st.sampled_from((None, 5701, 5702))),
        hostname="",
        node=draw(st.sampled_from(("", "node-0"))),
        zone="",
        ready=draw(st.booleans()),
        serving=draw(st.booleans()),
        terminating=draw(st.booleans()),
        is_self=own,
        rollout=draw(st.sampled_from(("", "5c4d") if own else ("", "5c4d", "7f9b"))),
        created=draw(st.sampled_from(("", "2026-03-01T10:00:00Z", "2026-03-01T10:00:01Z"))),
        cluster=draw(st.sampled_from(("", "blue") if own else ("", "blue", "green"))),
        lost=draw(st.booleans()),
    )


@st.composite
def reports(draw: st.DrawFn, scope: str = SCOPES[0]) -> Report:
    """A slice of *scope*."""
    namespace = scope.split("/")[1]
    found = draw(st.lists(members(namespace), max_size=4))
    return Report(
        origin=f"endpointslice/{namespace}/app-{draw(st.integers(0, 3))}",
        order=draw(st.integers(0, 3)),
        members={member.key: member for member in found},
        problem=draw(st.sampled_from(("", "", "", "several ports"))),
    )


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Anything that a source can report."""
    scope = draw(st.sampled_from(SCOPES))
    version = str(draw(st.integers(1, 9)))
    arrived = float(draw(st.integers(0, 9)))
    match draw(st.sampled_from(("listed", "applied", "applied", "applied", "deleted", "failed", "recovered"))):
        case "listed":
            listed = tuple(draw(st.lists(reports(scope), max_size=3)))
            return Listed(scope=scope, reports=listed, resource_version=version, arrived=arrived)
        case "applied":
            return Applied(scope=scope, report=draw(reports(scope)), resource_version=version, arrived=arrived)
        case "deleted":
            return Deleted(scope=scope, origin=draw(reports(scope)).origin, resource_version=version, arrived=arrived)
        case "failed":
            return Failed(scope=scope, reason="refused", message="away")
        case _:
            return Recovered(scope=scope)


def rules() -> st.SearchStrategy[Rules]:
    """Any rules."""
    return st.builds(
        Rules,
        not_ready=st.sampled_from(("include", "exclude", "prefer-ready")),
        terminating=st.sampled_from(("exclude", "while-serving", "include")),
        own_pod=st.sampled_from(("include", "exclude", "require")),
        split=st.booleans(),
        split_unknown=st.sampled_from(("open", "closed")),
        cluster_id=st.booleans(),
        seed=st.booleans(),
    )


def histories() -> st.SearchStrategy[list[Event]]:
    """A history of any events."""
    return st.lists(events(), max_size=8)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
"""Any JSON."""


def spoiled(obj: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - any JSON
    """A value of the same shape, any part of which may be anything."""
    match obj:
        case dict():
            whole: st.SearchStrategy[Any] = st.fixed_dictionaries(
                {}, optional={key: spoiled(inner) for key, inner in obj.items()}
            )
        case list():
            whole = st.tuples(*map(spoiled, obj)).map(list)
        case _:
            whole = st.just(obj)
    return st.integers(0, 15).flatmap(lambda roll: VALUES if roll == 0 else whole)
