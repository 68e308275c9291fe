"""Label and field selectors: parses the text in a query and decides whether an object matches.

The grammar is the API server's: ``a=b``, ``a==b``, ``a!=b``, ``a>1``, ``a<1``, ``a in (b,c)``, ``a notin (b,c)``,
``a``, ``!a``, joined by commas; field selectors have equality only. The negative forms also match objects without the
label. Pure.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sidecar.simulator.resources import Object, Resource, value_at

_COMMAS_OUTSIDE_PARENTHESES = re.compile(r",(?![^(]*\))")
_KEY = r"(?P<key>[A-Za-z0-9][-A-Za-z0-9_./]*)"
_COMPARISON = re.compile(rf"{_KEY}\s*(?P<operator>==|=|!=)\s*(?P<value>[-A-Za-z0-9_.:]*)")
_REQUIREMENTS = (
    re.compile(rf"(?P<absent>!)\s*{_KEY}"),
    _COMPARISON,
    re.compile(rf"{_KEY}\s*(?P<operator>[<>])\s*(?P<value>[0-9]+)"),
    re.compile(rf"{_KEY}\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)"),
    re.compile(_KEY),
)
_ALWAYS_SELECTABLE = ("metadata.name", "metadata.namespace")

Requirement: TypeAlias = Callable[[Mapping[str, str]], bool]


class BadSelectorError(ValueError):
    """The selector in the request is invalid."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The objects of a collection that a request selects."""

    namespace: str | None = None
    """None: all namespaces."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()
    field_names: tuple[str, ...] = ()

    @property
    def whole_collection(self) -> bool:
        """Whether there is no selector."""
        return not self.labels and not self.fields

    def __contains__(self, obj: Object) -> bool:
        metadata = obj["metadata"]
        if self.namespace is not None and metadata["namespace"] != self.namespace:
            return False
        labels: Mapping[str, str] = metadata.get("labels") or {}
        if not all(holds(labels) for holds in self.labels):
            return False
        values = {name: field_of(obj, name) for name in self.field_names}
        return all(holds(values) for holds in self.fields)


def select(resource: Resource, namespace: str | None = None, labels: str = "", fields: str = "") -> Selection:
    """Parse the selectors of one request.

    Raises:
        BadSelectorError: A selector cannot be parsed, or names a field that this resource does not index.
    """
    on_labels = [_label_requirement(part) for part in _parts(labels)]
    on_fields = [_field_requirement(resource, part) for part in _parts(fields)]
    return Selection(
        namespace,
        tuple(requirement for _, requirement in on_labels),
        tuple(requirement for _, requirement in on_fields),
        tuple(name for name, _ in on_fields),
    )


def _parts(text: str) -> Iterator[str]:
    return filter(None, map(str.strip, _COMMAS_OUTSIDE_PARENTHESES.split(text)))


def _field_requirement(resource: Resource, part: str) -> tuple[str, Requirement]:
    match = _COMPARISON.fullmatch(part)
    if match is None:
        raise BadSelectorError(f"invalid selector: '{part}'; can't understand '{part}'")
    if match["key"] not in (*_ALWAYS_SELECTABLE, *resource.fields):
        raise BadSelectorError(_unknown_field(resource, match["key"]))
    return match["key"], _requirement(match)


def _unknown_field(resource: Resource, name: str) -> str:
    if resource.fields:
        return f"field label not supported: {name}"
    return f'"{name}" is not a known field selector: only "metadata.name", "metadata.namespace"'


def _label_requirement(part: str) -> tuple[str, Requirement]:
    match = next(filter(None, (pattern.fullmatch(part) for pattern in _REQUIREMENTS)), None)
    if match is None:
        raise BadSelectorError(f"unable to parse requirement: {part!r}")
    return match["key"], _requirement(match)


def _requirement(match: re.Match[str]) -> Requirement:
    found = match.groupdict()
    key: str = found["key"]
    wanted = {value.strip() for value in (found.get("values") or found.get("value") or "").split(",")}
    match found:
        case {"absent": "!"}:
            return lambda values: key not in values
        case {"operator": "=" | "==" | "in"}:
            return lambda values: values.get(key) in wanted
        case {"operator": "!=" | "notin"}:
            return lambda values: values.get(key) not in wanted
        case {"operator": ">" | "<" as operator, "value": limit}:
            return lambda values: _compares(values.get(key, ""), operator, int(limit))
    return lambda values: key in values


def _compares(value: str, operator: str, limit: int) -> bool:
    try:
        return int(value) > limit if operator == ">" else int(value) < limit
    except ValueError:
        return False


def field_of(obj: Object, path: str) -> str:
    """The value that a field selector compares; empty if the object does not have the field."""
    value = value_at(obj, path)
    return "" if value is None else str(value)
