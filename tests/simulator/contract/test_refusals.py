"""Requests that are refused, with the code and the Status that the client sees; and what a write answers."""

import pytest

from tests.simulator.client import Client, endpoint_slice


async def test_an_object_that_does_not_exist_is_not_found(client: Client) -> None:
    """404 with a Status that names the object."""
    answer = await client.get("nobody")
    message = 'endpointslices.discovery.k8s.io "nobody" not found'
    details = {"name": "nobody", "group": "discovery.k8s.io", "kind": "endpointslices"}
    head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    rest = {"message": message, "reason": "NotFound", "details": details, "code": 404}
    assert (answer.code, answer.body) == (404, head | rest)
    assert (await client.delete("nobody")).body == answer.body
    assert (await client.update(endpoint_slice("nobody"))).body == answer.body


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/apis/discovery.k8s.io/v1/unheard-of", "application/json"),
        ("/apis/discovery.k8s.io/v9/endpointslices", "application/json"),
        ("/api/v1/unheardof", "application/json"),
        ("/apis/unheard.of/v1/endpointslices", "text/plain; charset=utf-8"),
        ("/unheard/of", "text/plain; charset=utf-8"),
    ],
)
async def test_unknown_paths_are_not_found(client: Client, path: str, kind: str) -> None:
    """Within a known API group the response is a Status, elsewhere plain text."""
    answer = await client.send("GET", path)
    assert (answer.code, answer.headers["Content-Type"]) == (404, kind)


async def test_a_wrong_token_is_unauthorized(client: Client) -> None:
    """401 with a Status."""
    answer = await client.send("GET", client.path(), headers={"Authorization": "Bearer wrong"})
    assert (answer.code, answer.body["reason"]) == (401, "Unauthorized")


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ({"limit": "x"}, 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ({"timeoutSeconds": "x"}, 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ({"resourceVersion": "x"}, 400, "invalid resource version: resourceVersion: Invalid value: "),
        ({"resourceVersion": "x", "watch": "1"}, 500, "resourceVersion: Invalid value: "),
        ({"labelSelector": "a=(b"}, 400, "unable to parse requirement: "),
        ({"fieldSelector": "metadata.name"}, 400, "invalid selector: 'metadata.name'; "),
        ({"fieldSelector": "spec.x=1"}, 400, '"spec.x" is not a known field selector: '),
        ({"continue": "abc"}, 400, "invalid continue token: continue key is not valid: "),
        ({"resourceVersionMatch": "Exact"}, 422, 'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: '),
        ({"resourceVersion": "0", "resourceVersionMatch": "Exact"}, 422, "ListOptions.meta.k8s.io"),
        ({"resourceVersion": "5", "resourceVersionMatch": "Roughly"}, 422, "ListOptions.meta.k8s.io"),
        ({"sendInitialEvents": "true"}, 422, "ListOptions.meta.k8s.io"),
        ({"sendInitialEvents": "true", "watch": "1"}, 422, "ListOptions.meta.k8s.io"),
        ({"resourceVersionMatch": "NotOlderThan", "watch": "1"}, 422, "ListOptions.meta.k8s.io"),
    ],
)
async def test_invalid_parameters_are_refused(client: Client, query: dict[str, str], code: int, message: str) -> None:
    """400 if they cannot be parsed, 422 if the combination is invalid."""
    answer = await client.send("GET", client.path(), query)
    assert (answer.code, answer.body["code"]) == (code, code)
    assert answer.body["message"].startswith(message)


async def test_conflicting_writes_are_refused(client: Client) -> None:
    """An existing object is not created again, a changed one is not overwritten, and names must match the path."""
    created = (await client.create(endpoint_slice("a"))).body
    changed = await client.update(endpoint_slice("a", ready=False))
    twice = await client.create(endpoint_slice("a"))
    stale = await client.update(created)
    nameless = await client.create(endpoint_slice(""))
    other = await client.send("PUT", client.path(name="b"), body=endpoint_slice("a"))
    assert changed.body["metadata"]["generation"] == 2
    assert [(answer.code, answer.body["reason"]) for answer in (twice, stale, nameless, other)] == [
        (409, "AlreadyExists"),
        (409, "Conflict"),
        (422, "Invalid"),
        (400, "BadRequest"),
    ]


async def test_a_deletion_responds_with_a_status(client: Client) -> None:
    """Success, with the uid of the deleted object."""
    created = (await client.create(endpoint_slice("a"))).body
    answer = await client.delete("a")
    assert (answer.code, answer.body["status"]) == (200, "Success")
    assert answer.body["details"]["uid"] == created["metadata"]["uid"]


async def test_a_recreated_object_has_a_new_uid(client: Client) -> None:
    """Although it has the same name."""
    first = (await client.create(endpoint_slice("a"))).body
    await client.delete("a")
    second = (await client.create(endpoint_slice("a"))).body
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
