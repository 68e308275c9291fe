"""What follows from missing permissions: a Role, ready to be applied.

Pure. The rules are those of ``deploy/rbac``. Only a source that follows all namespaces needs a ClusterRole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from sidecar.check.findings.finding import Finding
from sidecar.sources.kubernetes import explanations
from sidecar.sources.kubernetes.explanations import SERVICE_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sidecar.check.findings.permissions import Permission, Question

GRANTED = ("get", "list", "watch")
"""The verbs of the Role: ``get`` is for people with kubectl."""

RBAC = "rbac.authorization.k8s.io"

NAME = "membership-sidecar"
"""The beginning of the names of the Role and its binding."""


def judge(permission: Permission, denied: Sequence[Question], user: str) -> Finding:
    """The finding about a permission.

    Args:
        permission: that the source needs.
        denied: the questions about it that were answered with no.
        user: the identity that the API server sees; empty if that is not known.
    """
    who = explanations.subject(user) if user else "this user"
    if not denied:
        return Finding("ok", permission.subject, f"{_capital(who)} may list and watch {permission.resource}.")
    verbs = " and ".join(dict.fromkeys(question.verb for question in denied))
    names = ", ".join(dict.fromkeys(question.name for question in denied if question.name))
    objects = f"{permission.resource} {names}".rstrip()
    kind = "Role" if permission.namespace else "ClusterRole"
    return Finding(
        "error",
        permission.subject,
        f"{_capital(who)} may not {verbs} {objects}.",
        f"Apply the {kind} and the {kind}Binding that are printed with this report.",
        role(permission, user),
    )


def role(permission: Permission, user: str) -> str:
    """A Role and a RoleBinding that grant *permission* to *user*; for all namespaces, a ClusterRole and its binding."""
    prefix = "" if permission.namespace else "Cluster"
    subject = _rbac_subject(user, permission.namespace)
    name = _name(permission, subject)
    metadata = {"name": name, **({"namespace": permission.namespace} if permission.namespace else {})}
    granted = {"apiVersion": f"{RBAC}/v1", "kind": f"{prefix}Role", "metadata": metadata, "rules": [_rule(permission)]}
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": f"{prefix}RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": f"{prefix}Role", "name": name},
        "subjects": [subject],
    }
    return "".join(f"---\n{_yaml(document)}" for document in (granted, binding))


def _name(permission: Permission, subject: dict[str, str]) -> str:
    """The name of both: one per resource and account, so that applying them takes nothing from anybody else."""
    parts = [NAME]
    if permission.resource != "endpointslices":
        parts.append(permission.resource)
    if subject["kind"] == "ServiceAccount":
        parts += [subject["namespace"]] if subject["namespace"] != permission.namespace else []
        parts.append(subject["name"])
    return "-".join(parts)


def _rule(permission: Permission) -> dict[str, list[str]]:
    names = {"resourceNames": list(permission.names)} if permission.names else {}
    return {"apiGroups": [permission.api_group], "resources": [permission.resource], **names, "verbs": list(GRANTED)}


def _rbac_subject(user: str, namespace: str) -> dict[str, str]:
    if user and not user.startswith(SERVICE_ACCOUNT):
        return {"apiGroup": RBAC, "kind": "User", "name": user}
    of, _, name = user.removeprefix(SERVICE_ACCOUNT).partition(":")
    return {"kind": "ServiceAccount", "name": name or "default", "namespace": of or namespace or "default"}


def _yaml(document: dict[str, Any]) -> str:
    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            del data
            return True  # an anchor for what both documents share would be hard to read

    return yaml.dump(document, Dumper=Plain, sort_keys=False)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
