"""Values that are valid on their own and cannot be combined: one message each, before anything is started."""

from __future__ import annotations

import pytest

from sidecar.cli import parse
from tests.settings.given import MINIMAL, problems

PODS: dict[str, object] = {"service": [""], "selector": ["app=web"]}
DNS: dict[str, object] = {"source": ["dns"]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"output": [""]}, "--output is empty: give at least one file, such as json=/membership/members.json."),
        ({"output": ["json=/m/a", "jgroups=/m/a"]}, "--output names /m/a twice: give each output a file of its own."),
        (
            {"service": [""]},
            "--service is missing: name the Service whose endpoints are the members, or choose pods with --selector.",
        ),
        (
            {"selector": ["app=web"]},
            "--service and --selector cannot be combined: members are the endpoints of Services, or selected pods.",
        ),
        (
            {"service": [""], "source": ["pods"]},
            "--source pods needs --selector, which says which pods are the members.",
        ),
        (
            PODS | DNS,
            "--selector cannot be combined with --source dns, which knows no pods: leave one of them out.",
        ),
        ({"field_selector": ["a=b"]}, "--field-selector needs --selector: it narrows down the selected pods."),
        ({"split": ["auto"]}, "--split needs --selector: only pods have labels."),
        ({"cluster_id": ["c"]}, "--cluster-id needs --selector: only pods have labels."),
        ({"settle": ["2s"]}, "--settle-max is shorter than --settle: make it at least as long."),
        (
            {"seed": ["oldest"], "own_pod": ["exclude"]},
            "--seed oldest cannot be combined with --self exclude: a server could not see that it is the seed.",
        ),
    ],
)
def test_a_contradiction_is_an_error(arguments: dict[str, object], message: str) -> None:
    """What cannot be combined, and what to do instead."""
    assert problems(MINIMAL | arguments) == [message]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (PODS | {"split": ["auto"]}, "--split needs --pod-uid or --pod-name from the downward API, to compare"),
        (PODS | {"split": ["owner"], "split_unknown": ["open"]}, "--split needs --pod-uid or --pod-name"),
        (PODS | {"split": ["auto"], "pod_ip": ["10.0.0.1"]}, "--split needs --pod-uid or --pod-name"),
        (PODS | {"cluster_id": ["c"]}, "--cluster-id needs --pod-uid or --pod-name from the downward API, to compare"),
        ({"own_pod": ["require"]}, "--self require needs --pod-uid or --pod-name from the downward API"),
        ({"own_pod": ["require"], "pod_ip": ["10.0.0.1"]}, "--self require needs --pod-uid or --pod-name"),
        (DNS | {"own_pod": ["require"], "pod_uid": ["u"]}, "--self require needs --pod-ip from the downward API"),
        ({"min_members": ["replicas"]}, "--min-members replicas needs --pod-name from the downward API"),
        ({"min_members": ["50%"], "pod_uid": ["u"]}, "--min-members 50% needs --pod-name from the downward API"),
        (
            {"own_pod": ["exclude"], "min_members": ["replicas"], "pod_name": ["p"]},
            "--min-members replicas cannot be combined with --self exclude: the own pod is one of the replicas",
        ),
        (
            DNS | {"min_members": ["replicas"], "pod_name": ["p"]},
            "--min-members replicas cannot be combined with --source dns, which does not know the number of replicas",
        ),
        (DNS | {"min_members": ["50%"], "pod_name": ["p"]}, "--min-members 50% cannot be combined with --source dns"),
        (DNS | {"service": ["app.*"]}, "--source dns cannot follow all namespaces (*): name each namespace."),
        (DNS | {"namespace": ["*"]}, "--source dns cannot follow all namespaces (*): name each namespace."),
        (
            {"stable_for": ["5m"], "start_outcome": ["exit"]},
            "--stable-for must be shorter than --start-timeout with --start-outcome exit",
        ),
    ],
)
def test_what_could_only_wait_is_an_error(arguments: dict[str, object], message: str) -> None:
    """At the start, and not when the start timeout has passed."""
    (found,) = problems(MINIMAL | arguments)
    assert found.startswith(message)


@pytest.mark.parametrize(
    "arguments",
    [
        PODS | {"split": ["auto"], "pod_uid": ["u"]},
        PODS | {"split": ["auto"], "cluster_id": ["c"], "pod_name": ["p"]},
        {"own_pod": ["require"], "pod_name": ["p"]},
        DNS | {"own_pod": ["require"], "pod_ip": ["10.0.0.1"]},
        {"own_pod": ["exclude"], "min_members": ["50%"], "pod_name": ["p"]},
        {"own_pod": ["exclude"], "min_members": ["3"]},
        DNS | {"min_members": ["3"], "namespace": ["*"], "service": ["app.prod"]},
        {"min_members": ["replicas"], "pod_name": ["p"]},
        {"stable_for": ["4m"], "start_outcome": ["exit"]},
        {"stable_for": ["5m"]},
        {"start_timeout": ["0s"], "start_outcome": ["exit"]},
        PODS | {"source": ["pods"]},
        {"settle": ["1s"]},
        {"seed": ["oldest"], "own_pod": ["require"], "pod_uid": ["u"]},
    ],
)
def test_what_can_be_satisfied_is_not_an_error(arguments: dict[str, object]) -> None:
    """The same options, with what they need."""
    parse(MINIMAL | arguments, {})


@pytest.mark.parametrize(
    "arguments",
    [
        {"source": ["etcd"], "own_pod": ["require"]},
        PODS | {"source": ["etcd"]},
        {"service": ["A"], "source": ["dns"]},
        {"own_pod": ["exclude"], "min_members": ["few"]},
        {"settle": ["2"], "settle_max": ["0s"]},
        {"settle": ["2s"], "settle_max": ["1"]},
        {"stable_for": ["1"], "start_outcome": ["exit"]},
        {"stable_for": ["1s"], "start_timeout": ["1"], "start_outcome": ["exit"]},
    ],
)
def test_a_value_that_could_not_be_read_is_in_no_conflict(arguments: dict[str, object]) -> None:
    """One error is reported, not two."""
    assert len(problems(MINIMAL | arguments)) == 1
