"""The controls of the simulator, and what a client sees when a test uses them.

What it has in common with a real server is in ``contract``, scripted faults are in ``test_faults``.
"""

import asyncio
import json
import ssl
import subprocess
from pathlib import Path

import aiohttp
import pytest

from sidecar.simulator import ScriptedService, Simulator
from sidecar.simulator.watching import Pace
from tests.simulator.client import SLICES, Client, endpoint_slice, summary


async def test_an_object_that_was_put_is_served(simulator: Simulator, local: Client) -> None:
    """It is put without a request and without await."""
    stored = simulator.put(SLICES, endpoint_slice("a"))
    answer = await local.get("a")
    assert answer.revision == stored["metadata"]["resourceVersion"]
    assert simulator.delete(SLICES, "default", "a")
    assert not simulator.delete(SLICES, "default", "a")
    assert (await local.get("a")).code == 404


async def test_a_watch_receives_what_is_put(simulator: Simulator, local: Client) -> None:
    """In the order of the calls."""
    async with local.watch() as events:
        await simulator.request(verb="watch")
        service = ScriptedService(simulator, write=(SLICES,))
        service.scale(2)
        service.remove("app-0")
        seen = [await anext(events) for _ in range(3)]
    assert [event["type"] for event in seen] == ["ADDED", "MODIFIED", "MODIFIED"]
    assert [len(event["object"]["endpoints"] or ()) for event in seen] == [0, 2, 1]


async def test_a_large_service_goes_over_the_wire(simulator: Simulator, local: Client) -> None:
    """Ten thousand endpoints can be listed and watched."""
    ScriptedService(simulator).scale(10_000)
    listed = (await local.listed()).body["items"]
    async with local.watch() as events:
        watched = [await anext(events) for _ in range(100)]
    assert sum(len(item["endpoints"]) for item in listed) == 10_000
    assert sum(len(event["object"]["endpoints"]) for event in watched) == 10_000


async def test_the_journal_has_the_requests(simulator: Simulator, local: Client) -> None:
    """With verb, resource, namespace, parameters, status, authentication and User-Agent."""
    await local.send("GET", local.path(), {"limit": "5"}, headers={"Authorization": "Bearer x", "User-Agent": "me/1"})
    await local.get("nobody", "pods")
    first, second = simulator.requests
    assert (first.verb, first.resource, first.namespace, first.name) == ("list", SLICES, "default", None)
    assert (first.query, first.status, first.authenticated, first.user_agent) == ({"limit": "5"}, 200, True, "me/1")
    assert (second.verb, second.name, second.status, second.authenticated) == ("get", "nobody", 404, False)


async def test_a_request_can_be_waited_for(simulator: Simulator, local: Client) -> None:
    """For the count-th that matches, past or future."""
    waiting = asyncio.create_task(simulator.request(lambda it: it.status == 404, verb="get", count=2))
    await local.get("one")
    await local.listed()
    assert not waiting.done()
    await local.get("two")
    assert (await waiting).name == "two"
    assert (await simulator.request(resource=SLICES, after=1)).verb == "list"


async def test_only_accepted_tokens_are_authorized(local: Client, simulator: Simulator) -> None:
    """From the next request on; a running watch is not affected."""
    simulator.accept_tokens("new")
    codes = [
        (await local.send("GET", local.path(), headers=headers)).code
        for headers in ({}, {"Authorization": "Bearer old"}, {"Authorization": "Bearer new"}, {"Authorization": "new"})
    ]
    assert codes == [401, 401, 200, 401]


async def test_cut_watches_break_in_mid_stream(simulator: Simulator, local: Client) -> None:
    """The client can tell it from a clean end; other requests are not affected."""
    async with local.watch() as events:
        await simulator.request(verb="watch")
        assert simulator.watches == 1
        simulator.cut_watches()
        with pytest.raises(aiohttp.ClientPayloadError):
            await anext(events)
    assert (await local.listed()).code == 200
    assert simulator.watches == 0


async def test_watches_can_be_reset(simulator: Simulator, local: Client) -> None:
    """The client's kernel reports ECONNRESET."""
    async with local.watch() as events:
        await simulator.request(verb="watch")
        simulator.cut_watches(reset=True)
        with pytest.raises(aiohttp.ClientError, match="reset"):
            await anext(events)


async def test_ended_watches_end_cleanly(simulator: Simulator, local: Client) -> None:
    """After sending what is queued."""
    async with local.watch() as events:
        await simulator.request(verb="watch")
        simulator.put(SLICES, endpoint_slice("a"))
        simulator.end_watches()
        assert [summary(event) async for event in events] == [("ADDED", "a")]


async def test_a_stopped_server_refuses_connections_until_it_serves_again(simulator: Simulator, local: Client) -> None:
    """On the same port, with the same objects; watches break as if the server had been killed."""
    stored = simulator.put(SLICES, endpoint_slice("a"))["metadata"]["resourceVersion"]
    port = simulator.port
    async with local.watch(resourceVersion=stored) as events:
        await simulator.request(verb="watch")
        await simulator.stop_serving()
        with pytest.raises(aiohttp.ClientPayloadError):
            await anext(events)
    with pytest.raises(aiohttp.ClientConnectorError):
        await local.listed()
    await simulator.serve_again()
    assert simulator.port == port
    assert (await local.listed()).names == ["a"]


@pytest.mark.parametrize(("lose_history", "told_first"), [(False, "ADDED"), (True, "ERROR")])
async def test_a_restart_may_lose_history(
    simulator: Simulator, local: Client, *, lose_history: bool, told_first: str
) -> None:
    """An earlier watch then gets 410."""
    since = str(simulator.store.revision)
    simulator.put(SLICES, endpoint_slice("a"))
    await simulator.stop_serving()
    await simulator.serve_again(lose_history=lose_history)
    async with local.watch(resourceVersion=since) as events:
        assert (await anext(events))["type"] == told_first


async def test_compaction_does_not_affect_a_running_watch(simulator: Simulator, local: Client) -> None:
    """It has a queue of its own."""
    async with local.watch() as events:
        await simulator.request(verb="watch")
        simulator.put(SLICES, endpoint_slice("a"))
        simulator.compact()
        assert summary(await anext(events)) == ("ADDED", "a")


async def test_bookmarks_are_sent_at_intervals() -> None:
    """If requested, with the newest revision of all resources, once there is a new one."""
    pace = Pace(bookmark_interval=0.05)
    async with Simulator(pace=pace) as simulator, aiohttp.ClientSession(simulator.url) as session:
        client = Client(session)
        async with client.watch(allowWatchBookmarks="true") as events:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(events), timeout=0.2)
            simulator.put("pods", {"metadata": {"name": "other"}})
            seen = [await anext(events) for _ in range(2)]
    assert [event["type"] for event in seen] == ["BOOKMARK", "BOOKMARK"]
    assert seen[0]["object"]["metadata"]["resourceVersion"] == str(simulator.store.revision)


async def test_a_list_waits_for_a_revision_that_is_about_to_be_reached() -> None:
    """Like a replica that is slightly behind."""
    async with Simulator(catch_up=5) as simulator, aiohttp.ClientSession(simulator.url) as session:
        client = Client(session)
        wanted = str(simulator.store.revision + 1)
        waiting = asyncio.create_task(client.listed(resourceVersion=wanted, resourceVersionMatch="NotOlderThan"))
        await client.get("nobody")
        assert not waiting.done()
        simulator.put(SLICES, endpoint_slice("a"))
        assert (await waiting).names == ["a"]


async def test_a_server_without_streaming_lists_refuses_them(local: Client) -> None:
    """With 422, after which clients list."""
    answer = await local.send("GET", local.path(), {"watch": "1", "sendInitialEvents": "true"})
    (cause,) = answer.body["details"]["causes"]
    assert (answer.code, cause["field"], cause["reason"]) == (422, "sendInitialEvents", "FieldValueForbidden")


async def test_it_serves_tls(tmp_path: Path) -> None:
    """With a given context."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    names = ["-subj", "/CN=simulator", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *names]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)  # noqa: ASYNC221
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=certificate))
    async with (
        Simulator(ssl_context=server) as simulator,
        aiohttp.ClientSession(simulator.url, connector=connector) as session,
    ):
        assert simulator.url.startswith("https://")
        assert (await Client(session).listed()).code == 200


async def test_it_has_health_endpoints(simulator: Simulator, local: Client) -> None:
    """For clients that check the version or the health first."""
    assert json.loads((await local.send("GET", "/version")).text)["major"] == "1"
    assert (await local.send("GET", "/readyz")).text == "ok"
    assert simulator.requests == ()


async def test_it_leaves_nothing_behind() -> None:
    """No task and no open port, even while clients keep their connections."""
    before = asyncio.all_tasks()
    async with aiohttp.ClientSession() as session:
        async with Simulator() as simulator:
            connected = await session.get(f"{simulator.url}{Client(session).path()}", params={"watch": "1"})
            assert simulator.watches == 1
        assert asyncio.all_tasks() == before
        assert simulator.watches == 0
        connected.close()
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(simulator.url)
