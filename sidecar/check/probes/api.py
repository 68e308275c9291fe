"""Asks the API server for the identity it sees, its permissions, the Services and their members. Judges nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from sidecar.check.findings.facts import Answers
from sidecar.check.findings.permissions import WHOAMI, is_allowed, questions, username
from sidecar.check.findings.services import Observed, Service, decode_service
from sidecar.daemon.replicas import desired_replicas
from sidecar.errors import SourceError
from sidecar.sources.kubernetes.collection import reader
from sidecar.sources.kubernetes.explanations import ANONYMOUS
from sidecar.sources.kubernetes.responses import decode_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar

    from sidecar.check.findings.permissions import Permission, Question
    from sidecar.membership.events import Report
    from sidecar.sources.kubernetes.collection import Collection
    from sidecar.sources.kubernetes.connection import Connection

    T = TypeVar("T")

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
USERS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


async def look(
    connection: Connection,
    permissions: Iterable[Permission],
    services: Iterable[tuple[str, str]],
    collections: Mapping[str, Collection[Any]],
    own_pod: tuple[str, str] | None = None,
) -> Answers:
    """Everything that the API server says, and where it refuses, the error.

    Args:
        connection: to the API server.
        permissions: that the source needs.
        services: namespace and name of the Services to look at.
        collections: what the source follows, by the name that findings use.
        own_pod: namespace and name, if the number of its replicas matters.

    Raises:
        SourceError: if the API server cannot be asked at all.
    """
    user = await _user(connection)
    return Answers(
        connection.credentials.host,
        user,
        {permission: await _denied(connection, permission) for permission in permissions},
        {f"{namespace}/{name}": await _service(connection, namespace, name) for namespace, name in services},
        {name: await _seen(connection, collection) for name, collection in collections.items()},
        await _replicas(connection, *own_pod) if own_pod else None,
    )


async def _replicas(connection: Connection, namespace: str, pod_name: str) -> int | SourceError:
    try:
        return await desired_replicas(connection, namespace, pod_name)
    except SourceError as error:
        return error


async def _user(connection: Connection) -> str:
    try:
        return _decoded(USERS, username, await connection.create(USERS, WHOAMI))
    except SourceError as error:
        untold = error.reason == "not_found" or (error.reason == "forbidden" and ANONYMOUS not in error.message)
        if untold:  # it is older than Kubernetes 1.28, or its default roles were removed
            return ""
        raise


async def _denied(connection: Connection, permission: Permission) -> tuple[Question, ...] | SourceError:
    try:
        return tuple(
            [
                question
                for question in questions(permission)
                if not _decoded(REVIEWS, is_allowed, await connection.create(REVIEWS, question.body))
            ]
        )
    except SourceError as error:
        return error


async def _service(connection: Connection, namespace: str, name: str) -> Service | SourceError:
    path = f"/api/v1/namespaces/{namespace}/services/{name}"
    try:
        return _decoded(path, decode_service, await connection.read(path))
    except SourceError as error:
        return error


async def _seen(connection: Connection, collection: Collection[Any]) -> Observed | SourceError:
    try:
        reports = await _reports(connection, collection)
    except SourceError as error:
        return error
    return Observed(
        tuple({key: member for report in reports for key, member in report.members.items()}.values()),
        tuple(dict.fromkeys(report.problem for report in reports if report.problem)),
        tuple(dict.fromkeys(report.warning for report in reports if report.warning)),
    )


async def _reports(connection: Connection, collection: Collection[Any]) -> list[Report]:
    """What the source would list."""
    reports: list[Report] = []
    query = collection.query
    read = reader(collection)
    while True:
        page = _decoded(collection.path, decode_page, await connection.list(collection.path, query))
        reports += [_decoded(collection.path, read, item) for item in page.items or ()]
        if not page.metadata.continue_:
            return reports
        query = {**collection.query, "continue": page.metadata.continue_}


def _decoded(path: str, decode: Callable[[bytes], T], body: bytes) -> T:
    try:
        return decode(body)
    except msgspec.MsgspecError as error:
        raise SourceError("malformed", f"The API server's answer to {path} is malformed: {error}.") from error
