"""A scripted API server for the reflector, in virtual time.

The script stands in for ``Connection``: it says what each LIST and each WATCH brings, to the second. That the real
connection turns HTTP into the same bytes and the same errors is in ``test_connection`` and ``test_failures``, that
everything together works over a real socket in ``test_reflector_faults``.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import chain, pairwise, repeat
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from sidecar.errors import SourceError
from sidecar.observability.metrics import Metrics
from sidecar.sources.kubernetes.reflector import Reflector
from sidecar.sources.kubernetes.timing import Timing
from tests.support.builders import PATH, SCOPE, SELECTOR, collection, endpoint_slice, page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence

    from sidecar.sources.kubernetes.collection import Collection
    from sidecar.sources.kubernetes.connection import Connection

Answer: TypeAlias = bytes | SourceError | tuple[float, bytes | SourceError]
"""What a LIST brings, and after how many seconds."""

Stream: TypeAlias = tuple[bytes | float | SourceError | TimeoutError, ...]
"""What a WATCH brings: chunks, seconds between them, an error (TimeoutError: silence). It ends with the end."""

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


class ScriptedStream:
    """As ``WatchStream``, for chunks from a script.

    Args:
        coming: what was read so far; an error or the end (None) comes last.
    """

    def __init__(self, coming: asyncio.Queue[bytes | BaseException | None]) -> None:
        self._coming = coming

    async def read(self) -> bytes:
        """As ``WatchStream.read``."""
        match await self._coming.get():
            case None:
                return b""
            case BaseException() as error:
                raise error
            case chunk:
                return chunk

    def interrupt(self) -> None:
        """As ``WatchStream.interrupt``."""
        while not self._coming.empty():
            self._coming.get_nowait()
        self._coming.put_nowait(None)


@asynccontextmanager
async def streaming(chunks: AsyncIterator[bytes]) -> AsyncIterator[ScriptedStream]:
    """A stream of *chunks*, which come when they come, whether or not somebody reads."""
    coming: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue()

    async def play() -> None:
        try:
            async for chunk in chunks:
                coming.put_nowait(chunk)
            coming.put_nowait(None)
        except (SourceError, TimeoutError, AssertionError) as error:
            coming.put_nowait(error)

    playing = asyncio.create_task(play())
    try:
        yield ScriptedStream(coming)
    finally:
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing


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
    async def watch(self, path: str, query: Mapping[str, str]) -> AsyncIterator[ScriptedStream]:
        """As ``Connection.watch``."""
        self._note("watch", path, query)
        stream = next(self._watches)
        if isinstance(stream, SourceError):
            raise stream
        self.watching += 1
        try:
            async with streaming(self._chunks(stream)) as made:
                yield made
        finally:
            self.watching -= 1

    async def _chunks(self, stream: Stream) -> AsyncIterator[bytes]:
        for step in stream:
            match step:
                case SourceError() | TimeoutError():
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
    not_older_than: str = "",
    jitter: Callable[[], float] = lambda: 0.0,
    timing: Timing | None = None,
    followed: Collection[Any] | None = None,
) -> Reflector:
    """A reflector of the script, without jitter."""
    metrics = metrics or Metrics([])
    metrics.expect(SCOPE)
    return Reflector(
        cast("Connection", server),
        followed or collection(),
        metrics=metrics,
        not_older_than=not_older_than,
        clock=asyncio.get_running_loop().time,
        jitter=jitter,
        timing=timing or Timing(),
    )
