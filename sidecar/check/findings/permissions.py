"""Which permissions a source needs, and how the API server is asked whether they are granted.

Pure: ``probes.api`` makes the requests, and ``roles`` judges the answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from sidecar.sources.kubernetes.explanations import qualified
from sidecar.sources.kubernetes.objects import EVERYWHERE

if TYPE_CHECKING:
    from collections.abc import Iterable

NEEDED = ("list", "watch")
"""The verbs that every source needs."""

_RESOURCES = {
    "endpointslice": ("discovery.k8s.io", "endpointslices"),
    "endpoints": ("", "endpoints"),
    "pods": ("", "pods"),
}
"""API group and resource, by source."""


class Permission(NamedTuple):
    """The permission to follow a collection."""

    api_group: str
    resource: str
    namespace: str
    """Empty for all."""
    names: tuple[str, ...] = ()
    """The objects that it is about; empty for all objects."""

    @property
    def subject(self) -> str:
        """What findings call it."""
        where = f"in {self.namespace}" if self.namespace else "in all namespaces"
        return f"permissions {qualified(self.resource, self.api_group)} {where}"


class Question(NamedTuple):
    """Whether one verb is allowed."""

    permission: Permission
    verb: str
    name: str = ""

    @property
    def body(self) -> bytes:
        """A SelfSubjectAccessReview (authorization.k8s.io/v1), which every user may create (``system:basic-user``)."""
        attributes = {
            "namespace": self.permission.namespace,
            "verb": self.verb,
            "group": self.permission.api_group,
            "resource": self.permission.resource,
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
"""A SelfSubjectReview: who is asking (authentication.k8s.io/v1, since Kubernetes 1.28)."""


def is_allowed(body: bytes) -> bool:
    """The verdict of a SelfSubjectAccessReview.

    Raises:
        msgspec.MsgspecError: if *body* is something else.
    """
    return msgspec.json.decode(body, type=_Review).status.allowed


def username(body: bytes) -> str:
    """The user of a SelfSubjectReview.

    Raises:
        msgspec.MsgspecError: if *body* is something else.
    """
    return msgspec.json.decode(body, type=_UserReview).status.user_info.username


def needed(source: str, names: Iterable[tuple[str, str]]) -> list[Permission]:
    """The permissions that a source needs; none for ``dns``.

    Args:
        source: ``endpointslice``, ``endpoints``, ``pods`` or ``dns``.
        names: namespace (``*`` for all) and Service of what it follows; the Service is empty for pods.
    """
    if source not in _RESOURCES:
        return []
    by_namespace: dict[str, set[str]] = {}
    for namespace, name in names:
        by_namespace.setdefault(namespace, set()).add(name)
    return [
        Permission(
            *_RESOURCES[source],
            namespace.replace(EVERYWHERE, ""),
            tuple(sorted(found)) if source == "endpoints" else (),
        )
        for namespace, found in sorted(by_namespace.items())
    ]


def questions(permission: Permission) -> list[Question]:
    """The questions to ask about a permission: each verb, on each object if it is about certain objects."""
    return [Question(permission, verb, name) for name in permission.names or ("",) for verb in NEEDED]
