"""Members, groups and histories for the laws: few names and addresses, so that collisions are common."""

from __future__ import annotations

from hypothesis import strategies as st

from sidecar.members import Applied, Deleted, Event, Failed, Group, Listed, Member, Recovered

SCOPES = ("endpointslice/default/app", "endpointslice/other/app")

_ADDRESSES = {False: ("10.0.0.1", "10.0.0.2", "10.0.0.3"), True: ("fd00::1", "fd00::2", "fd00::3")}


@st.composite
def members(draw: st.DrawFn, namespace: str = "default") -> Member:
    """A member as one slice reports it: addresses of one family."""
    number = draw(st.integers(0, 5))
    v6 = draw(st.booleans())
    address = draw(st.sampled_from(_ADDRESSES[v6]))
    named = draw(st.booleans())
    return Member(
        name=f"app-{number}" if named else "",
        namespace=namespace,
        service="app",
        uid=f"uid-{number}-{draw(st.integers(0, 1))}" if named else "",
        address=address,
        addresses=(address,),
        port=draw(st.sampled_from((None, 5701))),
        hostname="",
        node=draw(st.sampled_from(("", "node-0"))),
        zone="",
        ready=draw(st.booleans()),
        serving=draw(st.booleans()),
        terminating=draw(st.booleans()),
        is_self=False,
    )


@st.composite
def groups(draw: st.DrawFn, scope: str = SCOPES[0]) -> Group:
    """A slice of *scope*."""
    namespace = scope.split("/")[1]
    found = draw(st.lists(members(namespace), max_size=4))
    return Group(
        origin=f"endpointslice/{namespace}/app-{draw(st.integers(0, 3))}",
        version=draw(st.integers(0, 3)),
        members={member.key: member for member in found},
        problem=draw(st.sampled_from(("", "", "", "several ports"))),
    )


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Anything that a source can say."""
    scope = draw(st.sampled_from(SCOPES))
    revision = str(draw(st.integers(1, 9)))
    arrived = float(draw(st.integers(0, 9)))
    match draw(st.sampled_from(("listed", "applied", "applied", "applied", "deleted", "failed", "recovered"))):
        case "listed":
            listed = tuple(draw(st.lists(groups(scope), max_size=3)))
            return Listed(scope=scope, groups=listed, revision=revision, arrived=arrived)
        case "applied":
            return Applied(scope=scope, group=draw(groups(scope)), revision=revision, arrived=arrived)
        case "deleted":
            return Deleted(scope=scope, origin=draw(groups(scope)).origin, revision=revision, arrived=arrived)
        case "failed":
            return Failed(scope=scope, reason="refused", sentence="away")
        case _:
            return Recovered(scope=scope)


def histories() -> st.SearchStrategy[list[Event]]:
    """A history of any events."""
    return st.lists(events(), max_size=8)
