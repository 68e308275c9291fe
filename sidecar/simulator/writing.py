"""POST, PUT and DELETE of single objects: enough to drive this server and a real one with the same client.

Admission, validation, defaulting, graceful deletion, PATCH and subresources do not belong here.
"""

from dataclasses import dataclass

import msgspec

from sidecar.simulator import events, status
from sidecar.simulator.resources import Object
from sidecar.simulator.routing import Target
from sidecar.simulator.status import RefusedError
from sidecar.simulator.store import Change, Store


@dataclass(frozen=True, slots=True)
class Written:
    """The result of a write."""

    code: int
    answer: Object
    change: Change | None
    """None if the write changed nothing."""


def write(store: Store, target: Target, body: bytes) -> Written:
    """Carry out a write.

    Raises:
        RefusedError: The write is not possible.
    """
    match target.verb:
        case "create":
            return _create(store, target, _object(target, body))
        case "update":
            return _update(store, target, _object(target, body))
    return _delete(store, target)


def _create(store: Store, target: Target, obj: Object) -> Written:
    metadata = obj["metadata"]
    if metadata.get("resourceVersion"):
        message = "resourceVersion should not be set on objects to be created"
        raise RefusedError(status.failure(status.INTERNAL_ERROR, "", message))
    for given_by_server in ("uid", "creationTimestamp"):
        metadata.pop(given_by_server, None)
    name = metadata.get("name", "")
    if name and store.get(target.resource.name, metadata["namespace"], name):
        raise RefusedError(status.already_exists(target.resource, name))
    change = store.put(target.resource.name, obj)
    return Written(201, events.typed(target.resource, (change and change.after) or obj), change)


def _update(store: Store, target: Target, obj: Object) -> Written:
    if target.resource.put_creates and not store.get(target.resource.name, target.namespace or "", target.name or ""):
        return _create(store, target, obj)
    before = _existing(store, target)
    revision = obj["metadata"].get("resourceVersion")
    if revision and revision != before["metadata"]["resourceVersion"]:
        raise RefusedError(status.conflict(target.resource, target.name or ""))
    change = store.put(target.resource.name, obj)
    return Written(200, events.typed(target.resource, (change and change.after) or before), change)


def _delete(store: Store, target: Target) -> Written:
    before = _existing(store, target)
    change = store.delete(target.resource.name, target.namespace or "", target.name or "")
    if target.resource.deletion_answers_object:
        return Written(200, events.typed(target.resource, before), change)
    return Written(200, status.success(target.resource, before), change)


def _existing(store: Store, target: Target) -> Object:
    name = target.name or ""
    obj = store.get(target.resource.name, target.namespace or "", name)
    if obj is None:
        raise RefusedError(status.not_found(target.resource, name))
    return obj


def _object(target: Target, body: bytes) -> Object:
    try:
        obj = msgspec.json.decode(body, type=Object)
    except msgspec.DecodeError as error:
        raise RefusedError(status.bad_request(f"the body is not an object: {error}")) from error
    metadata = obj.setdefault("metadata", {})
    for part, wanted in (("namespace", target.namespace), ("name", target.name)):
        if wanted and metadata.setdefault(part, wanted) != wanted:
            message = f"the {part} of the object ({metadata[part]}) does not match the {part} on the URL ({wanted})"
            raise RefusedError(status.bad_request(message))
    if not metadata.get("name") and not metadata.get("generateName"):
        kind, detail = target.resource.kind, "name or generateName is required"
        raise RefusedError(status.invalid(target.resource.group, kind, "metadata.name", detail, "Required value"))
    return obj
