"""The Role that is printed for a missing permission: ready to be applied, and for the right account."""

from __future__ import annotations

import pytest
import yaml

from sidecar.check.findings import roles
from sidecar.check.findings.permissions import Permission, Question
from tests.check.findings.given import ACCOUNT, SLICES, WHO


def test_the_role_is_for_the_account_that_asked() -> None:
    """Names, namespace, verbs and subject."""
    role, binding = yaml.safe_load_all(roles.role(Permission("", "endpoints", "prod", ("app",)), ACCOUNT))
    metadata = {"name": "membership-sidecar-endpoints-apps-sidecar", "namespace": "prod"}
    rule = {"apiGroups": [""], "resources": ["endpoints"], "resourceNames": ["app"], "verbs": ["get", "list", "watch"]}
    assert role == {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata,
        "rules": [rule],
    }
    assert binding == {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Role",
            "name": "membership-sidecar-endpoints-apps-sidecar",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "sidecar", "namespace": "apps"}],
    }


def test_all_namespaces_take_a_cluster_role() -> None:
    """And its binding."""
    permission = Permission("", "pods", "")
    documents = list(yaml.safe_load_all(roles.role(permission, ACCOUNT)))
    assert [document["kind"] for document in documents] == ["ClusterRole", "ClusterRoleBinding"]
    assert documents[0]["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    assert all("namespace" not in document["metadata"] for document in documents)
    finding = roles.judge(permission, [Question(permission, "list")], ACCOUNT)
    assert finding.remedy == "Apply the ClusterRole and the ClusterRoleBinding that are printed with this report."


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("", {"kind": "ServiceAccount", "name": "default", "namespace": "prod"}),
        ("system:serviceaccount:a:b", {"kind": "ServiceAccount", "name": "b", "namespace": "a"}),
        ("jane", {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}),
    ],
)
def test_the_role_is_bound_to_whoever_asked(user: str, subject: dict[str, str]) -> None:
    """A person, or the default service account if the API server does not say who."""
    _, binding = yaml.safe_load_all(roles.role(SLICES, user))
    assert binding["subjects"] == [subject]


def test_for_all_namespaces_an_unknown_account_is_the_default_one() -> None:
    """In the namespace default, for somebody to correct."""
    _, binding = yaml.safe_load_all(roles.role(Permission("", "pods", ""), ""))
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}]


def test_the_role_is_written_as_people_write_it() -> None:
    """Keys in the usual order, and no anchors."""
    text = roles.role(SLICES, ACCOUNT)
    keys = [line.partition(":")[0] for line in text.splitlines() if line[0] not in " -"]
    assert keys == ["apiVersion", "kind", "metadata", "rules", "apiVersion", "kind", "metadata", "roleRef", "subjects"]
    assert "&" not in text


@pytest.mark.parametrize(
    ("permission", "user", "name"),
    [
        (SLICES, "", "membership-sidecar-default"),
        (SLICES, "system:serviceaccount:prod:app", "membership-sidecar-app"),
        (SLICES, ACCOUNT, "membership-sidecar-apps-sidecar"),
        (SLICES, "jane", "membership-sidecar"),
        (Permission("", "pods", "prod"), "system:serviceaccount:prod:app", "membership-sidecar-pods-app"),
    ],
)
def test_applying_a_role_takes_nothing_from_anybody_else(permission: Permission, user: str, name: str) -> None:
    """Another account's binding in the same namespace has another name."""
    documents = list(yaml.safe_load_all(roles.role(permission, user)))
    assert [document["metadata"]["name"] for document in documents] == [name, name]
    assert documents[1]["roleRef"]["name"] == name


def test_a_missing_permission_names_verbs_objects_and_account() -> None:
    """With the Role that grants it."""
    permission = Permission("", "endpoints", "prod", ("app", "web"))
    denied = [Question(permission, "watch", "app"), Question(permission, "watch", "web")]
    finding = roles.judge(permission, denied, ACCOUNT)
    assert finding[:3] == ("error", "permissions endpoints in prod", f"{WHO} may not watch endpoints app, web.")
    assert finding.remedy == "Apply the Role and the RoleBinding that are printed with this report."
    assert finding.manifest == roles.role(permission, ACCOUNT)


def test_a_permission_that_is_granted_is_ok() -> None:
    """Whoever asks."""
    expected = ("ok", SLICES.subject, "This user may list and watch endpointslices.")
    assert roles.judge(SLICES, [], "")[:3] == expected
