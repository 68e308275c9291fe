"""Which of its ports is the port of a slice's members."""

from __future__ import annotations

import pytest

from sidecar.membership.events import Report
from sidecar.sources.kubernetes.collection import reader
from sidecar.sources.kubernetes.endpointslices import endpoint_slices
from sidecar.sources.kubernetes.objects import Projection
from tests.support.builders import Json, encoded, endpoint_slice


def project(obj: Json, **how: str) -> Report:
    """The report of a slice."""
    return reader(endpoint_slices("default", ["app"], Projection(**how)))(encoded(obj))


HZ, MANAGEMENT = {"name": "hazelcast", "port": 5701}, {"name": "management", "port": 8080}
TCP, UDP = {"name": "dns-tcp", "port": 53, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}


@pytest.mark.parametrize(
    ("ports", "wanted", "port"),
    [
        pytest.param(None, "", None, id="null"),
        pytest.param([], "", None, id="headless without ports"),
        pytest.param([HZ], "", 5701, id="the sole one"),
        pytest.param([{"port": 5701}], "", 5701, id="the sole one, nameless"),
        pytest.param([{"name": "", "port": 5701}], "", 5701, id="the sole one, named with nothing"),
        pytest.param([{"name": "any", "port": None}], "", None, id="nil number: any port"),
        pytest.param([{"name": "any"}], "any", None, id="nil number by name"),
        pytest.param([HZ, MANAGEMENT], "management", 8080, id="by name"),
        pytest.param([TCP, UDP], "", 53, id="one number for TCP and UDP"),
        pytest.param([TCP, UDP], "dns", 53, id="by the other of its names"),
        pytest.param([HZ, MANAGEMENT], "7800", 7800, id="a number is taken as it is"),
        pytest.param([], "7800", 7800, id="a number without any"),
        pytest.param(None, "7800", 7800, id="a number with null"),
    ],
)
def test_the_port_of_the_members(ports: list[Json] | None, wanted: str, port: int | None) -> None:
    """A number, a name, or the only one there is."""
    found = project(endpoint_slice(ports=ports), port=wanted)
    assert found.problem == ""
    assert [one.port for one in found.members.values()] == [port]


HAS = "endpointslice/default/app-a has"


@pytest.mark.parametrize(
    ("ports", "wanted", "message"),
    [
        (
            [HZ, MANAGEMENT],
            "",
            f"{HAS} several ports: hazelcast (5701), management (8080). Choose one with --port NAME or --port NUMBER.",
        ),
        (
            [HZ, UDP],
            "",
            f"{HAS} several ports: hazelcast (5701), dns (53/UDP). Choose one with --port NAME or --port NUMBER.",
        ),
    ],
)
def test_a_port_that_cannot_be_chosen_is_a_problem(ports: list[Json] | None, wanted: str, message: str) -> None:
    """The message lists the candidates; a guess would be published."""
    found = project(endpoint_slice(ports=ports), port=wanted)
    assert (found.problem, found.members) == (message, {})


@pytest.mark.parametrize(
    ("ports", "message"),
    [
        ([HZ, {"port": 9}], f"{HAS} no port named 'gossip'; it has: hazelcast (5701), unnamed (9). Correct --port."),
        ([], f"{HAS} no port named 'gossip'; it has: none. Correct --port."),
        (None, f"{HAS} no port named 'gossip'; it has: none. Correct --port."),
    ],
)
def test_a_slice_without_the_wanted_port_has_no_members(ports: list[Json] | None, message: str) -> None:
    """It is a warning, and holds nothing up: a rollout that adds the port passes through this state."""
    found = project(endpoint_slice(ports=ports), port="gossip")
    assert found == Report("endpointslice/default/app-a", 100, {}, warning=message)


def test_a_slice_without_endpoints_has_no_problem() -> None:
    """The controller's placeholder for a Service without pods has no ports; the set is empty, and that is an answer."""
    assert project(endpoint_slice(endpoints=[], ports=[]), port="hazelcast") == Report(
        "endpointslice/default/app-a", 100, {}
    )
