"""Responses that are errors: which reason and message they become.

What the messages are made of is in ``test_explanations``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sidecar.simulator import (
    Absent,
    BadGateway,
    Forbidden,
    Gone,
    InternalError,
    ResourceVersionTooLarge,
    Simulator,
    TooManyRequests,
    Unauthorized,
)
from sidecar.sources.kubernetes.failures import LONGEST_EXPLANATION
from tests.support.builders import (
    PATH,
    answering,
    chunk,
    connected,
    credentials_for,
    encoded,
    response,
)

if TYPE_CHECKING:
    from sidecar.simulator import Fault
    from sidecar.sources.kubernetes.connection import Connection
from tests.sources.kubernetes.requests import IMPATIENT, TOKEN, VERBS, Verb, failure

RBAC = (
    'endpointslices.discovery.k8s.io is forbidden: User "system:serviceaccount:default:default" cannot {verb} '
    'resource "endpointslices" in API group "discovery.k8s.io" in the namespace "default"'
)
CURE = (
    "Grant get, list and watch on endpointslices.discovery.k8s.io in namespace default"
    " to the service account default of namespace default with a Role and a RoleBinding."
)

OTHER_SOURCE = "Choose a --source that it has (EndpointSlices came with Kubernetes 1.21), or correct its address."
LOGS = "The request will be repeated. If this persists, check the logs of the API server, of etcd and of any proxy."

STATUS = {
    "401": (
        Unauthorized(),
        "unauthorized",
        (
            "The API server does not accept the token (401 on {verb} {path}): Unauthorized. It will be read again."
            " If this persists, it has expired, or belongs to another service account or cluster."
        ),
        0,
    ),
    "403": (
        Forbidden(),
        "forbidden",
        f"The API server forbids it (403 on {{verb}} {{path}}): {RBAC}. {CURE}",
        0,
    ),
    "404": (
        Absent(),
        "not_found",
        (
            "The API server has no such resource (404 on {verb} {path}): the server could not find the requested"
            f" resource. {OTHER_SOURCE}"
        ),
        0,
    ),
    "404 in plain text": (
        Absent(group=True),
        "not_found",
        f"The API server has no such resource (404 on {{verb}} {{path}}): 404 page not found. {OTHER_SOURCE}",
        0,
    ),
    "410": (
        Gone(),
        "expired",
        "The resourceVersion is too old (410 on {verb} {path}): The resourceVersion for the provided watch is too old.",
        0,
    ),
    "429": (
        TooManyRequests(retry_after=7),
        "too_many_requests",
        (
            "The API server is overloaded (429 on {verb} {path}): Too many requests, please try again later."
            " The request will be repeated after a pause. If this persists, check its priority-and-fairness settings."
        ),
        7,
    ),
    "500": (
        InternalError(),
        "server_error",
        (
            "The API server failed (500 on {verb} {path}): Internal error occurred: etcdserver: request timed out."
            f" {LOGS}"
        ),
        0,
    ),
    "502": (BadGateway(), "server_error", f"The API server failed (502 on {{verb}} {{path}}): <html>. {LOGS}", 0),
    "504": (
        ResourceVersionTooLarge(),
        "too_large_resource_version",
        "The API server is behind what was already seen (Timeout: Too large resource version: 900, current: 899).",
        1,
    ),
}


@pytest.mark.parametrize(("fault", "reason", "message", "retry_after"), STATUS.values(), ids=STATUS)
@pytest.mark.parametrize("verb", VERBS)
async def test_a_refusal_says_what_happened_and_why(
    simulator: Simulator,
    connection: Connection,
    verb: Verb,
    fault: Fault,
    reason: str,
    message: str,
    retry_after: float,
) -> None:
    """The status, the request, the server's own words, and what to do if somebody can do anything."""
    simulator.script(fault)
    error = await failure(connection, verb, resourceVersion="900")
    assert (error.reason, error.message) == (reason, message.format(verb=verb, path=PATH))
    assert error.retry_after == retry_after


TOO_LARGE = encoded(
    {
        "kind": "Status",
        "message": "Timeout: Too large resource version: 9, current: 8",
        "details": {"causes": [{"reason": "ResourceVersionTooLarge"}], "retryAfterSeconds": 1},
        "code": 504,
    }
)


async def test_a_refusal_may_come_in_pieces(simulator: Simulator) -> None:
    """If its reason is in the second half, the first half must not be taken for the whole."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        whole = response(TOO_LARGE, 504)
        for piece in (whole[:-80], whole[-80:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)

    async with answering(answer) as url, connected(credentials_for(url)) as connection:
        assert (await failure(connection, "list")).reason == "too_large_resource_version"


async def test_a_refusal_that_breaks_off_is_still_a_refusal() -> None:
    """The status has arrived; the rest would have been the explanation."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"x" * 100, 429, "Retry-After: 3")[:-50])

    async with answering(answer) as url, connected(credentials_for(url)) as connection:
        error = await failure(connection, "watch")
    assert (error.reason, error.retry_after) == ("too_many_requests", 3)


@pytest.mark.parametrize("verb", VERBS)
async def test_a_refusal_that_stalls_is_still_a_refusal(verb: Verb) -> None:
    """Its body is waited for no longer than that of a list."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"x" * 100, 429, "Retry-After: 3")[:-50])
        await asyncio.sleep(10)

    async with answering(answer) as url, connected(credentials_for(url), timeouts=IMPATIENT) as connection:
        async with asyncio.timeout(5):
            error = await failure(connection, verb)
    assert (error.reason, error.retry_after) == ("too_many_requests", 3)


async def test_a_refusal_without_end_is_cut_short() -> None:
    """Some of it is enough for a message, and all of it might not fit into memory."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(chunk(b"no " * 10_000))
            await writer.drain()

    async with answering(answer) as url, connected(credentials_for(url)) as connection:
        async with asyncio.timeout(5):
            error = await failure(connection, "list")
    assert error.reason == "server_error"
    assert len(error.message) < 500 < LONGEST_EXPLANATION


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("0", 0), ("", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0), ("-1", 0), ("1.5", 0)]
)
async def test_retry_after_is_seconds_or_ignored(header: str, seconds: float) -> None:
    """API servers send seconds; a date would need a clock that agrees."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"later", 429, f"Retry-After: {header}"))

    async with answering(answer) as url, connected(credentials_for(url)) as connection:
        assert (await failure(connection, "list")).retry_after == seconds


@pytest.mark.parametrize("code", [301, 302, 307, 308])
async def test_redirects_are_not_followed(simulator: Simulator, code: int) -> None:
    """The token is for one server."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"", code, f"Location: {simulator.url}{PATH}"))

    async with answering(answer) as url, connected(credentials_for(url, token=TOKEN)) as connection:
        assert (await failure(connection, "list")).reason == "server_error"
        assert (await failure(connection, "watch")).reason == "server_error"
    assert simulator.requests == ()
