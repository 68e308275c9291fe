"""What a WATCH says: where it begins, what it sends, how it ends, and what it no longer remembers."""

import asyncio

import pytest

from tests.simulator.client import Client, Events, ForgetfulServer, Json, endpoint_slice, populate, revision, summary

FAR = 1_000_000
"""How far in the future a revision is: further than a test run gets."""
WATCH_LIST = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}


async def until_added(client: Client, events: Events, name: str) -> list[Json]:
    """The events that a watch sends before that of a slice that is created now."""
    await populate(client, name)
    seen = [await anext(events)]
    while summary(seen[-1]) != ("ADDED", name):
        seen.append(await anext(events))
    return seen[:-1]


async def test_a_watch_continues_where_the_list_ended(client: Client) -> None:
    """Every change after the list, once, in order, with the revision that the write returned."""
    await populate(client, "old")
    listed = (await client.listed()).revision
    async with client.watch(resourceVersion=listed) as events:
        added = await client.create(endpoint_slice("new"))
        modified = await client.update(endpoint_slice("old", ready=False))
        await client.delete("new")
        seen = [await anext(events) for _ in range(3)]
    assert [summary(event) for event in seen] == [("ADDED", "new"), ("MODIFIED", "old"), ("DELETED", "new")]
    assert [revision(event) for event in seen[:2]] == [added.revision, modified.revision]
    assert int(revision(seen[2])) > int(modified.revision)
    assert seen[0]["object"]["kind"] == "EndpointSlice"
    assert seen[2]["object"]["endpoints"] == added.body["endpoints"]


async def test_an_update_that_changes_nothing_sends_no_event(client: Client) -> None:
    """An update with an identical object keeps the resourceVersion."""
    (before,) = await populate(client, "a")
    same = await client.update(endpoint_slice("a"))
    await populate(client, "b")
    async with client.watch(resourceVersion=before) as events:
        assert summary(await anext(events)) == ("ADDED", "b")
    assert same.revision == before


async def test_an_object_that_stops_matching_is_deleted_for_the_watcher(client: Client) -> None:
    """The event has the last matching object and the revision of the change; one that begins to match is ADDED."""
    (since,) = await populate(client, "a")
    out = await client.update(endpoint_slice("a", labels={"app": "b"}, ready=False))
    back = await client.update(endpoint_slice("a", labels={"app": "a"}, ready=False))
    async with client.watch(resourceVersion=since, labelSelector="app=a") as events:
        deleted, added = [await anext(events) for _ in range(2)]
    assert [summary(deleted), summary(added)] == [("DELETED", "a"), ("ADDED", "a")]
    assert [revision(deleted), revision(added)] == [out.revision, back.revision]
    assert deleted["object"]["metadata"]["labels"] == {"app": "a"}
    assert deleted["object"]["endpoints"][0]["conditions"] == {"ready": True}


@pytest.mark.parametrize("query", [{}, {"resourceVersion": "0"}], ids=["unset", "zero"])
async def test_a_watch_without_a_revision_begins_with_the_current_state(client: Client, query: dict[str, str]) -> None:
    """Synthetic ADDED events are sorted by name, so that their revisions are not in order."""
    await populate(client, "b", "a")
    async with client.watch(**query) as events:
        seen = await until_added(client, events, "later")
    assert [summary(event) for event in seen] == [("ADDED", "a"), ("ADDED", "b")]
    assert int(revision(seen[0])) > int(revision(seen[1]))


@pytest.mark.slow
async def test_a_bookmark_is_sent_before_the_end(client: Client) -> None:
    """An object with nothing but kind and revision, which is newer than all changes that did not match."""
    (since,) = await populate(client, "a")
    query = {"timeoutSeconds": "3", "allowWatchBookmarks": "true", "fieldSelector": "metadata.name=a"}
    async with client.watch(resourceVersion=since, **query) as events:
        (newer,) = await populate(client, "b")
        seen = [event async for event in events]
    assert {event["type"] for event in seen} == {"BOOKMARK"}
    bookmark = seen[-1]["object"]
    assert int(bookmark["metadata"].pop("resourceVersion")) >= int(newer)
    nothing: Json = {"metadata": {}, "addressType": "", "endpoints": None, "ports": None}
    assert bookmark == {"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1"} | nothing


@pytest.mark.slow
async def test_no_bookmark_is_sent_while_nothing_changes(client: Client) -> None:
    """An idle watch sends nothing until its end, so that silence does not mean a dead connection."""
    (since, _) = await populate(client, "a", "b")
    query = {"timeoutSeconds": "3", "allowWatchBookmarks": "true", "fieldSelector": "metadata.name=a"}
    assert await client.watched(resourceVersion=since, **query) == []


async def test_a_watch_without_a_revision_marks_the_end_of_the_initial_events(client: Client) -> None:
    """If bookmarks are requested, as in a streaming list."""
    await populate(client, "a")
    async with client.watch(allowWatchBookmarks="true") as events:
        seen = await until_added(client, events, "later")
    assert [event["type"] for event in seen] == ["ADDED", "BOOKMARK"]
    assert seen[-1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


@pytest.mark.slow
async def test_a_watch_ends_cleanly_after_its_timeout(client: Client) -> None:
    """Without an error, and without a bookmark that was not requested."""
    (since,) = await populate(client, "a")
    clock = asyncio.get_running_loop().time
    began = clock()
    assert await client.watched(resourceVersion=since, timeoutSeconds="1") == []
    assert 0.5 < clock() - began < 3


@pytest.mark.slow
async def test_a_watch_from_a_future_revision_waits(client: Client) -> None:
    """It is not refused, and sends no event until that revision is reached."""
    future = str(int((await client.listed()).revision) + FAR)
    async with client.watch(resourceVersion=future, timeoutSeconds="1") as events:
        await populate(client, "a")
        assert [event async for event in events] == []


async def test_a_streaming_list_ends_with_a_bookmark(client: Client) -> None:
    """As on servers from 1.34; ``Simulator(watch_list=False)``, the default, responds 422 like older ones."""
    revisions = await populate(client, "a", "b")
    async with client.watch(**WATCH_LIST) as events:
        seen = await until_added(client, events, "later")
    assert [event["type"] for event in seen] == ["ADDED", "ADDED", "BOOKMARK"]
    assert seen[-1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(revision(seen[-1])) >= max(map(int, revisions))


async def test_a_streaming_list_from_a_future_revision_is_refused_in_the_stream(client: Client) -> None:
    """200, and the 504 as an ERROR event."""
    future = str(int((await client.listed()).revision) + FAR)
    (event,) = await client.watched(timeoutSeconds="1", resourceVersion=future, **WATCH_LIST)
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 504, "Timeout")


async def test_initial_events_can_be_switched_off(client: Client) -> None:
    """``sendInitialEvents=false`` starts at the current revision."""
    await populate(client, "a")
    async with client.watch(**WATCH_LIST | {"sendInitialEvents": "false"}) as events:
        assert await until_added(client, events, "later") == []


async def test_a_compacted_revision_is_expired(forgetful: ForgetfulServer) -> None:
    """A watch gets 200 and a 410 event, a list and a page get 410; the page also gets a token to continue with."""
    client = forgetful.client
    (since, *_) = await populate(client, "a", "b", "c")
    page = await client.listed(limit="1")
    await populate(client, "d")
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


@pytest.mark.parametrize(("value", "watches"), [("", True), ("yes", True), ("0", False), ("False", False)])
async def test_a_boolean_parameter_is_true_unless_it_is_false_or_0(client: Client, value: str, watches: bool) -> None:
    """``watch=`` is a watch."""
    await populate(client, "a")
    async with client.watch(watch=value) as answer:
        assert ("type" in await anext(answer)) is watches


async def test_watch_is_ignored_for_a_single_object(client: Client) -> None:
    """``watch`` on one object is an ordinary GET."""
    await populate(client, "a")
    assert (await client.send("GET", client.path(name="a"), {"watch": "1"})).body["kind"] == "EndpointSlice"
