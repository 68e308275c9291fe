"""Each fault as a client sees it, and how long it lasts."""

import asyncio

import aiohttp
import pytest

from sidecar.simulator import (
    FOREVER,
    Absent,
    BadGateway,
    CutMidLine,
    Delayed,
    Fault,
    Forbidden,
    Gone,
    GoneEvent,
    ImmediateEOF,
    InsertLine,
    InternalError,
    OlderReplica,
    Refuse,
    ResourceVersionTooLarge,
    Silence,
    Simulator,
    SlowDrip,
    TooManyRequests,
    Unauthorized,
)
from tests.simulator.client import SLICES, Client, endpoint_slice, summary


@pytest.mark.parametrize(
    ("fault", "code", "kind", "text"),
    [
        (TooManyRequests(), 429, "text/plain; charset=utf-8", "Too many requests, please try again later.\n"),
        (BadGateway(), 502, "text/html", "<html>\n"),
        (Unauthorized(), 401, "application/json", '{"kind":"Status"'),
        (Forbidden(), 403, "application/json", '{\n  "kind": "Status",\n'),
        (Absent(), 404, "application/json", '{"kind":"Status"'),
        (Absent(group=True), 404, "text/plain; charset=utf-8", "404 page not found\n"),
        (Gone(), 410, "application/json", '{"kind":"Status"'),
        (InternalError(), 500, "application/json", '{"kind":"Status"'),
        (ResourceVersionTooLarge(), 504, "application/json", '{"kind":"Status"'),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Fault) else "",
)
@pytest.mark.parametrize("query", [{}, {"watch": "1", "timeoutSeconds": "1"}], ids=["list", "watch"])
async def test_a_scripted_refusal_is_sent_once(
    simulator: Simulator, local: Client, fault: Fault, code: int, kind: str, text: str, query: dict[str, str]
) -> None:
    """To a list and to a watch alike; the next request is served normally."""
    simulator.script(fault)
    answer = await local.send("GET", local.path(), query)
    assert (answer.code, answer.headers["Content-Type"]) == (code, kind)
    assert answer.text.startswith(text)
    assert (await local.listed()).code == 200
    assert [request.status for request in simulator.requests] == [code, 200]


async def test_429_has_a_retry_after_header(simulator: Simulator, local: Client) -> None:
    """As priority-and-fairness sends it."""
    simulator.script(TooManyRequests(retry_after=5))
    assert (await local.listed()).headers["Retry-After"] == "5"


async def test_too_large_names_its_cause(simulator: Simulator, local: Client) -> None:
    """The cause is what clients look for."""
    simulator.script(ResourceVersionTooLarge())
    answer = await local.listed(resourceVersion="7")
    assert answer.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert answer.body["message"] == "Timeout: Too large resource version: 7, current: 6"


async def test_a_fault_affects_only_matching_requests(simulator: Simulator, local: Client) -> None:
    """By verb and resource, in the order of the script."""
    simulator.script(Gone(verb="watch"), InternalError(resource="pods"), BadGateway(verb="list"))
    assert (await local.listed()).code == 502
    assert (await local.listed()).code == 200
    assert (await local.listed("pods")).code == 500
    assert (await local.send("GET", local.path(), {"watch": "1"})).code == 410


async def test_a_fault_lasts_as_long_as_it_says(simulator: Simulator, local: Client) -> None:
    """A number of times, or until ``behave`` is called."""
    simulator.script(Forbidden(times=2))
    assert [(await local.listed()).code for _ in range(3)] == [403, 403, 200]
    simulator.script(Forbidden(times=FOREVER))
    assert [(await local.listed()).code for _ in range(3)] == [403, 403, 403]
    simulator.behave()
    assert (await local.listed()).code == 200


async def test_gone_as_an_event(simulator: Simulator, local: Client) -> None:
    """200, the current objects, 410, and a clean end."""
    simulator.put(SLICES, endpoint_slice("a"))
    simulator.script(GoneEvent(after=1))
    async with local.watch() as events:
        first, second = [event async for event in events]
        assert events.response.status == 200
    assert summary(first) == ("ADDED", "a")
    assert (second["type"], second["object"]["code"]) == ("ERROR", 410)


async def test_an_immediate_end(simulator: Simulator, local: Client) -> None:
    """A clean end of a watch that would have gone on."""
    simulator.put(SLICES, endpoint_slice("a"))
    simulator.script(ImmediateEOF())
    assert await local.watched() == []


@pytest.mark.parametrize("query", [{}, {"watch": "1"}], ids=["list", "watch"])
async def test_silence(simulator: Simulator, local: Client, query: dict[str, str]) -> None:
    """Headers, and then nothing until the client gives up."""
    simulator.script(Silence())
    timeout = aiohttp.ClientTimeout(total=None, sock_read=0.1)
    async with local.session.get(local.path(), params=query, timeout=timeout) as response:
        assert response.status == 200
        with pytest.raises(TimeoutError):
            await response.content.read()


async def test_silence_ends_with_the_server(simulator: Simulator, local: Client) -> None:
    """A silent connection does not prevent the server from stopping."""
    simulator.script(Silence())
    async with local.watch() as events:
        await simulator.stop_serving()
        with pytest.raises(aiohttp.ClientPayloadError):
            await anext(events)


@pytest.mark.parametrize("reset", [False, True])
async def test_a_line_cut_in_half(simulator: Simulator, local: Client, *, reset: bool) -> None:
    """Whole lines before it, half a line, and no end."""
    for name in "ab":
        simulator.put(SLICES, endpoint_slice(name))
    simulator.script(CutMidLine(after=1, reset=reset))
    async with local.watch() as events:
        content = events.response.content
        assert summary(await anext(events)) == ("ADDED", "a")
        assert (await content.readany()).startswith(b'{"type":"ADDED"')
        with pytest.raises(aiohttp.ClientPayloadError):
            await content.readany()


async def test_a_list_cut_in_half(simulator: Simulator, local: Client) -> None:
    """The body is shorter than its Content-Length."""
    simulator.script(CutMidLine())
    with pytest.raises(aiohttp.ClientPayloadError):
        await local.listed()


async def test_a_slow_drip_is_complete(simulator: Simulator, local: Client) -> None:
    """A list and a watch have the same bytes, however small the pieces are."""

    async def seen() -> tuple[str, bytes]:
        async with local.watch() as events:
            line = await events.response.content.readline()
        return (await local.listed()).text, line

    simulator.put(SLICES, endpoint_slice("a"))
    whole = await seen()
    simulator.script(SlowDrip(size=1, times=2))
    assert await seen() == whole
    assert whole[1].endswith(b"}\n")


async def test_a_slow_drip_pauses_between_pieces(simulator: Simulator, local: Client) -> None:
    """For the time that was asked for."""
    simulator.put(SLICES, endpoint_slice("a"))
    simulator.script(SlowDrip(size=200, pause=0.05))
    async with local.watch() as events:
        first = await events.response.content.readany()
        began = asyncio.get_running_loop().time()
        await events.response.content.readline()
    assert len(first) == 200
    assert asyncio.get_running_loop().time() - began > 0.04


@pytest.mark.parametrize("line", [b"not json\n", b'{"type":"SURPRISE","object":{}}\n', b"\n"])
async def test_an_inserted_line(simulator: Simulator, local: Client, line: bytes) -> None:
    """Between two correct lines."""
    for name in "ab":
        simulator.put(SLICES, endpoint_slice(name))
    simulator.script(InsertLine(line=line, after=1))
    async with local.watch() as events:
        lines = [await events.response.content.readline() for _ in range(3)]
    assert lines[1] == line
    assert lines[2].startswith(b'{"type":"ADDED"')


async def test_a_connection_closed_before_any_byte(simulator: Simulator, local: Client) -> None:
    """The journal has the request with code 0."""
    simulator.script(Refuse(times=FOREVER))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await local.listed()
    assert {request.status for request in simulator.requests} == {0}


async def test_a_delayed_response_is_complete(simulator: Simulator, local: Client) -> None:
    """It has the state at the time when it is sent."""
    simulator.script(Delayed(verb="list", seconds=0.1))
    waiting = asyncio.create_task(local.listed())
    await local.get("nobody")
    simulator.put(SLICES, endpoint_slice("a"))
    assert (await waiting).names == ["a"]


async def test_an_older_replica_lists_an_earlier_state(simulator: Simulator, local: Client) -> None:
    """And responds 504 to a revision that it has not reached."""
    simulator.put(SLICES, endpoint_slice("a"))
    past = simulator.store.revision
    simulator.put(SLICES, endpoint_slice("b"))
    simulator.script(OlderReplica(revision=past, times=2))
    older = await local.listed(resourceVersion="0")
    newer = await local.listed(resourceVersion=str(past + 1), resourceVersionMatch="NotOlderThan")
    assert (older.names, older.revision) == (["a"], str(past))
    assert newer.code == 504
