"""From the method and path of a request to its verb and object. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.simulator import status
from sidecar.simulator.resources import RESOURCES, Resource
from sidecar.simulator.status import RefusedError

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>v[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+))?/(?P<resource>[^/]+)(?:/(?P<name>[^/]+))?",
)
_GROUPS = {resource.group for resource in RESOURCES.values()}
_VERBS = {
    ("GET", False): "list",
    ("GET", True): "get",
    ("POST", False): "create",
    ("PUT", True): "update",
    ("DELETE", True): "delete",
}
"""By method and by whether the path names a single object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a request is about."""

    verb: str
    resource: Resource
    namespace: str | None
    name: str | None
    query: Mapping[str, str]


def route(method: str, path: str, query: Mapping[str, str]) -> Target | None:
    """What a request is about; None if this server does not have the API group.

    Raises:
        RefusedError: The group does not have the resource, or the resource does not allow the method.
    """
    match = _PATH.fullmatch(path)
    group = match and (match["group"] or "")
    if match is None or group not in _GROUPS:
        return None
    resource = RESOURCES.get(match["resource"])
    namespace, name = match["namespace"], match["name"]
    if resource is None or resource.group != group or match["version"] != "v1" or (name and not namespace):
        raise RefusedError(status.no_such_resource())
    verb = _VERBS.get((method, name is not None))
    if verb is None:
        raise RefusedError(status.method_not_allowed())
    if verb == "list" and is_true(query, "watch"):
        verb = "watch"
    return Target(verb=verb, resource=resource, namespace=namespace, name=name, query=query)


def is_true(query: Mapping[str, str], name: str) -> bool:
    """Whether a boolean parameter is true: any value, even an empty one, except 0 and false."""
    return query.get(name, "false").lower() not in ("0", "false")
