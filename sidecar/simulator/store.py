"""The objects, a resourceVersion counter common to all of them, and the history from which watches resume.

It is etcd and the watch cache in one, without a clock and without I/O: every write is one revision, a write that
changes nothing is none, and the history can be forgotten. Statuses, events and pages do not belong here.

Objects that are put into the store belong to it from then on. They are shared and not copied, because copying ten
thousand endpoints would be expensive; to change an object, put another one.
"""

import uuid
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter

from sidecar.simulator.resources import RESOURCES, Object, Resource, value_at

START = 1000
"""The first revision. Not 1: the history of a server that has run for a while does not go back to its start."""

HISTORY = 20_000
"""Changes kept per resource; the watch cache of a real server holds between 100 and 102,400."""

CREATED = "2026-01-01T00:00:00Z"
"""The creation time of every object: the store reads no clock."""

Key = tuple[str, str]
"""Namespace and name. Lists and synthetic events are sorted by it."""


class ExpiredError(LookupError):
    """The requested history has been forgotten."""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One write to one object, with the object before and after it."""

    revision: int
    before: Object | None
    after: Object | None


class Store:
    """All objects of the server."""

    def __init__(self, *, history: int = HISTORY) -> None:
        self.revision = START
        self._history = history
        self._objects: dict[str, dict[Key, Object]] = {name: {} for name in RESOURCES}
        self._changes: dict[str, list[Change]] = {name: [] for name in RESOURCES}
        self._oldest = dict.fromkeys(RESOURCES, START)
        self._cached_since = START

    def put(self, resource: str, obj: Object) -> Change | None:
        """Create or replace an object; if that changes nothing, return None and keep the revision."""
        metadata = dict(obj["metadata"])
        namespace = metadata.setdefault("namespace", "default")
        if "name" not in metadata:
            metadata["name"] = f"{metadata['generateName']}{self.revision + 1:05x}"
        before = self._objects[resource].get((namespace, metadata["name"]))
        uid = uuid.uuid5(uuid.NAMESPACE_URL, f"{resource}/{namespace}/{metadata['name']}/{self.revision}")
        known = before["metadata"] if before else {"uid": str(uid), "creationTimestamp": CREATED}
        for inherited in ("uid", "creationTimestamp"):
            metadata.setdefault(inherited, known[inherited])
        metadata["resourceVersion"] = known.get("resourceVersion")
        after = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")} | {"metadata": metadata}
        self._raise_generation(RESOURCES[resource], before, after)
        if after == before:
            return None
        metadata["resourceVersion"] = str(self.revision + 1)
        self._objects[resource][namespace, metadata["name"]] = after
        return self._record(resource, before, after)

    def delete(self, resource: str, namespace: str, name: str) -> Change | None:
        """Remove an object; return None if it does not exist."""
        before = self._objects[resource].pop((namespace, name), None)
        return self._record(resource, before, None) if before else None

    def get(self, resource: str, namespace: str, name: str) -> Object | None:
        """One object as it is now."""
        return self._objects[resource].get((namespace, name))

    def objects(self, resource: str, at: int | None = None) -> Iterator[tuple[Key, Object]]:
        """All objects in order, as they are now or as they were at a revision.

        Raises:
            ExpiredError: That revision has been forgotten.
        """
        objects = self._objects[resource]
        if at is not None and at < self.revision:
            objects = dict(objects)
            for change in reversed(self.changes(resource, at)):
                _undo(objects, change)
        yield from sorted(objects.items())

    def changes(self, resource: str, since: int) -> list[Change]:
        """Every change after a revision, oldest first.

        Raises:
            ExpiredError: Some of them may have been forgotten.
        """
        if since < self._oldest[resource]:
            raise ExpiredError(f"too old resource version: {since} ({self._oldest[resource]})")
        changes = self._changes[resource]
        return changes[bisect_right(changes, since, key=attrgetter("revision")) :]

    def watchable(self, resource: str, since: int) -> list[Change]:
        """The same for a watch, which is served from the cache; that may not go back as far as the history.

        Raises:
            ExpiredError: The cache does not go back that far.
        """
        if since < self._cached_since:
            raise ExpiredError(f"too old resource version: {since} ({self._cached_since})")
        return self.changes(resource, since)

    def restart(self) -> None:
        """Begin with an empty cache, as a server does: paged lists can be continued, earlier watches cannot."""
        self._cached_since = self.revision

    def compact(self) -> None:
        """Forget all history: only the current revision can be listed, or watched from."""
        for resource in RESOURCES:
            self._forget(resource, keep=0)
            self._oldest[resource] = self.revision

    def _raise_generation(self, resource: Resource, before: Object | None, after: Object) -> None:
        if not resource.generation:
            return
        generation = before["metadata"]["generation"] if before else 0
        changed = any(value_at(before or {}, part) != value_at(after, part) for part in resource.generation)
        after["metadata"]["generation"] = generation + changed

    def _record(self, resource: str, before: Object | None, after: Object | None) -> Change:
        self.revision += 1
        change = Change(self.revision, before, after)
        self._changes[resource].append(change)
        if len(self._changes[resource]) > self._history:
            self._forget(resource, keep=self._history - self._history // 10)
        return change

    def _forget(self, resource: str, keep: int) -> None:
        changes = self._changes[resource]
        if forgotten := changes[: len(changes) - keep]:
            self._oldest[resource] = forgotten[-1].revision
            del changes[: len(forgotten)]


def _undo(objects: dict[Key, Object], change: Change) -> None:
    metadata = (change.after or change.before or {})["metadata"]
    key = (metadata["namespace"], metadata["name"])
    if change.before is None:
        del objects[key]
    else:
        objects[key] = change.before
