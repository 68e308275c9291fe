"""The objects, one resourceVersion counter over all of them, and the history that watches resume from.

It is etcd and the watch cache in one, without time and without I/O: every write is one revision, a write that changes
nothing is none, and history can be forgotten. What HTTP makes of it (statuses, events, pages) does not belong here.

Objects handed in belong to the store from then on: they are shared, not copied, because ten thousand endpoints are
cheap to share and dear to copy. Whoever wants a different object puts a different object.
"""

import uuid
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter

from sidecar.simulator.resources import RESOURCES, Object, Resource, value_at

START = 1000
"""The first revision. Not 1: a server that has lived for a while has forgotten its youth."""

HISTORY = 20_000
"""Changes kept per resource; the watch cache of a real server holds between 100 and 102,400."""

CREATED = "2026-01-01T00:00:00Z"
"""When everything was created, as far as the store knows: it reads no clock."""

Key = tuple[str, str]
"""Namespace and name. Sorted, this is the order of lists and of synthetic events."""


class ExpiredError(LookupError):
    """The history asked for has been forgotten."""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One write to one object: what there was and what there is."""

    revision: int
    before: Object | None
    after: Object | None


class Store:
    """Everything the server knows."""

    def __init__(self, *, history: int = HISTORY) -> None:
        self.revision = START
        self._history = history
        self._objects: dict[str, dict[Key, Object]] = {name: {} for name in RESOURCES}
        self._changes: dict[str, list[Change]] = {name: [] for name in RESOURCES}
        self._floor = dict.fromkeys(RESOURCES, START)
        self._cached_since = START

    def put(self, resource: str, obj: Object) -> Change | None:
        """Create or replace an object; None if that changes nothing, in which case the revision stays."""
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
        """Remove an object; None if there was none."""
        before = self._objects[resource].pop((namespace, name), None)
        return self._record(resource, before, None) if before else None

    def get(self, resource: str, namespace: str, name: str) -> Object | None:
        """One object as it is now."""
        return self._objects[resource].get((namespace, name))

    def objects(self, resource: str, at: int | None = None) -> Iterator[tuple[Key, Object]]:
        """All objects in order, as they are or as they were at a revision.

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
        if since < self._floor[resource]:
            raise ExpiredError(f"too old resource version: {since} ({self._floor[resource]})")
        changes = self._changes[resource]
        return changes[bisect_right(changes, since, key=attrgetter("revision")) :]

    def watchable(self, resource: str, since: int) -> list[Change]:
        """The same for a watch, which the cache of the server serves: it may go back less far than the history.

        Raises:
            ExpiredError: It does not go back so far.
        """
        if since < self._cached_since:
            raise ExpiredError(f"too old resource version: {since} ({self._cached_since})")
        return self.changes(resource, since)

    def restart(self) -> None:
        """Begin with an empty cache, as a server does: pages can be continued, watches from before cannot."""
        self._cached_since = self.revision

    def compact(self) -> None:
        """Forget all history: only the present revision can still be watched from or listed at."""
        for resource in RESOURCES:
            self._forget(resource, keep=0)
            self._floor[resource] = self.revision

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
            self._floor[resource] = forgotten[-1].revision
            del changes[: len(forgotten)]


def _undo(objects: dict[Key, Object], change: Change) -> None:
    metadata = (change.after or change.before or {})["metadata"]
    key = (metadata["namespace"], metadata["name"])
    if change.before is None:
        del objects[key]
    else:
        objects[key] = change.before
