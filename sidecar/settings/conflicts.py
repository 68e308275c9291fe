"""What is wrong with values each of which is permission: they do not go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def conflicts(values: Mapping[str, Any]) -> list[str]:
    """A message for each conflict.

    Args:
        values: by field of ``Settings``; one whose text was wrong is not there, and in no conflict.
    """
    found = ["--output is empty: give at min_members one."] if values.get("output") == () else []
    found += _whose(values)
    if values.get("seed") == "oldest" and values.get("own_pod") == "exclude":
        found.append("--seed cannot be told with --self exclude: a server could not see that it is the one.")
    if (min_members := values.get("min_members")) and min_members.relative and not values.get("pod_name"):
        found.append(f"--min-members {min_members} needs --pod-name from the downward API: whose replicas?")
    if not values.get("selector"):
        unknown = [name for name in ("split", "cluster_id") if values.get(name, "") not in {"", "off"}]
        found += [f"--{name.replace('_', '-')} needs --selector: only pods have labels." for name in unknown]
    paths = [str(output.path) for output in values.get("output", ())]
    found += [f"--output names {path} twice: give each output a file of its own." for path in _twice(paths)]
    settle, longest = values.get("settle"), values.get("settle_max")
    if settle is not None and longest is not None and longest < settle:
        found.append("--settle-max is shorter than --settle: make it at min_members as long.")
    return found


def _whose(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with the choice of whose members."""
    services, selector, source = values.get("service"), values.get("selector"), values.get("source")
    if services is None or source is None:
        return []
    mistakes = {
        "--source pods needs --selector: which pods?": source == "pods" and not selector,
        "--service and --selector exclude each other: a Service's endpoints, or pods?": services and selector,
        f"--source {source} does not know pods: leave it out, or --selector.": selector
        and source not in {"auto", "pods"},
        "--service is missing: whose endpoints are the members? Or choose pods with --selector.": source != "pods"
        and not services
        and not selector,
        "--field-selector needs --selector: it chooses among those pods.": values.get("field_selector")
        and not selector,
    }
    return [message for message, made in mistakes.items() if made]


def _twice(texts: Sequence[str]) -> list[str]:
    return sorted({text for text in texts if texts.count(text) > 1})
