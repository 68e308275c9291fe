"""The four resources that the simulator serves, as one table.

Everything that differs between them is a value here: the path, the kind, the fields that a field selector may use, and
the form of a bookmark. A fifth resource is a fifth row. No behaviour belongs in this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]
"""A Kubernetes object as JSON. An object in the store is shared by all readers and must not be changed."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Resource:
    """One kind of object that the server has."""

    name: str
    """Plural, lower case: the last part of the collection's path."""

    kind: str
    group: str = ""
    """Empty for the core group."""

    fields: tuple[str, ...] = ()
    """The fields that a selector may use besides metadata.name and metadata.namespace."""

    blank: Mapping[str, object] = field(default_factory=dict)
    """The fields that the server writes for an empty object: the body of a bookmark."""

    generation: tuple[str, ...] = ()
    """The parts whose change increments metadata.generation; if empty, objects have no generation."""

    warning: str = ""
    """The Warning header of every response about this resource."""

    put_creates: bool = False
    """Whether PUT creates an object that does not exist."""

    deletion_answers_object: bool = False
    """Whether DELETE responds with the deleted object instead of a Status."""

    @property
    def api_version(self) -> str:
        """The apiVersion of its objects."""
        return f"{self.group}/v1" if self.group else "v1"

    @property
    def qualified(self) -> str:
        """The name that error messages use."""
        return f"{self.name}.{self.group}" if self.group else self.name


RESOURCES: Mapping[str, Resource] = {
    resource.name: resource
    for resource in (
        Resource(
            name="endpointslices",
            kind="EndpointSlice",
            group="discovery.k8s.io",
            blank={"addressType": "", "endpoints": None, "ports": None},
            generation=("endpoints", "ports", "metadata.labels"),
        ),
        Resource(
            name="endpoints",
            kind="Endpoints",
            warning='299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"',
            put_creates=True,
        ),
        Resource(
            name="pods",
            kind="Pod",
            fields=("spec.nodeName", "spec.serviceAccountName", "status.phase", "status.podIP"),
            blank={"spec": {"containers": None}, "status": {}},
            generation=("spec",),
            deletion_answers_object=True,
        ),
        Resource(
            name="services",
            kind="Service",
            fields=("spec.clusterIP", "spec.type"),
            blank={"spec": {}, "status": {"loadBalancer": {}}},
            deletion_answers_object=True,
        ),
    )
}


def value_at(obj: Object, path: str) -> object:
    """The value at a dotted path; None if there is none."""
    value: object = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
