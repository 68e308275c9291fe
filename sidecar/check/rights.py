"""Which verbs on which resources the source needs, and the Role that grants them.

Pure. A Role is namespaced, and so is each right here; only a source that follows all namespaces needs a ClusterRole.
The Roles are those of ``deploy/rbac``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import yaml

from sidecar.check.findings import Finding
from sidecar.sources.sentences import SERVICE_ACCOUNT, qualified, subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NEEDED = ("list", "watch")
"""The verbs without which nothing works."""

GRANTED = ("get", "list", "watch")
"""The verbs of the Role: ``get`` is for people with kubectl."""

RBAC = "rbac.authorization.k8s.io"

NAME = "membership-sidecar"
"""Of the Role and of its binding."""

_RESOURCES = {
    "endpointslice": ("discovery.k8s.io", "endpointslices"),
    "endpoints": ("", "endpoints"),
    "pods": ("", "pods"),
}
"""API group and resource, by source."""


class Right(NamedTuple):
    """To follow a collection."""

    group: str
    resource: str
    namespace: str
    """Empty for all."""
    names: tuple[str, ...] = ()
    """If it is only about the objects of these names."""

    @property
    def subject(self) -> str:
        """As findings name it."""
        return f"rights {self._what}"

    @property
    def _what(self) -> str:
        return f"{qualified(self.resource, self.group)} {f'in {self.namespace}' if self.namespace else 'everywhere'}"

    @property
    def rule(self) -> dict[str, list[str]]:
        """A PolicyRule."""
        names = {"resourceNames": list(self.names)} if self.names else {}
        return {"apiGroups": [self.group], "resources": [self.resource], **names, "verbs": list(GRANTED)}


class Question(NamedTuple):
    """Whether one verb is allowed."""

    right: Right
    verb: str
    name: str = ""

    @property
    def body(self) -> bytes:
        """A SelfSubjectAccessReview (authorization.k8s.io/v1), which every user may ask for (``system:basic-user``)."""
        attributes = {
            "namespace": self.right.namespace,
            "verb": self.verb,
            "group": self.right.group,
            "resource": self.right.resource,
            "name": self.name,
        }
        return msgspec.json.encode(
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": attributes},
            }
        )


class _Verdict(msgspec.Struct):
    allowed: bool = False


class _Review(msgspec.Struct):
    status: _Verdict


class _User(msgspec.Struct):
    username: str = ""


class _UserStatus(msgspec.Struct, rename="camel"):
    user_info: _User


class _UserReview(msgspec.Struct):
    status: _UserStatus


WHOAMI = b'{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}'
"""The question who is asking (authentication.k8s.io/v1, since Kubernetes 1.28)."""


def is_allowed(body: bytes) -> bool:
    """The verdict of a SelfSubjectAccessReview.

    Raises:
        msgspec.MsgspecError: if *body* is none.
    """
    return msgspec.json.decode(body, type=_Review).status.allowed


def username(body: bytes) -> str:
    """The user of a SelfSubjectReview.

    Raises:
        msgspec.MsgspecError: if *body* is none.
    """
    return msgspec.json.decode(body, type=_UserReview).status.user_info.username


def needed(source: str, names: Iterable[tuple[str, str]]) -> list[Right]:
    """The rights that a source needs, none for ``dns``.

    Args:
        source: ``endpointslice``, ``endpoints``, ``pods`` or ``dns``.
        names: namespace (empty for all) and Service of what it follows; for pods, the Service is empty.
    """
    if source not in _RESOURCES:
        return []
    by_namespace: dict[str, set[str]] = {}
    for namespace, name in names:
        by_namespace.setdefault(namespace, set()).add(name)
    return [
        Right(*_RESOURCES[source], namespace, tuple(sorted(found)) if source == "endpoints" else ())
        for namespace, found in sorted(by_namespace.items())
    ]


def questions(right: Right) -> list[Question]:
    """What to ask of a right: each verb, on each object where it is about objects."""
    return [Question(right, verb, name) for name in right.names or ("",) for verb in NEEDED]


def judge(right: Right, denied: Sequence[Question], user: str) -> Finding:
    """What there is to say of a right.

    Args:
        right: that the source needs.
        denied: the questions about it that were answered with no.
        user: who asks; empty if that is not known.
    """
    who = subject(user) if user else "this user"
    if not denied:
        return Finding("ok", right.subject, f"{_capital(who)} may list and watch what the source follows.")
    verbs = " and ".join(dict.fromkeys(question.verb for question in denied))
    names = ", ".join(dict.fromkeys(question.name for question in denied if question.name))
    kind = "Role" if right.namespace else "ClusterRole"
    return Finding(
        "error",
        right.subject,
        f"{_capital(who)} may not {verbs} {names or 'them'}.",
        f"Apply the {kind} and the {kind}Binding that are printed here.",
        role(right, user),
    )


def role(right: Right, user: str) -> str:
    """A Role and a RoleBinding that grant *right* to *user*; of all namespaces, a ClusterRole and its binding."""
    prefix = "" if right.namespace else "Cluster"
    metadata = {"name": NAME, **({"namespace": right.namespace} if right.namespace else {})}
    granted = {"apiVersion": f"{RBAC}/v1", "kind": f"{prefix}Role", "metadata": metadata, "rules": [right.rule]}
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": f"{prefix}RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": f"{prefix}Role", "name": NAME},
        "subjects": [_rbac_subject(user, right.namespace)],
    }
    return "".join(f"---\n{_yaml(document)}" for document in (granted, binding))


def _rbac_subject(user: str, namespace: str) -> dict[str, str]:
    if user and not user.startswith(SERVICE_ACCOUNT):
        return {"apiGroup": RBAC, "kind": "User", "name": user}
    of, _, name = user.removeprefix(SERVICE_ACCOUNT).partition(":")
    return {"kind": "ServiceAccount", "name": name or "default", "namespace": of or namespace or "default"}


def _yaml(document: dict[str, Any]) -> str:
    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            del data
            return True  # an anchor for what two documents share would be a riddle

    return yaml.dump(document, Dumper=Plain, sort_keys=False)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
