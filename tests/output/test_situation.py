"""What the guards are told of the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from sidecar.formats import FORMATS
from sidecar.formats.samples import member
from sidecar.membership.events import Failed, Listed, Report
from sidecar.membership.policy.leaves import LeavePolicy
from sidecar.membership.policy.rules import Rules
from sidecar.membership.policy.timing import Hold
from sidecar.membership.track import Track
from sidecar.output.pipeline import Pipeline
from sidecar.output.situation import Replicas, situation, why_empty

if TYPE_CHECKING:
    from sidecar.membership.policy.guards import Situation

APP = member(0, "10.0.0.1")


def made(*scopes: str, not_ready: str = "prefer-ready") -> Pipeline:
    """A pipeline with a track for each scope."""
    tracks = [Track(scope.partition("/")[0], [scope], "auto") for scope in scopes]
    rules = Rules(not_ready=not_ready)
    return Pipeline(tracks, [FORMATS["json"]], rules=rules, leave_policy=LeavePolicy())


def listed(scope: str, *reports: Report) -> Listed:
    """A complete answer."""
    return Listed(scope=scope, reports=reports, resource_version="1", arrived=7.0)


def test_while_there_is_no_answer_every_source_that_was_tried_has_a_say() -> None:
    """Else one would only hear of the first."""
    pipeline = made("endpointslice/a/app", "endpoints/a/app")
    assert situation(pipeline, Replicas(), started=1.0, published=False, shrink=None).unanswered == "still listing"
    pipeline.take(Failed(scope="endpointslice/a/app", reason="forbidden", message="Not slices."))
    pipeline.take(Failed(scope="endpoints/a/app", reason="forbidden", message="Nor Endpoints."))
    found = situation(pipeline, Replicas(), started=1.0, published=False, shrink=None)
    assert found.unanswered == "Not slices. Nor Endpoints."


def test_once_there_is_one_only_the_source_that_is_used_can_fail() -> None:
    """A candidate that is forbidden all along says nothing about members."""
    pipeline = made("endpointslice/a/app", "endpoints/a/app")
    pipeline.take(Failed(scope="endpointslice/a/app", reason="forbidden", message="Not slices."))
    pipeline.take(listed("endpoints/a/app", Report("endpoints/a/app", 1, {APP.key: APP})))
    pipeline.activate(pipeline.tracks[1], 8.0)
    found = situation(pipeline, Replicas(), started=1.0, published=False, shrink=None)
    assert (found.unanswered, found.failing, found.selected) == ("", "", 1)
    pipeline.take(Failed(scope="endpoints/a/app", reason="refused", message="Away."))
    assert situation(pipeline, Replicas(), started=1.0, published=False, shrink=None).failing == "Away."


STARTING = msgspec.structs.replace(APP, ready=False, serving=False)


@pytest.mark.parametrize(
    ("scope", "reports", "why"),
    [
        (
            "endpointslice/prod/app",
            (),
            "namespace prod has no EndpointSlices of a Service app: the Service does not exist, or has no selector",
        ),
        (
            "endpoints/prod/app",
            (),
            "namespace prod has no Endpoints of a Service app: the Service does not exist, or has no selector",
        ),
        (
            "endpointslice/prod/app",
            (Report("x", 1, {}),),
            "the Service app in namespace prod has no endpoints, so its selector matches no running pod",
        ),
        ("pods/prod/app=web", (), "nothing matches app=web in namespace prod"),
        (
            "endpointslice/prod/app",
            (Report("x", 1, {STARTING.key: STARTING}),),
            "1 known, none of which may be published as they are (--not-ready, --terminating, --self)",
        ),
        (
            "endpointslice/prod/app",
            (Report("x", 1, {}, warning="x has no port named 'web'."),),
            "x has no port named 'web'.",
        ),
    ],
)
def test_why_there_is_nobody(scope: str, reports: tuple[Report, ...], why: str) -> None:
    """As far as the answers tell: what exists, what is in it, and what of that may be published."""
    pipeline = made(scope, not_ready="exclude")
    pipeline.take(listed(scope, *reports))
    assert why_empty(pipeline.active) == why
    found = situation(pipeline, Replicas(), started=1.0, published=False, shrink=None)
    assert (found.selected, found.empty) == (0, why)


OTHER_PORT = msgspec.structs.replace(APP, service="other", port=9000)


@pytest.mark.parametrize(
    ("not_ready", "ready", "selected", "why"), [("prefer-ready", True, 1, ""), ("exclude", False, 0, "1")]
)
def test_a_pod_counts_once_whatever_services_and_ports_it_has(
    not_ready: str, ready: bool, selected: int, why: str
) -> None:
    """Two lines of one pod are not two members for --min-members."""
    pipeline = made("endpointslice/prod/app", not_ready=not_ready)
    found = [msgspec.structs.replace(each, ready=ready, serving=ready) for each in (APP, OTHER_PORT)]
    pipeline.take(listed("endpointslice/prod/app", Report("x", 1, {each.key: each for each in found})))
    assert len(pipeline.selected) == 2 * selected
    it = situation(pipeline, Replicas(), started=1.0, published=False, shrink=None)
    assert (it.selected, it.empty.partition(" ")[0]) == (selected, why)


def test_the_wanted_replicas_are_passed_on() -> None:
    """Or why they are not known."""
    replicas = Replicas()
    replicas.desired, replicas.unknown = 3, "no rights"
    found = situation(made("pods/a/x"), replicas, started=1.0, published=True, shrink=None)
    assert (found.desired, found.replicas_unknown, found.started, found.published) == (3, "no rights", 1.0, True)


def test_what_the_guards_look_at_is_what_is_known() -> None:
    """Each fact under its own name."""
    track = Track("pods", ["pods/a/x"], "auto")
    rules = Rules(split=True, cluster_id=True)
    pipeline = Pipeline([track], [FORMATS["json"]], rules=rules, leave_policy=LeavePolicy())
    shrink = Hold(reason="shrink", message="too many left", until=40.0, leaves_only=True)

    def now() -> Situation:
        return situation(pipeline, Replicas(), started=1.0, published=False, shrink=shrink)

    stranger = msgspec.structs.replace(member(1, "10.0.0.2"), is_self=False)
    report = Report("x", 1, {stranger.key: stranger}, "several ports")
    pipeline.take(listed("pods/a/x", report))
    before = now()
    assert (before.problem, before.changed_at, before.shrink) == ("several ports", 7.0, shrink)
    assert not (before.cluster_known)
    assert not (before.rollout_known)
    assert not (before.has_self)
    assert not before.selected
    own = msgspec.structs.replace(APP, is_self=True, rollout="r", cluster="c")
    pipeline.take(listed("pods/a/x", Report("x", 2, {own.key: own})))
    after = now()
    assert (after.problem, after.selected, after.empty) == ("", 1, "")
    assert after.cluster_known
    assert after.rollout_known
    assert after.has_self
