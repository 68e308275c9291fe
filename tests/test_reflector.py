"""The reflector, clause by clause of client-go's specification, in virtual time against a scripted server.

The script stands in for ``Connection``: it says what each LIST and each WATCH brings, to the second. That the real
connection turns HTTP into the same bytes and the same errors is in test_api, that all of it together survives a real
socket in test_reflector_simulated.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto
from itertools import chain, pairwise, repeat
from typing import TYPE_CHECKING, TypeAlias, cast

import looptime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import SourceError
from sidecar.members import Applied, Deleted, Failed, Listed, State, fold
from sidecar.metrics import Metrics
from sidecar.sources.objects import is_older
from sidecar.sources.reflector import Reflector, Timing
from tests.builders import (
    PATH,
    SCOPE,
    SELECTOR,
    bookmark,
    collection,
    encoded,
    endpoint,
    endpoint_slice,
    error_event,
    following,
    group,
    groups,
    line,
    page,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence

    from sidecar.sources.api import Connection
    from tests.builders import Json

pytestmark = pytest.mark.looptime

Answer: TypeAlias = bytes | SourceError | tuple[float, bytes | SourceError]
"""What a LIST brings, and after how many seconds."""

Stream: TypeAlias = tuple[bytes | float | SourceError, ...]
"""What a WATCH brings: chunks, seconds between them, an error. It ends with the end."""

HANG = float("inf")

EOF: Stream = ()

OPEN: Stream = (HANG,)


def error(reason: str, retry_after: float = 0.0) -> SourceError:
    """What the connection raises."""
    return SourceError(reason, f"This is {reason}.", retry_after)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request."""

    at: float
    verb: str
    query: Mapping[str, str]

    @property
    def revision(self) -> str | None:
        """The resourceVersion in it."""
        return self.query.get("resourceVersion")


class Script:
    """An API server that answers from a script; at its end it lists the last page again, and watches stay open."""

    def __init__(self, lists: Iterable[Answer] = (), watches: Iterable[Stream | SourceError] = ()) -> None:
        self.asked: list[Asked] = []
        self.invalidated: list[float] = []
        self.watching = 0
        self.credentials = self
        self._lists: Iterator[Answer] = chain(lists, repeat(page(endpoint_slice())))
        self._watches: Iterator[Stream | SourceError] = chain(watches, repeat(OPEN))

    def invalidate(self) -> None:
        """As ``Credentials.invalidate``."""
        self.invalidated.append(now())

    async def list(self, path: str, query: Mapping[str, str]) -> bytes:
        """As ``Connection.list``."""
        self._note("list", path, query)
        answer = next(self._lists)
        if isinstance(answer, tuple):
            late, answer = answer
            await asyncio.sleep(late)
        if isinstance(answer, SourceError):
            raise answer
        return answer

    @asynccontextmanager
    async def watch(self, path: str, query: Mapping[str, str]) -> AsyncIterator[AsyncIterator[bytes]]:
        """As ``Connection.watch``."""
        self._note("watch", path, query)
        stream = next(self._watches)
        if isinstance(stream, SourceError):
            raise stream
        self.watching += 1
        try:
            yield self._chunks(stream)
        finally:
            self.watching -= 1

    async def _chunks(self, stream: Stream) -> AsyncIterator[bytes]:
        for step in stream:
            match step:
                case SourceError():
                    raise step
                case bytes():
                    yield step
                case _ if step == HANG:
                    await asyncio.Event().wait()
                case _:
                    await asyncio.sleep(step)

    def _note(self, verb: str, path: str, query: Mapping[str, str]) -> None:
        assert path == PATH
        assert query["labelSelector"] == SELECTOR
        self.asked.append(Asked(now(), verb, query))

    def of(self, verb: str) -> Sequence[Asked]:
        """The requests of a verb."""
        return [asked for asked in self.asked if asked.verb == verb]

    def times(self, verb: str) -> Sequence[float]:
        """When they came."""
        return [round(asked.at, 6) for asked in self.of(verb)]

    def waits(self, verb: str) -> Sequence[float]:
        """Seconds from each to the next."""
        return [after - before for before, after in pairwise(self.times(verb))]

    def revisions(self, verb: str) -> Sequence[str | None]:
        """And from where."""
        return [asked.revision for asked in self.of(verb)]


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


def reflect(
    server: Script,
    *,
    metrics: Metrics | None = None,
    floor: str = "",
    dice: Callable[[], float] = lambda: 0.0,
    timing: Timing | None = None,
) -> Reflector:
    """A reflector of the script, without jitter."""
    metrics = metrics or Metrics([])
    metrics.expect(SCOPE)
    return Reflector(
        cast("Connection", server),
        collection(),
        metrics=metrics,
        floor=floor,
        clock=asyncio.get_running_loop().time,
        dice=dice,
        timing=timing or Timing(),
    )


# --- LIST: which one


async def test_the_first_list_takes_what_the_watch_cache_has() -> None:
    """ResourceVersion 0, no limit, no match: cheap for the server, whatever the size of the fleet."""
    server = Script()
    async with following(reflect(server)) as seen:
        await asyncio.sleep(1)
    assert server.of("list")[0].query == {"labelSelector": SELECTOR, "resourceVersion": "0"}
    assert seen.events == [Listed(scope=SCOPE, groups=(group(endpoint_slice()),), revision="100")]


async def test_a_restarted_sidecar_lists_nothing_older_than_its_predecessor_published() -> None:
    """The floor goes into the first LIST."""
    server = Script([page(revision=950)])
    async with following(reflect(server, floor="900")) as seen:
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
    """Not with "", and as no failure: it is how a watch of a busy cluster ends."""
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
    """Then "" has given a new revision, and the next relist is NotOlderThan again."""
    gone: Stream = (5.0, error_event(410, "Expired"))
    server = Script([page(), error("expired"), page(revision=200), page(revision=300)], [gone, gone])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(20)
    assert server.times("list") == [0.0, 5.0, 5.8, 10.8]
    assert server.revisions("list") == ["0", "100", None, "200"]
    assert "resourceVersionMatch" not in server.of("list")[2].query
    assert seen.kinds == ["Listed", "Failed", "Listed", "Listed"]


async def test_a_consistent_read_that_fails_is_repeated_as_such() -> None:
    """The old revision does not become good again by a 500."""
    server = Script([page(), error("expired"), error("server_error"), page(revision=200)], [error("expired")])
    async with following(reflect(server)):
        await asyncio.sleep(20)
    assert server.revisions("list") == ["0", "100", None, None]


async def test_relists_do_not_spin() -> None:
    """A server whose every list is too old to watch from is asked with backoff."""
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
    async with following(reflect(server, floor="900", timing=timing)) as seen:
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
    """Items come in the order of names; going on from one of them would replay the past."""
    server = Script([page(endpoint_slice("a", 900), endpoint_slice("b", 12), revision=100)])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(1)
    assert server.revisions("watch") == ["100"]
    assert seen.revision == "100"


async def test_all_pages_are_collected_before_anything_is_said() -> None:
    """Some servers page unasked; what is continued is neither a revision nor a limit."""
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
    assert seen.groups == groups(endpoint_slice("a"), endpoint_slice("b"), endpoint_slice("c"))


async def test_a_list_that_fails_on_a_later_page_begins_again() -> None:
    """Half a list is no list."""
    first = page(endpoint_slice("a"), **{"continue": "more"})
    server = Script([first, error("server_error"), first, page(endpoint_slice("b"))])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(5)
    assert [asked.query.get("continue") for asked in server.of("list")] == [None, "more", None, "more"]
    assert seen.kinds == ["Failed", "Listed"]
    assert seen.groups == groups(endpoint_slice("a"), endpoint_slice("b"))


async def test_a_list_whose_continuation_has_expired_begins_again() -> None:
    """From the newest: what was to be continued is gone."""
    first = page(endpoint_slice("gone"), **{"continue": "more"})
    server = Script([first, error("expired"), page(endpoint_slice("a"), revision=200)])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(5)
    assert [asked.query for asked in server.of("list")] == [
        {"labelSelector": SELECTOR, "resourceVersion": "0"},
        {"labelSelector": SELECTOR, "continue": "more"},
        {"labelSelector": SELECTOR},
    ]
    assert seen.groups == groups(endpoint_slice("a"))


async def test_a_list_older_than_what_was_seen_is_discarded() -> None:
    """Some replica ignores what it was asked; a later one may not."""
    server = Script([page(revision=899), page(revision=900)])
    async with following(reflect(server, floor="900")) as seen:
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
async def test_an_answer_that_is_no_list_is_no_answer(body: bytes) -> None:
    """It does not empty the set, and the same question is asked again."""
    gone: Stream = (5.0, error_event(410, "Expired"))
    server = Script([page(endpoint_slice("a")), body, page(endpoint_slice("b"), revision=200)], [gone])
    async with following(reflect(server)) as seen:
        await seen.until(lambda it: it.of(Failed))
        assert seen.groups == groups(endpoint_slice("a"))
        await asyncio.sleep(5)
    assert [event.reason for event in seen.events if isinstance(event, Failed)] == ["malformed"]
    assert server.revisions("list") == ["0", "100", "100"]
    assert seen.groups == groups(endpoint_slice("b"))


# --- WATCH: how it asks, and what it says


@pytest.mark.parametrize(("rolled", "seconds"), [(0.0, "300"), (0.5, "450"), (0.999, "600")])
async def test_a_watch_lasts_a_random_time(rolled: float, seconds: str) -> None:
    """Between five and ten minutes, so that a fleet does not come back all at once; bookmarks are asked for."""
    server = Script()
    async with following(reflect(server, dice=lambda: rolled)):
        await asyncio.sleep(1)
    assert server.of("watch")[0].query == {
        "labelSelector": SELECTOR,
        "watch": "1",
        "resourceVersion": "100",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": seconds,
    }


async def test_events_are_said_and_advance_the_revision() -> None:
    """ADDED and MODIFIED say the whole of an origin, DELETED that it is gone."""
    added, modified = endpoint_slice("b", 101), endpoint_slice("b", 102, endpoints=[])
    gone = line("DELETED", endpoint_slice("a", 103))
    server = Script([page(endpoint_slice("a"))], [(1.0, line("ADDED", added) + line("MODIFIED", modified), 1.0, gone)])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(5)
    assert seen.events[1:] == [
        Applied(scope=SCOPE, group=group(added), revision="101"),
        Applied(scope=SCOPE, group=group(modified), revision="102"),
        Deleted(scope=SCOPE, origin="endpointslice/default/a", revision="103"),
    ]
    assert [cast("Applied", event).arrived for event in seen.events] == [0.0, 1.0, 1.0, 2.0]
    assert server.revisions("watch") == ["100", "103"]


async def test_a_slice_that_is_recreated_under_its_name_is_the_new_one() -> None:
    """Deleted and added: nothing of the old one stays."""
    old = endpoint_slice("a", 100)
    new = endpoint_slice("a", 102, endpoints=[endpoint(7)])
    stream = line("DELETED", old | {"metadata": old["metadata"] | {"resourceVersion": "101"}}) + line("ADDED", new)
    server = Script([page(old)], [(1.0, stream, HANG)])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(5)
    assert seen.groups == groups(new)


async def test_bookmarks_advance_the_revision_and_say_nothing() -> None:
    """They are what keeps a quiet watch from expiring."""
    server = Script(watches=[(60.0, bookmark(500), 60.0, bookmark(600))])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(121)
    assert server.revisions("watch") == ["100", "600"]
    assert seen.kinds == ["Listed"]


# --- WATCH: how it ends


async def test_a_watch_that_has_lasted_goes_on_at_once() -> None:
    """A clean end after more than a second is the server's time limit: no wait, no failure, no list."""
    server = Script(watches=[(1.1,), (300.0, bookmark(200)), (1.0,)])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(400)
    assert server.times("watch") == [0.0, 1.1, 301.1, 302.1]
    assert server.revisions("watch") == ["100", "100", "200", "200"]
    assert len(server.of("list")) == 1
    assert seen.kinds == ["Listed"]


async def test_a_watch_that_has_said_something_goes_on_at_once() -> None:
    """However short it was: it made progress."""
    server = Script(watches=[(0.5, bookmark(101)), (0.5, line("ADDED", endpoint_slice("b", 102)))])
    async with following(reflect(server)):
        await asyncio.sleep(5)
    assert server.times("watch") == [0.0, 0.5, 1.0]


async def test_a_server_that_ends_every_watch_at_once_is_not_hammered() -> None:
    """A handful of requests in ten seconds, where a loop without backoff makes a thousand a second."""
    server = Script(watches=repeat(EOF))
    async with following(reflect(server)) as seen:
        await asyncio.sleep(10)
    assert server.times("watch") == [0.0, 0.8, 2.4, 5.6]
    assert len(server.of("list")) == 1
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
async def test_429_waits_as_long_as_it_is_told_and_longer(
    verb: str, rolled: float, retry_after: float, waits: list[float]
) -> None:
    """The longer of backoff and Retry-After, plus jitter, for every sidecar is told the same; then the same again."""
    busy = [error("too_many_requests", retry_after)] * 3
    server = Script([*busy, page()]) if verb == "list" else Script(watches=busy)
    async with following(reflect(server, dice=lambda: rolled)):
        await asyncio.sleep(60)
    assert server.waits(verb) == pytest.approx(waits)
    assert set(server.revisions("list")) == {"0"}
    assert server.revisions("watch") == ["100"] * len(server.of("watch"))
    assert len(server.of("list")) == (4 if verb == "list" else 1)


@pytest.mark.parametrize(("rolled", "jitter"), [(0.0, 1.0), (0.5, 1.5)])
async def test_a_refused_connection_is_tried_again_soon(rolled: float, jitter: float) -> None:
    """Backoff with a low cap and no list: the API server is back within seconds of a restart."""
    server = Script(watches=[error("refused")] * 5)
    async with following(reflect(server, dice=lambda: rolled)):
        await asyncio.sleep(30)
    assert server.waits("watch") == pytest.approx([wait * jitter for wait in (0.8, 1.6, 2.0, 2.0, 2.0)])
    assert len(server.of("list")) == 1


ENDS: dict[str, Stream | SourceError] = {
    "500": error("server_error"),
    "event 500": (error_event(500, "InternalError"),),
    "cut connection": (error("connection"),),
    "silence": (error("timeout"),),
    "TLS": error("tls"),
    "nonsense": (b"nonsense\n",),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_any_other_end_backs_off_and_goes_on_from_the_same_revision(end: Stream | SourceError) -> None:
    """800 ms, doubled, up to 30 s; nobody lists, and nobody forgets a member."""
    server = Script(watches=[end] * 8)
    async with following(reflect(server)) as seen:
        await asyncio.sleep(200)
    assert server.waits("watch") == pytest.approx([0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0])
    assert set(server.revisions("watch")) == {"100"}
    assert len(server.of("list")) == 1
    assert seen.groups == groups(endpoint_slice())


async def test_a_watch_that_says_nothing_is_asked_again_and_is_no_failure() -> None:
    """Where nothing happens nothing is said, bookmarks included; whoever is dead will not accept the next watch."""
    server = Script(watches=[(150.0, error("silent"))] * 3)
    async with following(reflect(server)) as seen:
        await asyncio.sleep(400)
    assert server.times("watch") == [0.0, 150.0, 300.0]
    assert set(server.revisions("watch")) == {"100"}
    assert len(server.of("list")) == 1
    assert seen.of(Failed) == []


async def test_a_doubted_answer_is_listed_again_at_once() -> None:
    """Not older than what was seen; twice asked is once listed, and a server that is away is asked when it is back."""
    server = Script(watches=[OPEN, OPEN])
    source = reflect(server)
    async with following(source) as seen:
        await asyncio.sleep(10)
        source.confirm()
        source.confirm()
        await asyncio.sleep(10)
        assert server.times("list") == [0.0, 10.0]
        assert server.revisions("list") == ["0", "100"]
        assert seen.of(Failed) == []
        assert len(server.of("watch")) == 2


async def test_an_error_event_may_say_when_to_come_back() -> None:
    """RetryAfterSeconds in the details of the Status."""
    server = Script(watches=[(error_event(429, "TooManyRequests", retryAfterSeconds=7),)])
    async with following(reflect(server)):
        await asyncio.sleep(10)
    assert server.times("watch") == [0.0, 7.0]


@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_401_reads_the_token_again_and_comes_back_at_once_but_only_once(verb: str) -> None:
    """The token was rotated; if the new one is not accepted either, there is no hurry."""
    refused = [error("unauthorized")] * 3
    server = Script(refused) if verb == "list" else Script(watches=refused)
    async with following(reflect(server)) as seen:
        await asyncio.sleep(20)
    assert server.times(verb) == [0.0, 0.0, 0.8, 2.4]
    assert server.invalidated == pytest.approx([0.0, 0.0, 0.8])
    assert seen.kinds[-1] == ("Listed" if verb == "list" else "Recovered")


async def test_a_token_that_was_accepted_meanwhile_gets_its_immediate_retry_again() -> None:
    """An accepted watch is enough, though nothing was said in it."""
    server = Script(watches=[error("unauthorized"), (30.0,), error("unauthorized"), OPEN])
    async with following(reflect(server)):
        await asyncio.sleep(60)
    assert server.times("watch") == [0.0, 0.0, 30.0, 30.0]


@pytest.mark.parametrize("reason", ["forbidden", "not_found"])
@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_what_a_human_must_mend_is_said_and_tried_ever_more_slowly(verb: str, reason: str) -> None:
    """The Role may come later; until then the members stay."""
    refused = [error(reason)] * 7
    gone: Stream = (5.0, error_event(410, "Expired"))
    server = Script([page(endpoint_slice("a")), *refused], [gone]) if verb == "list" else Script(watches=refused)
    async with following(reflect(server)) as seen:
        await seen.until(lambda it: len(it.of(Failed)) == 7, within=120)
        assert len(seen.groups) == 1
    assert seen.events[-1] == Failed(scope=SCOPE, reason=reason, sentence=f"This is {reason}.")
    assert server.waits(verb)[-6:] == pytest.approx([0.8, 1.6, 3.2, 6.4, 12.8, 25.6])


@pytest.mark.parametrize(("rolled", "deadline"), [(0.0, 330.0), (0.5, 480.0)])
async def test_a_watch_that_outlives_its_time_is_ended_by_the_client(rolled: float, deadline: float) -> None:
    """Half a minute after the server should have, bookmarks or not."""
    server = Script(watches=[tuple(chain.from_iterable(repeat((20.0, bookmark(200)), 60)))])
    async with following(reflect(server, dice=lambda: rolled)) as seen:
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
async def test_nonsense_restarts_the_connection_from_the_last_good_revision(nonsense: bytes) -> None:
    """It is not skipped: what it was meant to say comes again, and what stood behind it waits for that."""
    before, after = line("ADDED", endpoint_slice("c", 101)), line("ADDED", endpoint_slice("d", 103))
    server = Script(watches=[(1.0, before + nonsense + after, HANG)])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(5)
    assert server.times("watch") == [0.0, 1.8]
    assert server.revisions("watch") == ["100", "101"]
    assert seen.kinds == ["Listed", "Applied", "Failed", "Recovered"]
    assert [event.reason for event in seen.events if isinstance(event, Failed)] == ["malformed"]
    assert seen.groups == groups(endpoint_slice(), endpoint_slice("c", 101))


async def test_a_watch_that_goes_back_in_time_is_ended() -> None:
    """An event older than what was seen is of another history; nothing is made of it."""
    older = line("MODIFIED", endpoint_slice("a", 90, endpoints=[]))
    server = Script([page(endpoint_slice("a"))], [(1.0, older, HANG)])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(5)
    assert server.revisions("watch") == ["100", "100"]
    assert [event.reason for event in seen.events if isinstance(event, Failed)] == ["older"]
    assert seen.groups == groups(endpoint_slice("a"))


async def test_a_line_that_was_cut_off_is_no_event() -> None:
    """Not even if all but the newline came; it comes again."""
    whole = line("ADDED", endpoint_slice("b", 101))
    server = Script(watches=[(2.0, whole[:-1]), (2.0, whole, HANG)])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(3)
        assert seen.kinds == ["Listed"]
        await asyncio.sleep(3)
    assert server.revisions("watch") == ["100", "100"]
    assert seen.kinds == ["Listed", "Applied"]


# --- Failure, recovery, and what can be seen of them


async def test_backoff_begins_anew_after_two_healthy_minutes() -> None:
    """Sooner, it goes on growing: a server that fails every minute is not healthy."""
    failing = error("server_error")
    server = Script(watches=[failing, failing, (110.0, failing), failing, (121.0, failing), failing])
    async with following(reflect(server)):
        await asyncio.sleep(300)
    assert server.waits("watch") == pytest.approx([0.8, 1.6, 110 + 3.2, 6.4, 121 + 0.8, 1.6])


async def test_a_failure_is_over_when_the_server_accepts_a_watch() -> None:
    """Without waiting for an event, which may be hours away; and it is said once."""
    server = Script(watches=[error("refused"), error("refused"), (2.0,), OPEN])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(30)
    assert seen.kinds == ["Listed", "Failed", "Failed", "Recovered"]
    assert seen.times == pytest.approx([0.0, 0.0, 0.8, 2.4])
    assert seen.state.scopes[SCOPE].failing == ""


async def test_retries_are_progress() -> None:
    """Liveness asks whether the loop moves, not whether the API server is well."""
    server = Script(watches=chain([error("server_error")] * 3, [(10.0, bookmark(200), HANG)]))
    reflector = reflect(server)
    moved = []
    async with following(reflector):
        for until in (0.1, 0.9, 2.5, 6.0, 16.0, 20.0):
            await asyncio.sleep(until - now())
            moved.append(round(reflector.progressed, 3))
    assert moved == [0.0, 0.8, 2.4, 5.6, 15.6, 15.6]


async def test_every_page_and_every_failed_list_is_progress() -> None:
    """A LIST may take a minute, and several of them more than liveness allows for one."""
    first = page(endpoint_slice("a"), **{"continue": "more"})
    server = Script([(20.0, error("server_error")), (20.0, first), (20.0, page(endpoint_slice("b")))])
    reflector = reflect(server)
    moved = []
    async with following(reflector):
        for until in (19.0, 20.5, 40.0, 60.0, 61.0):
            await asyncio.sleep(until - now())
            moved.append(round(reflector.progressed, 3))
    assert moved == [0.0, 20.0, 20.8, 40.8, 60.8]


async def test_after_cancellation_nothing_is_said_and_nothing_stays_open() -> None:
    """The connection is left as the task ends."""
    server = Script(watches=[(5.0, line("ADDED", endpoint_slice("b", 101)), HANG)])
    async with following(reflect(server)) as seen:
        await asyncio.sleep(1)
        assert server.watching == 1
    assert server.watching == 0
    await asyncio.sleep(10)
    assert seen.kinds == ["Listed"]
    assert len(server.asked) == 2


async def test_what_happens_is_counted() -> None:
    """Events by type, ends of watches by reason, relists by reason, and whether the source is up."""
    server = Script(
        [page(), page(revision=300)],
        [
            (1.0, line("ADDED", endpoint_slice("b", 101)) + line("MODIFIED", endpoint_slice("b", 102)) + bookmark(103)),
            (5.0, line("DELETED", endpoint_slice("b", 104)), error("connection")),
            (5.0, error_event(410, "Expired")),
            error("forbidden"),
        ],
    )
    metrics = Metrics([])

    def count(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, labels)

    async with following(reflect(server, metrics=metrics)) as seen:
        await asyncio.sleep(6.5)
        assert seen.kinds[-1] == "Failed"
        assert count("membership_source_up", source=SCOPE) == 0
        await asyncio.sleep(1)
        assert seen.kinds[-1] == "Recovered"
        assert count("membership_source_up", source=SCOPE) == 1
        await asyncio.sleep(10)
        assert count("membership_source_up", source=SCOPE) == 1
    kinds = ("LISTED", "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR")
    counted = {kind: count("membership_watch_events_total", source=SCOPE, type=kind) for kind in kinds}
    assert counted == {"LISTED": 2, "ADDED": 1, "MODIFIED": 1, "DELETED": 1, "BOOKMARK": 1, "ERROR": 1}
    reasons = (*SourceError.REASONS, "ended")
    ends = {reason: count("membership_watch_restarts_total", source=SCOPE, reason=reason) for reason in reasons}
    assert {reason: times for reason, times in ends.items() if times} == {
        "ended": 1,
        "connection": 1,
        "expired": 1,
        "forbidden": 1,
    }
    assert count("membership_relists_total", reason="expired") == 1
    assert (count("membership_last_sync_timestamp_seconds", source=SCOPE) or 0) > 0


# --- Never back in time, and never anything in between


NAMES = ("a", "b", "c")

BIRTH = 1000
"""The revision at which a history begins."""


class History:
    """What a collection was at every revision."""

    def __init__(self) -> None:
        self._states: list[dict[str, Json]] = [{}]
        self._lines: list[bytes] = []

    @property
    def revision(self) -> int:
        """The newest."""
        return BIRTH + len(self._lines)

    def at(self, revision: int) -> dict[str, Json]:
        """The objects at a revision, by name."""
        return self._states[revision - BIRTH]

    def write(self, name: str, *, keep: bool) -> None:
        """Create or change an object, or delete it if there is one and it is not to be kept."""
        before = self._states[-1]
        obj = endpoint_slice(name, self.revision + 1, endpoints=[endpoint(self.revision % 250)])
        gone = name in before and not keep
        kind = "DELETED" if gone else "MODIFIED" if name in before else "ADDED"
        self._lines.append(line(kind, obj))
        after = {other: known for other, known in before.items() if other != name}
        self._states.append(after if gone else after | {name: obj})

    def since(self, revision: int) -> bytes:
        """The lines of a watch from there."""
        return b"".join(self._lines[revision - BIRTH :])


@dataclass(frozen=True, slots=True)
class Write:
    """Somebody changes an object."""

    name: str
    keep: bool


@dataclass(frozen=True, slots=True)
class Say:
    """The watch says what has happened, in pieces of that size, and breaks off after *cut* bytes if that is less."""

    piece: int
    cut: int | None = None


class Step(Enum):
    """What else a watch may do."""

    BOOKMARK = auto()
    SECOND = auto()
    GARBAGE = auto()
    EXPIRED = auto()
    INTERNAL = auto()


SPOILERS = {
    Step.GARBAGE: b"garbage\n",
    Step.EXPIRED: error_event(410, "Expired"),
    Step.INTERNAL: error_event(500, "InternalError"),
}


@dataclass(frozen=True, slots=True)
class Listing:
    """A LIST: refused, or answered as of so many revisions ago, in so many pages."""

    writes: tuple[Write, ...]
    refused: str = ""
    behind: int = 0
    pages: int = 1
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Watching:
    """A WATCH: refused, or one step after the other and an end."""

    refused: str = ""
    steps: tuple[Write | Say | Step, ...] = ()
    end: str = ""


WRITES = st.builds(Write, st.sampled_from(NAMES), st.booleans())
PIECES = st.integers(1, 800)
REFUSALS = ("", "", "too_many_requests", "refused", "server_error", "unauthorized", "too_large_resource_version")
LISTINGS = st.builds(
    Listing,
    st.lists(WRITES, max_size=3).map(tuple),
    st.sampled_from((*REFUSALS, "expired")),
    st.integers(0, 4),
    st.integers(1, 3),
    st.booleans(),
)
WATCHINGS = st.builds(
    Watching,
    st.sampled_from((*REFUSALS, "", "", "expired")),
    st.lists(
        WRITES | st.builds(Say, PIECES) | st.builds(Say, PIECES, st.integers(0, 1500)) | st.sampled_from(Step),
        max_size=8,
    ).map(tuple),
    st.sampled_from(("", "connection", "timeout")),
)


class Unreliable(Script):
    """An API server with a history that it may tell badly but not wrongly, but for lists from the past."""

    def __init__(self, listings: list[Listing], watchings: list[Watching]) -> None:
        super().__init__()
        self.history = History()
        self._listings = iter(listings)
        self._watchings = iter(watchings)
        self._pages: list[bytes] = []

    async def list(self, path: str, query: Mapping[str, str]) -> bytes:
        """As of now for a consistent read; otherwise as it comes."""
        self._note("list", path, query)
        if "continue" in query:
            return self._pages.pop(0)
        move = next(self._listings, Listing(()))
        for write in move.writes:
            self._write(write)
        if move.refused:
            raise error(move.refused)
        behind = move.behind if "resourceVersion" in query else 0
        revision = max(BIRTH, self.history.revision - behind)
        objects = [*self.history.at(revision).values()]
        size = -(-len(objects) // move.pages) or 1
        parts = [objects[start : start + size] for start in range(0, len(objects), size)] or [[]]
        more = [{"continue": "more"}] * (len(parts) - 1)
        self._pages = [
            page(*part, revision=revision, **rest) for part, rest in zip(parts, [*more, dict[str, str]()], strict=True)
        ]
        if move.cut:
            self._pages[-1] = self._pages[-1][:-7]
        return self._pages.pop(0)

    @asynccontextmanager
    async def watch(self, path: str, query: Mapping[str, str]) -> AsyncIterator[AsyncIterator[bytes]]:
        """Every event since the revision that is asked for, once and in order, as far as it goes."""
        self._note("watch", path, query)
        move = next(self._watchings, None)
        if move and move.refused:
            raise error(move.refused)
        yield self._tell(int(query["resourceVersion"]), move)

    async def _tell(self, told: int, move: Watching | None) -> AsyncIterator[bytes]:
        if move is None:
            yield self.history.since(told)
            await asyncio.Event().wait()
            return
        for step in move.steps:
            match step:
                case Write():
                    self._write(step)
                case Say():
                    text = self.history.since(told)
                    for start in range(0, len(text[: step.cut]), step.piece):
                        yield text[: step.cut][start : start + step.piece]
                    if step.cut is not None and step.cut < len(text):
                        raise error("connection")
                    told = max(told, self.history.revision)
                case Step.BOOKMARK:
                    yield bookmark(told)
                case Step.SECOND:
                    await asyncio.sleep(1)
                case _:
                    yield SPOILERS[step]
        if move.end:
            raise error(move.end)

    def _write(self, write: Write) -> None:
        self.history.write(write.name, keep=write.keep)


@given(st.lists(LISTINGS, max_size=6), st.lists(WATCHINGS, max_size=8), st.sampled_from(("", str(BIRTH))))
def test_what_is_known_is_what_was_and_never_goes_back(
    listings: list[Listing], watchings: list[Watching], floor: str
) -> None:
    """After every event the state is the server's at that revision; none is older; in the end all is known."""

    async def follow() -> None:
        server = Unreliable(listings, watchings)
        state, revision = State.of([SCOPE]), 0
        try:
            async with asyncio.timeout(3600):
                async for event in reflect(server, floor=floor).events():
                    state = fold(state, event)
                    known = state.scopes[SCOPE]
                    if known.synced:
                        assert int(known.revision) >= revision
                        revision = int(known.revision)
                        assert known.groups == groups(*server.history.at(revision).values())
        except TimeoutError:
            pass
        assert state.groups == groups(*server.history.at(server.history.revision).values())

    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        runner.run(follow())
