"""The reflector's WATCH, rule by rule of client-go's specification, in virtual time against a script.

Its LIST is in ``test_reflector_list``, recovery in ``test_reflector``, any server behaviour in any order in
``test_reflector_history``.
"""

from __future__ import annotations

import asyncio
from itertools import chain, repeat
from typing import TYPE_CHECKING

import pytest

from sidecar.membership.events import Applied, Deleted, Failed, Listed
from sidecar.observability.metrics import Metrics
from tests.support.builders import (
    SCOPE,
    SELECTOR,
    bookmark,
    endpoint,
    endpoint_slice,
    error_event,
    following,
    line,
    page,
    report,
    reports,
)
from tests.support.script import EOF, HANG, OPEN, Script, Stream, error, reflect

if TYPE_CHECKING:
    from sidecar.errors import SourceError

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize(("rolled", "seconds"), [(0.0, "300"), (0.5, "450"), (0.999, "600")])
async def test_a_watch_lasts_a_random_time(rolled: float, seconds: str) -> None:
    """Between five and ten minutes, so that a fleet does not come back all at once; bookmarks are asked for."""
    server = Script()
    async with following(reflect(server, jitter=lambda: rolled)):
        await asyncio.sleep(1)
    assert server.of("watch")[0].query == {
        "labelSelector": SELECTOR,
        "watch": "1",
        "resourceVersion": "100",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": seconds,
    }


async def test_events_are_reported_and_advance_the_revision() -> None:
    """ADDED and MODIFIED say everything about an origin, DELETED that it is gone."""
    added, modified = endpoint_slice("b", 101), endpoint_slice("b", 102, endpoints=[])
    gone = line("DELETED", endpoint_slice("a", 103))
    server = Script([page(endpoint_slice("a"))], [(1.0, line("ADDED", added) + line("MODIFIED", modified), 1.0, gone)])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(5)
    assert seen.events[1:] == [
        Applied(scope=SCOPE, report=report(added), resource_version="101", arrived=1.0),
        Applied(scope=SCOPE, report=report(modified), resource_version="102", arrived=1.0),
        Deleted(scope=SCOPE, origin="endpointslice/default/a", resource_version="103", arrived=2.0),
    ]
    assert server.revisions("watch") == ["100", "103"]


async def test_a_slice_that_is_recreated_under_its_name_is_the_new_one() -> None:
    """Deleted and added: nothing of the old one stays."""
    old = endpoint_slice("a", 100)
    new = endpoint_slice("a", 102, endpoints=[endpoint(7)])
    stream = line("DELETED", old | {"metadata": old["metadata"] | {"resourceVersion": "101"}}) + line("ADDED", new)
    server = Script([page(old)], [(1.0, stream, HANG)])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(5)
    assert seen.reports == reports(new)


async def test_bookmarks_advance_the_revision_without_an_event() -> None:
    """They keep a quiet watch from expiring."""
    server = Script(watches=[(60.0, bookmark(500), 60.0, bookmark(600))])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(121)
    assert server.revisions("watch") == ["100", "600"]
    assert seen.kinds == ["Listed"]


async def test_a_watch_that_has_lasted_resumes_at_once() -> None:
    """A clean end after more than a second is the server's time limit: no wait, no failure, no list."""
    server = Script(watches=[(1.1,), (300.0, bookmark(200)), (1.0,)])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(400)
    assert server.times("watch") == [0.0, 1.1, 301.1, 302.1]
    assert server.revisions("watch") == ["100", "100", "200", "200"]
    assert len(server.of("list")) == 1
    assert seen.kinds == ["Listed"]


async def test_a_watch_that_has_brought_something_resumes_at_once() -> None:
    """However short it was: it made progress."""
    server = Script(watches=[(0.5, bookmark(101)), (0.5, line("ADDED", endpoint_slice("b", 102)))])
    async with following(reflect(server)):
        await asyncio.sleep(5)
    assert server.times("watch") == [0.0, 0.5, 1.0]


async def test_a_server_that_ends_every_watch_at_once_is_not_overloaded() -> None:
    """The waits grow, although no single response was wrong."""
    server = Script(watches=repeat(EOF))
    async with following(reflect(server)) as seen:
        await asyncio.sleep(10)
    assert server.times("watch") == [0.0, 0.8, 2.4, 5.6]
    assert {event.reason for event in seen.events if isinstance(event, Failed)} == {"short_watch"}


@pytest.mark.parametrize(
    ("rolled", "retry_after", "waits"),
    [
        (0.0, 0.0, [0.8, 1.6, 3.2]),
        (0.0, 5.0, [5.0, 5.0, 5.0]),
        (0.5, 5.0, [5.4, 5.8, 6.6]),
        (0.5, 2.0, [2.4, 2.8, 4.8]),
    ],
)
@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_429_waits_for_retry_after_and_jitter(
    verb: str, rolled: float, retry_after: float, waits: list[float]
) -> None:
    """The longer of backoff and Retry-After, plus jitter, because every sidecar gets the same header."""
    busy = [error("too_many_requests", retry_after)] * 3
    server = Script([*busy, page()]) if verb == "list" else Script(watches=busy)
    async with following(reflect(server, jitter=lambda: rolled)):
        await asyncio.sleep(60)
    assert server.waits(verb) == pytest.approx(waits)
    assert set(server.revisions("list")) == {"0"}
    assert server.revisions("watch") == ["100"] * len(server.of("watch"))
    assert len(server.of("list")) == (4 if verb == "list" else 1)


@pytest.mark.parametrize(("rolled", "jitter"), [(0.0, 1.0), (0.5, 1.5)])
async def test_a_refused_connection_is_retried_soon(rolled: float, jitter: float) -> None:
    """Backoff with a low cap and no list: the API server is back within seconds of a restart."""
    server = Script(watches=[error("refused")] * 5)
    async with following(reflect(server, jitter=lambda: rolled)):
        await asyncio.sleep(30)
    assert server.waits("watch") == pytest.approx([wait * jitter for wait in (0.8, 1.6, 2.0, 2.0, 2.0)])
    assert len(server.of("list")) == 1


REFUSED: dict[str, SourceError] = {
    "500": error("server_error"),
    "reset before the answer": error("connection"),
    "no answer": error("timeout"),
    "TLS": error("tls"),
}


@pytest.mark.parametrize("refusal", REFUSED.values(), ids=REFUSED)
async def test_a_watch_that_is_refused_is_repeated_with_backoff_from_the_same_revision(refusal: SourceError) -> None:
    """800 ms, doubled, up to 30 s; there is no LIST, and no member is forgotten."""
    server = Script(watches=[refusal] * 8)
    async with following(reflect(server)) as seen:
        await asyncio.sleep(200)
    assert server.waits("watch") == pytest.approx([0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0])
    assert set(server.revisions("watch")) == {"100"}
    assert len(server.of("list")) == 1
    assert seen.reports == reports(endpoint_slice())


BROKEN: dict[str, tuple[Stream, str]] = {
    "ERROR 500": ((error_event(500, "InternalError"),), "server_error"),
    "ERROR 403 after a while": ((2.0, error_event(403, "Forbidden")), "server_error"),
    "an event that cannot be read": ((b"nonsense\n",), "malformed"),
    "the same after a good one": ((line("ADDED", endpoint_slice("b", 100)), b"nonsense\n"), "malformed"),
    "an older bookmark": ((2.0, bookmark(99)), "older"),
    "an older event": ((2.0, line("MODIFIED", endpoint_slice("a", 99, endpoints=[]))), "older"),
    "an end at once": (EOF, "short_watch"),
    "a connection cut at once": ((error("connection"),), "connection"),
}


@pytest.mark.parametrize(("stream", "reason"), BROKEN.values(), ids=BROKEN)
async def test_a_watch_that_would_only_fail_again_is_followed_by_a_list(stream: Stream, reason: str) -> None:
    """With backoff. Otherwise a watch that is broken for good would hide every change, for good."""
    lists = [page(endpoint_slice(f"app-{number}")) for number in range(9)]
    server = Script(lists, repeat(stream))
    metrics = Metrics([])
    async with following(reflect(server, metrics=metrics)) as seen:
        await seen.until(lambda it: len(it.of(Listed)) == 8, within=200)
    delay = sum(step for step in stream if isinstance(step, float))
    assert server.waits("list")[:7] == pytest.approx([delay + wait for wait in (0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0)])
    assert set(server.revisions("list")[1:]) == {"100"}
    assert {event.reason for event in seen.events if isinstance(event, Failed)} == {reason}
    assert seen.reports == reports(endpoint_slice("app-7"))
    assert metrics.registry.get_sample_value("membership_relists_total", {"reason": reason}) == 7


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param((1.5, error("connection")), id="cut after a while"),
        pytest.param((bookmark(100), error("connection")), id="cut after a bookmark"),
        pytest.param((error_event(429, "TooManyRequests"),), id="ERROR 429"),
    ],
)
async def test_a_watch_that_may_work_next_time_is_repeated_without_a_list(stream: Stream) -> None:
    """A load balancer cuts what is idle; an overloaded server is not helped by a LIST."""
    server = Script(watches=repeat(stream, 5))
    async with following(reflect(server)):
        await asyncio.sleep(60)
    assert len(server.of("watch")) == 6
    assert len(server.of("list")) == 1


async def test_a_connection_that_is_cut_again_and_again_is_resumed_soon_if_it_worked_in_between() -> None:
    """A load balancer that cuts what is idle is not a server that fails: the waits do not grow."""
    server = Script(watches=repeat((6.0, error("connection"))))
    async with following(reflect(server)):
        await asyncio.sleep(100)
    assert server.waits("watch") == pytest.approx([6.8] * 14)


async def test_a_watch_on_which_nothing_arrives_is_repeated_and_is_no_failure() -> None:
    """Not even a bookmark: a server on which nothing happens has nothing to say, and an idle fleet must not list."""
    server = Script(watches=[(150.0, TimeoutError())] * 2)
    async with following(reflect(server)) as seen:
        await asyncio.sleep(400)
    assert server.times("watch") == [0.0, 150.0, 300.0]
    assert server.times("list") == [0.0]
    assert seen.kinds == ["Listed"]


async def test_silence_after_a_failure_is_followed_by_a_list() -> None:
    """Once: whoever comes back may be a server in whose history this revision is in the future."""
    server = Script(watches=[error("refused"), *[(150.0, TimeoutError())] * 2])
    async with following(reflect(server)):
        await asyncio.sleep(400)
    assert server.times("list") == [0.0, 150.8]
    assert server.revisions("list") == ["0", "100"]
    assert len(server.of("watch")) == 4


async def test_a_server_whose_history_starts_again_lower_is_followed_soon() -> None:
    """An etcd restored from a backup: a watch from the future stays silent, and a list from there is refused."""
    behind = error("too_large_resource_version")
    server = Script(
        [page(revision=900), behind, behind, behind, page(endpoint_slice("b"), revision=300)],
        [error("refused"), (150.0, TimeoutError())],
    )
    async with following(reflect(server)) as seen:
        await seen.until(lambda it: it.revision == "300", within=160)
    assert server.revisions("list") == ["0", "900", "900", "900", None]
    assert seen.reports == reports(endpoint_slice("b"))


async def test_an_error_event_may_say_when_to_come_back() -> None:
    """RetryAfterSeconds in the details of the Status."""
    server = Script(watches=[(error_event(429, "TooManyRequests", retryAfterSeconds=7),)])
    async with following(reflect(server)):
        await asyncio.sleep(10)
    assert server.times("watch") == [0.0, 7.0]


@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_401_reads_the_token_again_and_is_retried_at_once_but_only_once(verb: str) -> None:
    """The token was rotated; if the new one is not accepted either, there is no hurry."""
    refused = [error("unauthorized")] * 3
    server = Script(refused) if verb == "list" else Script(watches=refused)
    async with following(reflect(server)) as seen:
        await asyncio.sleep(20)
    assert server.times(verb) == [0.0, 0.0, 0.8, 2.4]
    assert server.invalidated == pytest.approx([0.0, 0.0, 0.8])
    assert seen.kinds[-1] == ("Listed" if verb == "list" else "Recovered")


async def test_a_token_that_was_accepted_meanwhile_gets_its_immediate_retry_again() -> None:
    """An accepted watch is enough, even without an event."""
    server = Script(watches=[error("unauthorized"), (30.0,), error("unauthorized"), OPEN])
    async with following(reflect(server)):
        await asyncio.sleep(60)
    assert server.times("watch") == [0.0, 0.0, 30.0, 30.0]


@pytest.mark.parametrize("reason", ["forbidden", "not_found"])
@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_what_needs_a_human_is_reported_and_retried_with_backoff(verb: str, reason: str) -> None:
    """The Role may come later; until then the members stay."""
    refused = [error(reason)] * 7
    gone: Stream = (5.0, error_event(410, "Expired"))
    server = Script([page(endpoint_slice("a")), *refused], [gone]) if verb == "list" else Script(watches=refused)
    async with following(reflect(server)) as seen:
        await seen.until(lambda it: len(it.of(Failed)) == 7, within=120)
        assert len(seen.reports) == 1
    said = Failed(scope=SCOPE, reason=reason, message=f"This is {reason}.", arrived=seen.times[-1])
    assert seen.events[-1] == said
    assert server.waits(verb)[-6:] == pytest.approx([0.8, 1.6, 3.2, 6.4, 12.8, 25.6])


@pytest.mark.parametrize(("rolled", "deadline"), [(0.0, 330.0), (0.5, 480.0)])
async def test_a_watch_that_outlives_its_time_is_ended_by_the_client(rolled: float, deadline: float) -> None:
    """Half a minute after the server should have ended it, bookmarks or not."""
    server = Script(watches=[tuple(chain.from_iterable(repeat((20.0, bookmark(200)), 60)))])
    async with following(reflect(server, jitter=lambda: rolled)) as seen:
        await asyncio.sleep(500)
    assert server.times("watch") == [0.0, deadline + 0.8 * (1 + rolled)]
    assert server.revisions("watch") == ["100", "200"]
    assert [event.reason for event in seen.events if isinstance(event, Failed)] == ["timeout"]


NONSENSE = {
    "an unknown type": line("RENAMED", endpoint_slice("b", 102)),
    "no JSON": b"<html>\n",
    "half a line": line("ADDED", endpoint_slice("b", 102))[:40] + b"\n",
    "an object that is none": b'{"type":"ADDED","object":7}\n',
    "no object": b'{"type":"ADDED"}\n',
    "no revision": line("ADDED", {"metadata": {"name": "b"}}),
    "a bookmark without revision": line("BOOKMARK", {"metadata": {}}),
    "an object that is no slice": line("ADDED", endpoint_slice("b", 102, endpoints="none")),
    "bad UTF-8": line("ADDED", endpoint_slice("b", 102)).replace(b'"b"', b'"\xff"'),
    "too deep": b'{"type":"ADDED","object":' + b"[" * 99_999 + b"\n",
    "another's words": b"Too many requests, please try again later.\n",
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
async def test_a_line_that_cannot_be_read_is_not_skipped(nonsense: bytes) -> None:
    """A LIST from the last good revision brings what it was meant to say; nothing after it is used."""
    before, after = line("ADDED", endpoint_slice("c", 101)), line("ADDED", endpoint_slice("d", 103))
    server = Script([page(), page(endpoint_slice("c", 101), revision=104)], [(1.0, before + nonsense + after, HANG)])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(5)
    assert server.times("list") == [0.0, 1.8]
    assert server.revisions("list") == ["0", "101"]
    assert server.revisions("watch") == ["100", "104"]
    assert seen.kinds == ["Listed", "Applied", "Failed", "Listed"]
    assert [event.reason for event in seen.events if isinstance(event, Failed)] == ["malformed"]
    assert seen.reports == reports(endpoint_slice("c", 101))


async def test_a_watch_that_goes_back_in_time_is_ended() -> None:
    """An event older than what was seen belongs to another history, and is not used."""
    older = line("MODIFIED", endpoint_slice("a", 90, endpoints=[]))
    server = Script([page(endpoint_slice("a")), (60.0, page())], [(1.0, older, HANG)])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(5)
    assert server.revisions("list") == ["0", "100"]
    assert [event.reason for event in seen.events if isinstance(event, Failed)] == ["older"]
    assert seen.reports == reports(endpoint_slice("a"))


async def test_a_line_that_was_cut_off_is_not_an_event() -> None:
    """Not even if only the newline is missing; it comes again."""
    whole = line("ADDED", endpoint_slice("b", 101))
    server = Script(watches=[(2.0, whole[:-1]), (2.0, whole, HANG)])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(3)
        assert seen.kinds == ["Listed"]
        await asyncio.sleep(3)
    assert server.revisions("watch") == ["100", "100"]
    assert seen.kinds == ["Listed", "Applied"]
