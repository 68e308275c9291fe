"""A law of the reflector: whatever a server does, what is known never goes back in time and is never in between."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

import looptime
from hypothesis import given
from hypothesis import strategies as st

from sidecar.membership.fold import State
from tests.support.builders import SCOPE, bookmark, endpoint, endpoint_slice, error_event, line, page, reports
from tests.support.script import Script, ScriptedStream, error, reflect, streaming

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.support.builders import Json

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


class MemberChange(Enum):
    """What else a watch may do."""

    BOOKMARK = auto()
    SECOND = auto()
    GARBAGE = auto()
    EXPIRED = auto()
    INTERNAL = auto()


SPOILERS = {
    MemberChange.GARBAGE: b"garbage\n",
    MemberChange.EXPIRED: error_event(410, "Expired"),
    MemberChange.INTERNAL: error_event(500, "InternalError"),
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
    steps: tuple[Write | Say | MemberChange, ...] = ()
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
        WRITES | st.builds(Say, PIECES) | st.builds(Say, PIECES, st.integers(0, 1500)) | st.sampled_from(MemberChange),
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
    async def watch(self, path: str, query: Mapping[str, str]) -> AsyncIterator[ScriptedStream]:
        """Every event since the revision that is asked for, once and in order, as far as it goes."""
        self._note("watch", path, query)
        move = next(self._watchings, None)
        if move and move.refused:
            raise error(move.refused)
        async with streaming(self._tell(int(query["resourceVersion"]), move)) as stream:
            yield stream

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
                case MemberChange.BOOKMARK:
                    yield bookmark(told)
                case MemberChange.SECOND:
                    await asyncio.sleep(1)
                case _:
                    yield SPOILERS[step]
        if move.end:
            raise error(move.end)

    def _write(self, write: Write) -> None:
        self.history.write(write.name, keep=write.keep)


@given(st.lists(LISTINGS, max_size=6), st.lists(WATCHINGS, max_size=8), st.sampled_from(("", str(BIRTH))))
def test_the_known_state_is_one_that_existed_and_never_goes_back(
    listings: list[Listing], watchings: list[Watching], not_older_than: str
) -> None:
    """After every event it is the server's state at that revision; none is older; in the end everything is known."""

    async def follow() -> None:
        server = Unreliable(listings, watchings)
        state, revision = State.of([SCOPE]), 0
        try:
            async with asyncio.timeout(3600):
                async for event in reflect(server, not_older_than=not_older_than).events():
                    state.apply(event)
                    known = state.scopes[SCOPE]
                    if known.synced:
                        assert int(known.resource_version) >= revision
                        revision = int(known.resource_version)
                        assert known.reports == reports(*server.history.at(revision).values())
        except TimeoutError:
            pass
        assert state.reports == reports(*server.history.at(server.history.revision).values())

    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        runner.run(follow())
