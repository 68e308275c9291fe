"""What the guards look at, read off the pipeline. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.membership.policy.guards import Situation

if TYPE_CHECKING:
    from sidecar.membership.policy.timing import Hold
    from sidecar.membership.track import Track
    from sidecar.output.pipeline import Pipeline

_KINDS = {"endpointslice": "EndpointSlices", "endpoints": "Endpoints"}
"""The objects that belong to a Service, by the first part of a scope."""


class Replicas:
    """How many replicas there should be of the own pod's workload, as far as that is known."""

    def __init__(self) -> None:
        self.desired: int | None = None
        self.unknown = ""
        """Why that is not known."""


def situation(
    pipeline: Pipeline, replicas: Replicas, *, started: float, published: bool, shrink: Hold | None
) -> Situation:
    """The situation now.

    Args:
        pipeline: what is known and selected.
        replicas: how many there should be.
        started: when the sidecar started.
        published: whether every output has a complete content.
        shrink: why some that left stay.
    """
    selection, track = pipeline.selection, pipeline.active
    return Situation(
        started=started,
        published=published,
        unanswered="" if track.state.synced else _unanswered(pipeline),
        problem=" ".join(sorted(set(track.problems.values()))),
        failing=" ".join(failures(track)),
        cluster_known=selection.cluster_known,
        rollout_known=selection.rollout_known,
        has_self=selection.has_self,
        selected=selection.pods,
        empty="" if published or selection.members or not track.state.synced else why_empty(track),
        desired=replicas.desired,
        replicas_unknown=replicas.unknown,
        changed_at=pipeline.changed_at,
        shrink=shrink,
    )


def failures(track: Track) -> list[str]:
    """Why *track* fails now, one message for each scope that does."""
    return [scope.failing for scope in track.state.scopes.values() if scope.failing]


def _unanswered(pipeline: Pipeline) -> str:
    """Why there is no complete answer: while there is none, every source that was tried has a say."""
    return " ".join(failure for track in pipeline.tracks for failure in failures(track)) or "still listing"


def why_empty(track: Track) -> str:
    """Why nobody is selected of what *track* knows, as far as its answers tell."""
    if track.union.members:
        count = len({member.pod for member in track.union.members.values()})
        return f"{count} known, none of which may be published as they are (--not-ready, --terminating, --self)"
    if track.warnings:
        return " ".join(sorted(set(track.warnings.values())))
    return "; ".join(_why_nobody(name, bool(scope.reports)) for name, scope in track.state.scopes.items())


def _why_nobody(scope: str, has_reports: bool) -> str:  # noqa: FBT001 - a fact about the scope
    kind, _, rest = scope.partition("/")
    namespace, _, name = rest.partition("/")
    if kind not in _KINDS:
        return f"nothing matches {name} in namespace {namespace}"
    if has_reports:
        return f"the Service {name} in namespace {namespace} has no endpoints, so its selector matches no running pod"
    return (
        f"namespace {namespace} has no {_KINDS[kind]} of a Service {name}: the Service does not exist, or has no"
        " selector"
    )
