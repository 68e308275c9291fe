"""One scenario against two servers: the simulator, and a real API server where its programs are built.

Scope: what a client of ours can see and might come to rely on, LIST, WATCH, and what the server says when it says no.
Where this file passes on one server and fails on the other, the simulator is wrong. Not here: faults, which a real
server does not do on request; and what the simulator does not imitate (defaulting, admission, graceful deletion).
"""

import asyncio
import ssl
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import aiohttp
import pytest

from sidecar.simulator import Simulator
from tests.cluster.control_plane import ControlPlane
from tests.simulator.client import Client, Events, Json, endpoint_slice, told

WATCH_LIST = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
FAR = 1_000_000
"""Revisions from now: further than a test run gets."""

SERVERS = [pytest.param("simulator"), pytest.param("real", marks=pytest.mark.cluster)]


@dataclass(frozen=True, slots=True)
class Subject:
    """A server and a namespace of its own in it."""

    client: Client
    compact: Callable[[], None]


@pytest.fixture(params=SERVERS)
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A client of either server, in a namespace where nobody else is."""
    if request.param == "simulator":
        headers = {"Authorization": "Bearer right"}
        async with (
            Simulator(watch_list=True, tokens=["right"]) as simulator,
            aiohttp.ClientSession(simulator.url, headers=headers) as session,
        ):
            yield Client(session, "contract")
    else:
        async with _session(request.getfixturevalue("control_plane")) as session:
            yield await _in_new_namespace(session)


@pytest.fixture(params=SERVERS)
async def forgetful(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    """A server that is told to forget its history."""
    if request.param == "simulator":
        async with Simulator() as simulator, aiohttp.ClientSession(simulator.url) as session:
            yield Subject(Client(session, "contract"), simulator.compact)
    else:
        control_plane = request.getfixturevalue("fresh_control_plane")
        async with _session(control_plane) as session:
            yield Subject(await _in_new_namespace(session), control_plane.compact)


def _session(control_plane: ControlPlane) -> aiohttp.ClientSession:
    context = ssl.create_default_context(cafile=control_plane.ca_file)
    return aiohttp.ClientSession(
        control_plane.url,
        headers={"Authorization": f"Bearer {control_plane.admin_token}"},
        connector=aiohttp.TCPConnector(ssl=context),
    )


async def _in_new_namespace(session: aiohttp.ClientSession) -> Client:
    client = Client(session, f"contract-{uuid.uuid4().hex[:8]}")
    answer = await client.send("POST", "/api/v1/namespaces", body={"metadata": {"name": client.namespace}})
    assert answer.code == 201
    return client


async def _populate(client: Client, *names: str) -> list[str]:
    """Create slices, in that order; their resourceVersions."""
    return [(await client.create(endpoint_slice(name))).revision for name in names]


async def _until_added(client: Client, events: Events, name: str) -> list[Json]:
    """The events of a watch before that of a slice that is created now: what there is to say without waiting."""
    await _populate(client, name)
    seen = [await anext(events)]
    while told(seen[-1]) != ("ADDED", name):
        seen.append(await anext(events))
    return seen[:-1]


async def test_a_list_is_in_the_order_of_names_and_newer_than_its_items(client: Client) -> None:
    """Items come by name, not by age, without kind and apiVersion, under a resourceVersion of the list's own."""
    revisions = await _populate(client, "b", "c", "a")
    answer = await client.listed()
    assert answer.code == 200
    assert (answer.body["kind"], answer.body["apiVersion"]) == ("EndpointSliceList", "discovery.k8s.io/v1")
    assert answer.names == ["a", "b", "c"]
    assert int(answer.revision) >= max(map(int, revisions))
    assert not {"kind", "apiVersion"} & set(answer.body["items"][0])
    assert set(answer.body["metadata"]) == {"resourceVersion"}


async def test_an_empty_collection_is_an_empty_list_with_a_revision(client: Client) -> None:
    """There is no null and no 404, and there is something to watch from."""
    answer = await client.listed()
    assert (answer.code, answer.body["items"]) == (200, [])
    assert int(answer.revision) > 0


async def test_pages_show_one_moment(client: Client) -> None:
    """What is created between two pages is in neither, and every page has the revision of the first."""
    await _populate(client, "a", "b", "d")
    first = await client.listed(limit="2")
    await _populate(client, "c")
    second = await client.listed(limit="2", **{"continue": first.body["metadata"]["continue"]})
    assert (first.names, second.names) == (["a", "b"], ["d"])
    assert first.revision == second.revision
    assert first.body["metadata"]["remainingItemCount"] == 1
    assert not {"continue", "remainingItemCount"} & set(second.body["metadata"])


async def test_pages_of_a_selection_do_not_count_what_is_left(client: Client) -> None:
    """The server does not know how much of the rest matches."""
    await _populate(client, "a", "b")
    answer = await client.listed(limit="1", labelSelector="app=a")
    assert set(answer.body["metadata"]) == {"resourceVersion", "continue"}


async def test_revision_zero_ignores_the_limit(client: Client) -> None:
    """The cache answers, whole; on a real server only a list that waits for it makes sure that it is up to date."""
    await _populate(client, "a", "b")
    await client.listed()
    assert (await client.listed(limit="1", resourceVersion="0")).names == ["a", "b"]


async def test_an_exact_list_shows_the_past(client: Client) -> None:
    """With Exact, or with a limit and nothing else said, the revision is the one that is shown."""
    await _populate(client, "a")
    past = (await client.listed()).revision
    await _populate(client, "b")
    exact = await client.listed(resourceVersion=past, resourceVersionMatch="Exact")
    limited = await client.listed(resourceVersion=past, limit="5")
    newer = await client.listed(resourceVersion=past, limit="5", resourceVersionMatch="NotOlderThan")
    assert (exact.names, exact.revision) == (["a"], past)
    assert (limited.names, limited.revision) == (["a"], past)
    assert newer.names == ["a", "b"]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("app=a", ["one", "two"]),
        ("app==b", ["three"]),
        ("app!=a", ["four", "three"]),
        ("app in (a,b),tier", ["two"]),
        ("app notin (a)", ["four", "three"]),
        ("!app", ["four"]),
        ("app", ["one", "three", "two"]),
        ("tier>1", ["two"]),
        ("app=", []),
        (" app = a , !tier ", ["one"]),
    ],
)
async def test_label_selectors(client: Client, selector: str, names: list[str]) -> None:
    """The negative forms match what has no such label."""
    labels = {"one": {"app": "a"}, "two": {"app": "a", "tier": "2"}, "three": {"app": "b"}, "four": {"other": "x"}}
    for name, of in labels.items():
        await client.create(endpoint_slice(name, labels=of))
    assert (await client.listed(labelSelector=selector)).names == names


@pytest.mark.parametrize(
    ("selector", "names"),
    [("metadata.name=a", ["a"]), ("metadata.name!=a", ["b"]), ("metadata.name==a,metadata.name=b", [])],
)
async def test_field_selectors(client: Client, selector: str, names: list[str]) -> None:
    """Names can be selected."""
    await _populate(client, "a", "b")
    assert (await client.listed(fieldSelector=selector)).names == names


async def test_a_watch_goes_on_where_the_list_ended(client: Client) -> None:
    """Every change after the list, once, in order, under the revision that the write was told."""
    await _populate(client, "old")
    listed = (await client.listed()).revision
    async with client.watch(resourceVersion=listed) as events:
        added = await client.create(endpoint_slice("new"))
        modified = await client.update(endpoint_slice("old", ready=False))
        await client.delete("new")
        seen = [await anext(events) for _ in range(3)]
    assert [told(event) for event in seen] == [("ADDED", "new"), ("MODIFIED", "old"), ("DELETED", "new")]
    assert [_revision(event) for event in seen[:2]] == [added.revision, modified.revision]
    assert int(_revision(seen[2])) > int(modified.revision)
    assert seen[0]["object"]["kind"] == "EndpointSlice"
    assert seen[2]["object"]["endpoints"] == added.body["endpoints"]


async def test_what_changes_nothing_is_no_event(client: Client) -> None:
    """An update with what is there already keeps the resourceVersion and tells nobody."""
    (before,) = await _populate(client, "a")
    same = await client.update(endpoint_slice("a"))
    await _populate(client, "b")
    async with client.watch(resourceVersion=before) as events:
        assert told(await anext(events)) == ("ADDED", "b")
    assert same.revision == before


async def test_an_object_that_stops_matching_is_deleted_for_the_watcher(client: Client) -> None:
    """It is shown as it last matched, under the revision of the change; one that begins to match is ADDED."""
    (since,) = await _populate(client, "a")
    out = await client.update(endpoint_slice("a", labels={"app": "b"}, ready=False))
    back = await client.update(endpoint_slice("a", labels={"app": "a"}, ready=False))
    async with client.watch(resourceVersion=since, labelSelector="app=a") as events:
        deleted, added = [await anext(events) for _ in range(2)]
    assert [told(deleted), told(added)] == [("DELETED", "a"), ("ADDED", "a")]
    assert [_revision(deleted), _revision(added)] == [out.revision, back.revision]
    assert deleted["object"]["metadata"]["labels"] == {"app": "a"}
    assert deleted["object"]["endpoints"][0]["conditions"] == {"ready": True}


@pytest.mark.parametrize("query", [{}, {"resourceVersion": "0"}], ids=["unset", "zero"])
async def test_a_watch_from_nowhere_begins_with_what_there_is(client: Client, query: dict[str, str]) -> None:
    """Synthetic ADDED events in the order of names, so that their revisions do not rise."""
    await _populate(client, "b", "a")
    async with client.watch(**query) as events:
        seen = await _until_added(client, events, "later")
    assert [told(event) for event in seen] == [("ADDED", "a"), ("ADDED", "b")]
    assert int(_revision(seen[0])) > int(_revision(seen[1]))


@pytest.mark.slow
async def test_a_bookmark_comes_before_the_end(client: Client) -> None:
    """An object with nothing but kind and revision, which is past everything that was left out."""
    (since,) = await _populate(client, "a")
    query = {"timeoutSeconds": "3", "allowWatchBookmarks": "true", "fieldSelector": "metadata.name=a"}
    async with client.watch(resourceVersion=since, **query) as events:
        (newer,) = await _populate(client, "b")
        seen = [event async for event in events]
    assert {event["type"] for event in seen} == {"BOOKMARK"}
    bookmark = seen[-1]["object"]
    assert int(bookmark["metadata"].pop("resourceVersion")) >= int(newer)
    nothing: Json = {"metadata": {}, "addressType": "", "endpoints": None, "ports": None}
    assert bookmark == {"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1"} | nothing


@pytest.mark.slow
async def test_there_is_no_bookmark_while_there_is_nothing_new(client: Client) -> None:
    """An idle watch is silent to its end: that is no sign of a dead connection. What it began with is not new."""
    (since, _) = await _populate(client, "a", "b")
    query = {"timeoutSeconds": "3", "allowWatchBookmarks": "true", "fieldSelector": "metadata.name=a"}
    assert await client.watched(resourceVersion=since, **query) == []


async def test_a_watch_from_nowhere_marks_the_end_of_what_there_was(client: Client) -> None:
    """For those who ask for bookmarks, as if they had asked for a streaming list."""
    await _populate(client, "a")
    async with client.watch(allowWatchBookmarks="true") as events:
        seen = await _until_added(client, events, "later")
    assert [event["type"] for event in seen] == ["ADDED", "BOOKMARK"]
    assert seen[-1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_watch_ends_cleanly_when_its_time_is_up(client: Client) -> None:
    """No error and no bookmark that nobody asked for."""
    (since,) = await _populate(client, "a")
    clock = asyncio.get_running_loop().time
    began = clock()
    assert await client.watched(resourceVersion=since, timeoutSeconds="1") == []
    assert 0.5 < clock() - began < 3


@pytest.mark.parametrize("match", [{"resourceVersionMatch": "NotOlderThan"}, {"resourceVersionMatch": "Exact"}, {}])
async def test_a_list_from_the_future_times_out(client: Client, match: dict[str, str]) -> None:
    """504 with the cause that clients look for, and when to come back."""
    future = str(int((await client.listed()).revision) + FAR)
    answer = await client.listed(resourceVersion=future, **match)
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    assert (answer.code, answer.body["reason"]) == (504, "Timeout")
    assert answer.body["details"] == {"causes": [cause], "retryAfterSeconds": 1}
    assert answer.body["message"].startswith(f"Timeout: Too large resource version: {future}, current: ")
    assert answer.headers["Retry-After"] == "1"


async def test_a_watch_from_the_future_waits(client: Client) -> None:
    """It is not refused; it just has nothing to say, whatever happens until then."""
    future = str(int((await client.listed()).revision) + FAR)
    async with client.watch(resourceVersion=future, timeoutSeconds="1") as events:
        await _populate(client, "a")
        assert [event async for event in events] == []


async def test_a_streaming_list_ends_with_a_bookmark(client: Client) -> None:
    """Servers from 1.34 do it; ``Simulator(watch_list=False)``, the default, answers 422 as those between did."""
    revisions = await _populate(client, "a", "b")
    async with client.watch(**WATCH_LIST) as events:
        seen = await _until_added(client, events, "later")
    assert [event["type"] for event in seen] == ["ADDED", "ADDED", "BOOKMARK"]
    assert seen[-1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(_revision(seen[-1])) >= max(map(int, revisions))


async def test_a_streaming_list_from_the_future_is_refused_in_the_stream(client: Client) -> None:
    """200, and the 504 as an ERROR event."""
    future = str(int((await client.listed()).revision) + FAR)
    (event,) = await client.watched(timeoutSeconds="1", resourceVersion=future, **WATCH_LIST)
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 504, "Timeout")


async def test_without_initial_events_there_are_none(client: Client) -> None:
    """``sendInitialEvents=false`` starts at the present."""
    await _populate(client, "a")
    async with client.watch(**WATCH_LIST | {"sendInitialEvents": "false"}) as events:
        assert await _until_added(client, events, "later") == []


async def test_a_forgotten_revision(forgetful: Subject) -> None:
    """A watch is told 410 in a 200; a list and a page by their code, and the page is offered a way to go on."""
    client = forgetful.client
    (since, *_) = await _populate(client, "a", "b", "c")
    page = await client.listed(limit="1")
    await _populate(client, "d")
    await asyncio.to_thread(forgetful.compact)
    async with client.watch(resourceVersion=since) as events:
        assert events.response.status == 200
        (event,) = [event async for event in events]
    exact = await client.listed(resourceVersion=since, resourceVersionMatch="Exact")
    following = await client.listed(limit="5", **{"continue": page.body["metadata"]["continue"]})
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert event["object"]["message"].startswith(f"too old resource version: {since} (")
    assert (exact.code, exact.body["reason"]) == (410, "Expired")
    assert (following.code, following.body["reason"]) == (410, "Expired")
    inconsistent = await client.listed(limit="5", **{"continue": following.body["metadata"]["continue"]})
    assert inconsistent.names == ["b", "c", "d"]
    assert (await client.listed(resourceVersion=since, resourceVersionMatch="NotOlderThan")).code == 200


async def test_what_is_not_there(client: Client) -> None:
    """404 with a Status that says what was looked for."""
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
async def test_paths_that_nobody_serves(client: Client, path: str, kind: str) -> None:
    """An API group that is known says so in a Status, one that is not in plain text."""
    answer = await client.send("GET", path)
    assert (answer.code, answer.headers["Content-Type"]) == (404, kind)


async def test_a_wrong_token(client: Client) -> None:
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
async def test_parameters_that_make_no_sense(client: Client, query: dict[str, str], code: int, message: str) -> None:
    """400 if they cannot be parsed, 422 if they do not go together."""
    answer = await client.send("GET", client.path(), query)
    assert (answer.code, answer.body["code"]) == (code, code)
    assert answer.body["message"].startswith(message)


@pytest.mark.parametrize(("value", "watches"), [("", True), ("yes", True), ("0", False), ("False", False)])
async def test_whatever_is_not_false_is_true(client: Client, value: str, watches: bool) -> None:
    """``watch=`` is a watch."""
    await _populate(client, "a")
    async with client.watch(watch=value) as answer:
        assert ("type" in await anext(answer)) is watches


async def test_a_name_is_not_watched(client: Client) -> None:
    """``watch`` on one object is a plain GET."""
    await _populate(client, "a")
    assert (await client.send("GET", client.path(name="a"), {"watch": "1"})).body["kind"] == "EndpointSlice"


async def test_writes_that_are_refused(client: Client) -> None:
    """What exists is not created, what has changed is not overwritten, names must agree."""
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


async def test_a_deletion_answers_with_a_status(client: Client) -> None:
    """Success, and whom it was."""
    created = (await client.create(endpoint_slice("a"))).body
    answer = await client.delete("a")
    assert (answer.code, answer.body["status"]) == (200, "Success")
    assert answer.body["details"]["uid"] == created["metadata"]["uid"]


async def test_one_who_comes_back_is_someone_else(client: Client) -> None:
    """The same name, a new uid."""
    first = (await client.create(endpoint_slice("a"))).body
    await client.delete("a")
    second = (await client.create(endpoint_slice("a"))).body
    assert first["metadata"]["uid"] != second["metadata"]["uid"]


async def test_endpoints_come_with_a_warning(client: Client) -> None:
    """They are deprecated, and every answer says so."""
    answer = await client.listed("endpoints")
    assert (answer.body["kind"], answer.headers["Warning"]) == (
        "EndpointsList",
        '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"',
    )


async def test_people_get_line_breaks(client: Client) -> None:
    """A server knows them by their programs; so a Status may have many lines."""
    answer = await client.send("GET", client.path(name="nobody"), headers={"User-Agent": "curl/8.0"})
    assert answer.text.startswith('{\n  "kind": "Status",\n')


async def test_a_large_list_is_compressed(client: Client) -> None:
    """Above 128 KiB, for those who accept it."""
    body = endpoint_slice("large")
    body["endpoints"] = [{"addresses": [f"10.0.{n // 250}.{n % 250 + 1}"], "hostname": "h" * 60} for n in range(1000)]
    await client.create(body)
    await client.create(endpoint_slice("large-2") | {"endpoints": body["endpoints"]})
    packed = await client.send("GET", client.path(), headers={"Accept-Encoding": "gzip"})
    plain = await client.send("GET", client.path(), headers={"Accept-Encoding": "identity"})
    assert (packed.headers.get("Content-Encoding"), plain.headers.get("Content-Encoding")) == ("gzip", None)
    assert packed.text == plain.text


def _revision(event: Json) -> str:
    return str(event["object"]["metadata"]["resourceVersion"])
