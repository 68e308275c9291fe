"""What each part is told, from the settings: no room below the composition root and ``failover`` knows ``Settings``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.formats import FORMATS
from sidecar.membership.policy.guards import Guards
from sidecar.membership.policy.leaves import LeavePolicy
from sidecar.membership.policy.rules import Rules
from sidecar.membership.policy.timing import Pace
from sidecar.output.publish_loop import Demands
from sidecar.sources.kubernetes.loaders import SERVICE_ACCOUNT, in_cluster, kubeconfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sidecar.formats import Format
    from sidecar.settings.values import Output, Settings
    from sidecar.sources.kubernetes.loaders import Loader

RECORD = FORMATS["json"]
"""The format in which a restart finds who was in the files."""


def rules(settings: Settings) -> Rules:
    """Who may be published."""
    return Rules(
        not_ready=settings.not_ready,
        terminating=settings.terminating,
        own_pod=settings.own_pod,
        split=settings.split != "off",
        split_unknown=settings.split_unknown,
        cluster_id=bool(settings.cluster_id),
        seed=settings.seed == "oldest",
    )


def leave_policy(settings: Settings) -> LeavePolicy:
    """How leaves are restrained."""
    return LeavePolicy(hold_down=settings.hold_down, max_shrink=settings.max_shrink, shrink_hold=settings.shrink_hold)


def demands(settings: Settings, *, once: bool) -> Demands:
    """When something may be published."""
    guards = Guards(
        min_members=settings.min_members,
        stable_for=settings.stable_for,
        require_self=settings.own_pod == "require",
        split_unknown=settings.split_unknown,
        start_timeout=settings.start_timeout,
        start_outcome=settings.start_outcome,
    )
    return Demands(pace=Pace(settle=settings.settle, settle_max=settings.settle_max), guards=guards, once=once)


def recorded_in(outputs: Sequence[Output]) -> int | None:
    """The number of the output that holds every member, which a restart can read; None if there is none."""
    return next((at for at, output in enumerate(outputs) if output.form is RECORD), None)


def record(outputs: Sequence[Output]) -> Format | None:
    """The format in which the checkpoint must keep the members, because no output does."""
    return RECORD if recorded_in(outputs) is None else None


def loader(settings: Settings, *, in_pod: bool) -> Loader:
    """Where the credentials come from: what is asked for, else the pod's service account, else the kubeconfig."""
    if in_pod and (SERVICE_ACCOUNT / "token").exists() and not settings.kubeconfig and not settings.context:
        return in_cluster()
    return kubeconfig(settings.kubeconfig, settings.context or None)


def own_namespace() -> str:
    """The pod's, as the kubelet mounts it; empty where it does not."""
    try:
        return (SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
