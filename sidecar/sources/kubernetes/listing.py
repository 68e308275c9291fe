"""One complete LIST: all pages, and what their objects say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from sidecar.errors import SourceError
from sidecar.sources.kubernetes.responses import decode_page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sidecar.membership.events import Report
    from sidecar.sources.health import Health
    from sidecar.sources.kubernetes.collection import Collection
    from sidecar.sources.kubernetes.connection import Connection


class Snapshot(NamedTuple):
    """A collection at one moment."""

    reports: tuple[Report, ...]
    resource_version: str
    """The list's, never an item's: items come in the order of their names."""
    arrived: float
    """When its last byte arrived."""


async def list_all(
    connection: Connection,
    collection: Collection[Any],
    read: Callable[[msgspec.Raw], Report],
    start: Mapping[str, str],
    health: Health,
) -> Snapshot:
    """List *collection*, page after page.

    Args:
        connection: the API server.
        collection: what to list.
        read: what an object says.
        start: the parameters of the first page: from which resourceVersion.
        health: told of each page.

    Raises:
        SourceError: if any page cannot be had or read; a part of a list is none.
    """
    reports: list[Report] = []
    query = {**collection.query, **start}
    while True:
        health.tried()
        body = await connection.list(collection.path, query)
        health.tried()
        try:
            page = decode_page(body)
            reports.extend(read(item) for item in page.items or ())
        except msgspec.MsgspecError as error:
            raise SourceError("malformed", f"The list of {collection.path} is malformed: {error}.") from error
        if not page.metadata.continue_:
            break
        query = {**collection.query, "continue": page.metadata.continue_}
    if not page.metadata.resource_version:
        raise SourceError("malformed", f"The list of {collection.path} has no resourceVersion.")
    return Snapshot(tuple(reports), page.metadata.resource_version, health.active_at)
