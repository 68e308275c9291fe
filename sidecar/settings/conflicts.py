"""Values that are valid on their own and cannot be combined, or could only wait for something that never comes.

Pure. Each rule is a function that yields messages; a value whose text was wrong is missing, and in no conflict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sidecar.membership.policy.guards import ALL_REPLICAS
from sidecar.settings.values import ALL_NAMESPACES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Values = Mapping[str, Any]


def conflicts(values: Values) -> list[str]:
    """A message for each conflict.

    Args:
        values: by field of ``Settings``, as far as they could be read.
    """
    return [message for rule in (_outputs, _members, _dns, _own_pod, _pods, _waits) for message in rule(values)]


def _outputs(values: Values) -> Iterator[str]:
    """About files."""
    outputs = values.get("output")
    if outputs == ():
        yield "--output is empty: give at least one file, such as json=/membership/members.json."
    paths = [str(output.path) for output in outputs or ()]
    for path in dict.fromkeys(path for path in paths if paths.count(path) > 1):
        yield f"--output names {path} twice: give each output a file of its own."


def _members(values: Values) -> Iterator[str]:
    """About who the members are."""
    services, selector, source = values.get("service"), values.get("selector"), values.get("source")
    if values.get("field_selector") and not selector:
        yield "--field-selector needs --selector: it narrows down the selected pods."
    if services is None or source is None:
        return
    if services and selector:
        yield "--service and --selector cannot be combined: members are the endpoints of Services, or selected pods."
    if source == "pods" and not selector:
        yield "--source pods needs --selector, which says which pods are the members."
    if selector and source not in {"auto", "pods"}:
        yield f"--selector cannot be combined with --source {source}, which knows no pods: leave one of them out."
    if source != "pods" and not services and not selector:
        yield "--service is missing: name the Service whose endpoints are the members, or choose pods with --selector."


def _dns(values: Values) -> Iterator[str]:
    """About what DNS cannot know."""
    if values.get("source") != "dns":
        return
    namespaces = {service.namespace or values["namespace"] for service in values.get("service", ())}
    if ALL_NAMESPACES in namespaces:
        yield "--source dns cannot follow all namespaces (*): name each namespace."
    if (min_members := values.get("min_members")) and min_members.relative:
        yield (
            f"--min-members {min_members} cannot be combined with --source dns, which does not know the number of"
            " replicas: give a number."
        )


def _own_pod(values: Values) -> Iterator[str]:
    """About the sidecar's own pod, which must be known."""
    own_pod, min_members = values.get("own_pod"), values.get("min_members")
    if own_pod == "require" and "source" in values and not _own_pod_is_known(values):
        needed = "--pod-ip" if values["source"] == "dns" else "--pod-uid or --pod-name"
        yield f"--self require needs {needed} from the downward API: without it, no member is the own pod."
    if own_pod == "exclude" and values.get("seed") == "oldest":
        yield "--seed oldest cannot be combined with --self exclude: a server could not see that it is the seed."
    if min_members and min_members.relative and not values.get("pod_name"):
        yield (
            f"--min-members {min_members} needs --pod-name from the downward API: without it, nobody knows whose"
            " replicas are meant."
        )
    if own_pod == "exclude" and min_members and min_members.percent == ALL_REPLICAS:
        yield (
            f"--min-members {min_members} cannot be combined with --self exclude: the own pod is one of the replicas,"
            " so that one is always missing."
        )


def _own_pod_is_known(values: Values) -> bool:
    """Whether the source can recognize the own pod: DNS by its address only, all others by its UID or name."""
    fields = ("pod_ip",) if values["source"] == "dns" else ("pod_uid", "pod_name")
    return any(values.get(field) for field in fields)


def _pods(values: Values) -> Iterator[str]:
    """About what only pods have, compared with the own one."""
    for field, flag in (("split", "--split"), ("cluster_id", "--cluster-id")):
        if values.get(field, "") in {"", "off"}:
            continue
        if not values.get("selector"):
            yield f"{flag} needs --selector: only pods have labels."
        elif not values.get("pod_uid") and not values.get("pod_name"):
            yield f"{flag} needs --pod-uid or --pod-name from the downward API, to compare other pods with the own one."


def _waits(values: Values) -> Iterator[str]:
    """About waiting times."""
    settle, settle_max = values.get("settle"), values.get("settle_max")
    if settle is not None and settle_max is not None and settle_max < settle:
        yield "--settle-max is shorter than --settle: make it at least as long."
    stable_for, start_timeout = values.get("stable_for"), values.get("start_timeout")
    exits = values.get("start_outcome") == "exit"
    if exits and stable_for and start_timeout is not None and stable_for >= start_timeout:
        yield (
            "--stable-for must be shorter than --start-timeout with --start-outcome exit: otherwise the first file is"
            " never published."
        )
