"""What a selector selects; more cases than the contract test tries on a real server."""

import pytest

from sidecar.simulator.resources import RESOURCES, Object
from sidecar.simulator.selectors import BadSelectorError, select

PODS = RESOURCES["pods"]
POD: Object = {
    "metadata": {"name": "app-0", "namespace": "default", "labels": {"app": "a", "index": "7"}},
    "spec": {"nodeName": "node-1"},
    "status": {"phase": "Running"},
}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("", True),
        ("app=a", True),
        ("app == a", True),
        ("app=b", False),
        ("app!=b", True),
        ("tier!=b", True),
        ("app in (b, a)", True),
        ("app in (b)", False),
        ("app notin (b)", True),
        ("tier notin (b)", True),
        ("app", True),
        ("!app", False),
        ("! tier", True),
        ("index>6", True),
        ("index<6", False),
        ("app>6", False),
        ("app=a,index in (6,7),!tier", True),
        ("app=a,tier", False),
    ],
)
def test_labels(selector: str, selected: bool) -> None:
    """Every operator, alone and together."""
    assert (POD in select(PODS, labels=selector)) is selected


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("metadata.name=app-0", True),
        ("metadata.namespace=other", False),
        ("spec.nodeName=node-1,status.phase!=Failed", True),
        ("spec.nodeName=", False),
        ("status.podIP=", True),
    ],
)
def test_fields(selector: str, selected: bool) -> None:
    """A missing field is empty."""
    assert (POD in select(PODS, fields=selector)) is selected


@pytest.mark.parametrize("namespace", [None, "default"])
def test_without_a_namespace_all_namespaces_are_selected(namespace: str | None) -> None:
    """A collection belongs to one namespace or to all."""
    assert POD in select(PODS, namespace)
    assert POD not in select(PODS, "other")


@pytest.mark.parametrize("selector", ["a=(b", "a in b", "=a", "a in (b", "a b"])
def test_invalid_label_selectors_are_refused(selector: str) -> None:
    """They are not ignored."""
    with pytest.raises(BadSelectorError, match="unable to parse requirement"):
        select(PODS, labels=selector)


@pytest.mark.parametrize("selector", ["spec.containers=x", "metadata.name", "metadata.name in (a)"])
def test_invalid_field_selectors_are_refused(selector: str) -> None:
    """Also fields without an index, and operators that only label selectors have."""
    with pytest.raises(BadSelectorError):
        select(PODS, fields=selector)
