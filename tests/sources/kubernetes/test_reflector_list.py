"""When the reflector lists, which LIST it asks for, and what it makes of it, in virtual time against a script."""

from __future__ import annotations

import asyncio
from itertools import repeat

import pytest
from msgspec.structs import replace

from sidecar.errors import SourceError
from sidecar.membership.events import Failed, Listed
from sidecar.sources.kubernetes.resource_versions import is_older
from sidecar.sources.kubernetes.timing import Timing
from tests.support.builders import (
    SCOPE,
    SELECTOR,
    bookmark,
    collection,
    encoded,
    endpoint_slice,
    error_event,
    following,
    line,
    page,
    report,
    reports,
)
from tests.support.script import OPEN, Script, Stream, error, reflect

pytestmark = pytest.mark.looptime

# --- LIST: which one


async def test_the_first_list_takes_what_the_watch_cache_has() -> None:
    """ResourceVersion 0, no limit, no match: cheap for the server, whatever the size of the fleet."""
    server = Script()
    async with following(reflect(server)) as seen:
        await asyncio.sleep(1)
    assert server.of("list")[0].query == {"labelSelector": SELECTOR, "resourceVersion": "0"}
    assert seen.events == [Listed(scope=SCOPE, reports=(report(endpoint_slice()),), resource_version="100")]


async def test_a_restarted_sidecar_lists_nothing_older_than_its_predecessor_published() -> None:
    """The checkpoint goes into the first LIST."""
    server = Script([page(revision=950)])
    async with following(reflect(server, not_older_than="900")) as seen:
        await asyncio.sleep(1)
    assert server.of("list")[0].query == {
        "labelSelector": SELECTOR,
        "resourceVersion": "900",
        "resourceVersionMatch": "NotOlderThan",
    }
    assert seen.revision == "950"


EXPIRED = {
    "status 410": error("expired"),
    "event 410 Expired": (5.0, error_event(410, "Expired")),
    "event 410 Gone": (5.0, error_event(410, "Gone")),
    "event Expired without a code": (5.0, error_event(0, "Expired")),
    "event Gone without a code": (5.0, error_event(0, "Gone")),
}


@pytest.mark.parametrize("end", EXPIRED.values(), ids=EXPIRED)
async def test_410_on_a_watch_lists_again_at_once_from_the_last_revision(end: Stream | SourceError) -> None:
    """Not with "", and not as a failure: it is how a watch of a busy cluster ends."""
    server = Script([page(), page(revision=300)], [(5.0, bookmark(200)), (5.0, bookmark(205)), end])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(20)
    relist_at = 10.0 if isinstance(end, SourceError) else 15.0
    assert server.times("list") == [0.0, relist_at]
    assert server.of("list")[1].query == {
        "labelSelector": SELECTOR,
        "resourceVersion": "205",
        "resourceVersionMatch": "NotOlderThan",
    }
    assert server.revisions("watch") == ["100", "200", "205", "300"]
    assert seen.kinds == ["Listed", "Listed"]


async def test_410_on_that_list_reads_consistently_once() -> None:
    """Then there is a new revision, and the next relist is NotOlderThan again."""
    gone: Stream = (5.0, error_event(410, "Expired"))
    server = Script([page(), error("expired"), page(revision=200), page(revision=300)], [gone, gone])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(20)
    assert server.times("list") == [0.0, 5.0, 5.8, 10.8]
    assert server.revisions("list") == ["0", "100", None, "200"]
    assert "resourceVersionMatch" not in server.of("list")[2].query
    assert seen.kinds == ["Listed", "Failed", "Listed", "Listed"]


async def test_a_consistent_read_that_fails_is_repeated_as_such() -> None:
    """The old revision does not become valid again by a 500."""
    server = Script([page(), error("expired"), error("server_error"), page(revision=200)], [error("expired")])
    async with following(reflect(server)):
        await asyncio.sleep(20)
    assert server.revisions("list") == ["0", "100", None, None]


async def test_relists_are_not_a_busy_loop() -> None:
    """If every list is too old to watch from, there is a backoff."""
    server = Script(watches=repeat(error("expired")))
    async with following(reflect(server)):
        await asyncio.sleep(10)
    assert server.times("list") == [0.0, 0.8, 2.4, 5.6]
    assert server.times("watch") == [0.0, 0.8, 2.4, 5.6]


@pytest.mark.parametrize("tries", [1, 3])
async def test_a_list_that_is_too_far_ahead_of_its_server_becomes_consistent_after_some_tries(tries: int) -> None:
    """504 ResourceVersionTooLarge: the replica may catch up; a cluster restored from a backup will not."""
    server = Script([*[error("too_large_resource_version")] * tries, page(revision=50)])
    timing = Timing(too_large_tries=tries)
    async with following(reflect(server, not_older_than="900", timing=timing)) as seen:
        await asyncio.sleep(20)
    assert server.revisions("list") == ["900"] * tries + [None]
    assert server.times("list") == [0.0, 0.8, 2.4, 5.6][: tries + 1]
    assert seen.revision == "50"
    assert server.revisions("watch") == ["50"]


async def test_a_watch_that_is_too_far_ahead_of_its_server_lists_consistently_after_some_tries() -> None:
    """The third refusal is the last one: the relist follows at once."""
    server = Script([page(), page(revision=50)], [error("too_large_resource_version")] * 3)
    async with following(reflect(server)) as seen:
        await asyncio.sleep(20)
    assert server.times("watch") == [0.0, 0.8, 2.4, 2.4]
    assert server.revisions("watch") == ["100", "100", "100", "50"]
    assert server.revisions("list") == ["0", None]
    assert seen.kinds == ["Listed", "Failed", "Failed", "Listed"]


async def test_a_server_that_catches_up_is_not_suspected_later() -> None:
    """The tries count only in a row; an accepted watch begins a new row."""
    behind = error("too_large_resource_version")
    server = Script(watches=[behind, behind, (5.0, error("connection")), behind, behind, OPEN])
    async with following(reflect(server)):
        await asyncio.sleep(60)
    assert server.revisions("list") == ["0"]
    assert len(server.of("watch")) == 6


# --- LIST: what is made of it


async def test_the_revision_is_the_lists_and_never_an_items() -> None:
    """Items come in the order of names; resuming from one of them would replay the past."""
    server = Script([page(endpoint_slice("a", 900), endpoint_slice("b", 12), revision=100)])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(1)
    assert server.revisions("watch") == ["100"]
    assert seen.revision == "100"


async def test_all_pages_are_collected_before_anything_is_reported() -> None:
    """Some servers page unasked; the continuation has neither a revision nor a limit."""
    pages = [
        page(endpoint_slice("a"), **{"continue": "more"}),
        page(endpoint_slice("b"), **{"continue": "still more"}),
        page(endpoint_slice("c")),
    ]
    server = Script(pages)
    async with following(reflect(server)) as seen:
        await asyncio.sleep(1)
    assert [asked.query for asked in server.of("list")[1:]] == [
        {"labelSelector": SELECTOR, "continue": "more"},
        {"labelSelector": SELECTOR, "continue": "still more"},
    ]
    assert seen.kinds == ["Listed"]
    assert seen.reports == reports(endpoint_slice("a"), endpoint_slice("b"), endpoint_slice("c"))


async def test_a_list_that_fails_on_a_later_page_starts_again() -> None:
    """Half a list is not a list."""
    first = page(endpoint_slice("a"), **{"continue": "more"})
    server = Script([first, error("server_error"), first, page(endpoint_slice("b"))])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(5)
    assert [asked.query.get("continue") for asked in server.of("list")] == [None, "more", None, "more"]
    assert seen.kinds == ["Failed", "Listed"]
    assert seen.reports == reports(endpoint_slice("a"), endpoint_slice("b"))


async def test_a_list_whose_continuation_has_expired_starts_again() -> None:
    """From the newest state: what was to be continued is gone."""
    first = page(endpoint_slice("gone"), **{"continue": "more"})
    server = Script([first, error("expired"), page(endpoint_slice("a"), revision=200)])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(5)
    assert [asked.query for asked in server.of("list")] == [
        {"labelSelector": SELECTOR, "resourceVersion": "0"},
        {"labelSelector": SELECTOR, "continue": "more"},
        {"labelSelector": SELECTOR},
    ]
    assert seen.reports == reports(endpoint_slice("a"))


async def test_a_list_older_than_what_was_seen_is_discarded() -> None:
    """Some replica ignores what it was asked; the next one may not."""
    server = Script([page(revision=899), page(revision=900)])
    async with following(reflect(server, not_older_than="900")) as seen:
        await asyncio.sleep(5)
    assert server.times("list") == [0.0, 0.8]
    assert server.revisions("list") == ["900", "900"]
    assert [event.reason for event in seen.events if isinstance(event, Failed)] == ["older"]
    assert seen.kinds == ["Failed", "Listed"]


@pytest.mark.parametrize(
    ("revision", "than", "older"),
    [
        ("99", "100", True),
        ("100", "100", False),
        ("101", "100", False),
        ("9", "10", True),
        ("18446744073709551616", "18446744073709551617", True),
        ("abc", "abd", False),
        ("1", "", False),
        ("", "1", False),
        ("-1", "1", False),
        ("1", "9" * 5000, False),
    ],
)
def test_revisions_are_compared_only_where_both_are_numbers(revision: str, than: str, older: bool) -> None:
    """KEP-5504 says how; anything else is opaque."""
    assert is_older(revision, than) is older


NO_LIST = {
    "html": b"<html>\n<body>hello</body>\n</html>\n",
    "nothing": b"",
    "null": b"null",
    "cut off": page(endpoint_slice())[:-10],
    "no metadata": b'{"items": []}',
    "no revision": b'{"metadata": {}, "items": []}',
    "a Status": encoded({"kind": "Status", "metadata": {}, "status": "Success"}),
    "a bad item": page({"metadata": []}),
    "bad UTF-8": page(endpoint_slice("b")).replace(b'"b"', b'"\xff"'),
    "too deep": b'{"metadata": {"resourceVersion": "1"}, "x": ' + b"[" * 99_999,
}


@pytest.mark.parametrize("body", NO_LIST.values(), ids=NO_LIST)
async def test_a_response_that_is_not_a_list_is_a_failure(body: bytes) -> None:
    """It does not empty the set, and the same request is repeated."""
    gone: Stream = (5.0, error_event(410, "Expired"))
    server = Script([page(endpoint_slice("a")), body, page(endpoint_slice("b"), revision=200)], [gone])
    async with following(reflect(server)) as seen:
        await seen.until(lambda it: it.of(Failed))
        assert seen.reports == reports(endpoint_slice("a"))
        await asyncio.sleep(5)
    assert [event.reason for event in seen.events if isinstance(event, Failed)] == ["malformed"]
    assert server.revisions("list") == ["0", "100", "100"]
    assert seen.reports == reports(endpoint_slice("b"))


async def test_a_server_that_keeps_listing_the_past_is_read_consistently_in_the_end() -> None:
    """Some ignore NotOlderThan. The cluster itself may have gone back, and only a consistent read can tell."""
    old = page(endpoint_slice("b"), revision=300)
    server = Script([old, old, old, old])
    async with following(reflect(server, not_older_than="900")) as seen:
        await asyncio.sleep(20)
    assert server.revisions("list") == ["900", "900", "900", None]
    assert seen.reports == reports(endpoint_slice("b"))


@pytest.mark.parametrize("checkpoint", ["abc", "12a", "-1", "1.5", "\N{ARABIC-INDIC DIGIT ONE}"])
async def test_a_checkpoint_that_is_not_a_number_is_ignored(checkpoint: str) -> None:
    """The API server would refuse it for ever."""
    server = Script()
    async with following(reflect(server, not_older_than=checkpoint)) as seen:
        await asyncio.sleep(1)
    assert server.revisions("list") == ["0"]
    assert seen.kinds == ["Listed"]


async def test_a_list_has_a_limit_over_all_its_pages() -> None:
    """Each page comes in time, the whole does not; nothing of it is used."""
    slow = (50.0, page(endpoint_slice("a"), **{"continue": "more"}))
    server = Script([slow, slow, slow, page(endpoint_slice("b"))])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(125)
    assert server.times("list") == [0.0, 50.0, 100.0, 120.8]
    assert [event.reason for event in seen.events if isinstance(event, Failed)] == ["timeout"]
    assert seen.reports == reports(endpoint_slice("b"))


async def test_a_list_says_which_origins_are_left_and_a_deletion_which_one_is_gone() -> None:
    """So that what remembers them need not remember those that were deleted while nobody watched."""
    retained: list[object] = []
    forgotten: list[str] = []
    followed = replace(collection(), retain=retained.append, forget=forgotten.append)
    stream: Stream = (1.0, line("DELETED", endpoint_slice("a", 150)), 1.0, error_event(410, "Expired"))
    server = Script([page(endpoint_slice("a"), endpoint_slice("b")), page(endpoint_slice("c"), revision=200)], [stream])
    async with following(reflect(server, followed=followed)):
        await asyncio.sleep(5)
    names = [{f"endpointslice/default/{name}" for name in each} for each in ("ab", "c")]
    assert retained == names
    assert forgotten == ["endpointslice/default/a"]
