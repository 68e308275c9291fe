"""Which of its containers' ports is the port of a pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sidecar.membership.events import Report
from tests.sources.kubernetes.pods import (
    CREDITOR,
    HZ,
    MANAGEMENT,
    METRICS,
    ORIGIN,
    REPLICA_SET,
    containers,
    pod,
    project,
    sidecars,
)

if TYPE_CHECKING:
    from tests.support.builders import Json

DNS_TCP, DNS_UDP = {"name": "dns-tcp", "containerPort": 53}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}


@pytest.mark.parametrize(
    ("spec", "wanted", "port"),
    [
        pytest.param(containers([HZ]), "", 5701, id="the sole one"),
        pytest.param(containers([{"containerPort": 5701}]), "", 5701, id="the sole one, nameless"),
        pytest.param(containers(None, [HZ], []), "", 5701, id="the sole one of several containers"),
        pytest.param(containers([]), "", None, id="none"),
        pytest.param({"containers": None}, "", None, id="null"),
        pytest.param(containers([DNS_TCP, DNS_UDP]), "", 53, id="one number for TCP and UDP"),
        pytest.param(containers([DNS_TCP, DNS_UDP]), "dns", 53, id="by the other of its names"),
        pytest.param(containers([HZ], [MANAGEMENT]), "management", 8080, id="by name"),
        pytest.param(containers([HZ], [HZ]), "hazelcast", 5701, id="by a name that is there twice"),
        pytest.param(containers([HZ], [MANAGEMENT]), "7800", 7800, id="a number is taken as it is"),
        pytest.param(containers([]), "7800", 7800, id="a number without any"),
        pytest.param(containers([HZ]) | sidecars([METRICS]), "", 5701, id="a sidecar's port is not the server's"),
        pytest.param(containers([HZ]) | sidecars([METRICS]), "metrics", 9466, id="a sidecar's port by name"),
        pytest.param(containers([]) | sidecars([HZ]), "", 5701, id="the sole one is a sidecar's"),
        pytest.param(
            containers([HZ]) | sidecars([{"name": "hazelcast", "containerPort": 1}]),
            "hazelcast",
            5701,
            id="containers first",
        ),
        pytest.param(containers([]) | sidecars([HZ], policy=None), "", None, id="an init container is over"),
    ],
)
def test_the_port_of_a_member(spec: Json, wanted: str, port: int | None) -> None:
    """A number, a name, or the only one there is."""
    found = project(pod(spec=spec), port=wanted)
    assert (found.problem, [one.port for one in found.members.values()]) == ("", [port])


@pytest.mark.parametrize(
    ("spec", "wanted", "message"),
    [
        (
            containers([HZ], [MANAGEMENT]),
            "",
            "has several ports: hazelcast (5701), management (8080). Choose one with --port NAME or --port NUMBER.",
        ),
        (
            containers([{"containerPort": 1}], [{"containerPort": 2}]),
            "",
            "has several ports: unnamed (1), unnamed (2). Choose one with --port NAME or --port NUMBER.",
        ),
        (
            containers([HZ], [{"name": "hazelcast", "containerPort": 5702}]),
            "hazelcast",
            "has several ports: hazelcast (5701), hazelcast (5702). Choose one with --port NAME or --port NUMBER.",
        ),
    ],
)
def test_a_port_that_cannot_be_chosen_is_a_problem(spec: Json, wanted: str, message: str) -> None:
    """The message lists the candidates; a guess would be published."""
    assert project(pod(spec=spec), port=wanted) == Report(ORIGIN, 100, {}, f"{ORIGIN} {message}")


@pytest.mark.parametrize(
    ("spec", "wanted", "message"),
    [
        (
            containers([HZ]) | sidecars([METRICS]),
            "gossip",
            "has no port named 'gossip'; it has: hazelcast (5701), metrics (9466). Correct --port.",
        ),
        (
            containers([HZ]) | sidecars([METRICS], policy=None),
            "metrics",
            "has no port named 'metrics'; it has: hazelcast (5701). Correct --port.",
        ),
    ],
)
def test_a_pod_without_the_wanted_port_is_not_a_member(spec: Json, wanted: str, message: str) -> None:
    """It is a warning, and holds nothing up."""
    assert project(pod(spec=spec), port=wanted) == Report(ORIGIN, 100, {}, warning=f"{ORIGIN} {message}")


def test_a_thousand_pods_have_one_warning() -> None:
    """The pods of one controller have one template, and an operator reads one message."""
    many = [
        pod(spec=containers([]), name=f"app-{number}", ownerReferences=[CREDITOR, REPLICA_SET])
        for number in range(1000)
    ]
    (message,) = {project(one, port="gossip").warning for one in many}
    assert message.startswith("the pod template of ReplicaSet default/app-5d4f has no port named 'gossip'")
