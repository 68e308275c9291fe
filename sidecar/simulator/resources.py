"""The four resources that the simulator serves, as one table.

Everything that differs between them is a value here: the path, the kind, the fields that a field selector may name, and
what a bookmark of that kind looks like. A fifth resource is a fifth row. No behaviour belongs in this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]
"""A Kubernetes object as JSON. Once it is in the store it is shared by everyone who reads it: nobody changes it."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Resource:
    """One kind of object that the server knows."""

    name: str
    """Plural, lower case: the last part of the collection's path."""

    kind: str
    group: str = ""
    """Empty for the core group."""

    fields: tuple[str, ...] = ()
    """What a field selector may name besides metadata.name and metadata.namespace."""

    blank: Mapping[str, object] = field(default_factory=dict)
    """What the server writes for an object with nothing in it: the body of a bookmark."""

    generation: tuple[str, ...] = ()
    """The parts whose change raises metadata.generation; none: it has no generation."""

    warning: str = ""
    """What every answer about it warns of."""

    put_creates: bool = False
    """Whether PUT creates what is not there."""

    deletion_answers_object: bool = False
    """Whether DELETE answers with what was deleted instead of a Status."""

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
    """What is at a dotted path; None if nothing is."""
    value: object = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
