"""The server: a socket, the store behind it, and the levers that a test pulls.

Levers that change what is there (``put``, ``delete``, ``compact``) return at once, without await, and every watch has
been told when they do; the bytes follow as the event loop gets to them. Waiting is for ``request``: somebody asked.
"""

import ssl
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from aiohttp import web

from sidecar.simulator.answers import Answers, Manners
from sidecar.simulator.faults import Fault
from sidecar.simulator.journal import Request
from sidecar.simulator.resources import Object
from sidecar.simulator.store import Store
from sidecar.simulator.watching import Pace

_HOST = "127.0.0.1"

_GOODBYE = 0.1
"""Seconds that an answer whose connection is gone already has to notice; for aiohttp, 0 would be for ever."""


class Simulator:
    """A Kubernetes API server on the loopback address, serving inside ``async with``.

    Args:
        port: 0 for any free one.
        tokens: Bearer tokens that are accepted; none: everyone is.
        ssl_context: Serve TLS.
        pace: When bookmarks come and how long watches last.
        catch_up: Seconds to wait for a resourceVersion that has not come yet before 504; a real server waits 3.
        watch_list: Answer ``sendInitialEvents``, as servers from 1.34 do, instead of 422.
        store: Objects to begin with.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        tokens: Iterable[str] = (),
        ssl_context: ssl.SSLContext | None = None,
        pace: Pace | None = None,
        catch_up: float = 0.05,
        watch_list: bool = False,
        store: Store | None = None,
    ) -> None:
        self.store = store or Store()
        self.port = port
        self._ssl_context = ssl_context
        self._answers = Answers(self.store, Manners(pace=pace or Pace(), catch_up=catch_up, watch_list=watch_list))
        self._answers.tokens = frozenset(tokens)
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        await self.serve_again()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop_serving()

    @property
    def url(self) -> str:
        """Where it serves, without a slash at the end."""
        return f"{'https' if self._ssl_context else 'http'}://{_HOST}:{self.port}"

    @property
    def requests(self) -> Sequence[Request]:
        """Every request for a resource so far."""
        return tuple(self._answers.journal.requests)

    @property
    def watches(self) -> int:
        """How many watches are open."""
        return len(self._answers.watches)

    def put(self, resource: str, obj: Object) -> Object:
        """Create or replace an object, and give it back as it is stored."""
        change = self.store.put(resource, obj)
        if change is None:
            metadata = obj["metadata"]
            return self.store.get(resource, metadata.get("namespace", "default"), metadata["name"]) or obj
        self._answers.tell(resource, change)
        return change.after or obj

    def delete(self, resource: str, namespace: str, name: str) -> bool:
        """Remove an object; False if there was none."""
        change = self.store.delete(resource, namespace, name)
        if change is not None:
            self._answers.tell(resource, change)
        return change is not None

    def compact(self) -> None:
        """Forget history: whoever goes on from an older revision is told 410. Open watches do not notice."""
        self.store.compact()

    def script(self, *faults: Fault) -> None:
        """Say what goes wrong with the next matching requests, in this order."""
        self._answers.script.add(*faults)

    def behave(self) -> None:
        """Forget the faults that have not come yet."""
        self._answers.script.clear()

    def accept_tokens(self, *tokens: str) -> None:
        """Accept these bearer tokens and no others, from the next request on."""
        self._answers.tokens = frozenset(tokens)

    async def request(
        self,
        wanted: Callable[[Request], bool] = lambda _: True,
        *,
        verb: str | None = None,
        resource: str | None = None,
        count: int = 1,
        after: int = 0,
    ) -> Request:
        """Wait for the count-th such request, not counting the first *after* of the journal."""
        return await self._answers.journal.find(
            lambda it: verb in (None, it.verb) and resource in (None, it.resource) and wanted(it),
            count=count,
            after=after,
        )

    def cut_watches(self, *, reset: bool = False) -> None:
        """Break the connection of every watch, in mid-stream; *reset*: by RST."""
        for watch in self._answers.watches:
            watch.cut(reset=reset)

    def end_watches(self) -> None:
        """End every watch cleanly, as at its timeoutSeconds."""
        for watch in self._answers.watches:
            watch.end()

    async def stop_serving(self) -> None:
        """Close the port and every connection, as a killed server does; what is stored stays."""
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        for site in tuple(runner.sites):
            await site.stop()
        for connection in runner.server.connections if runner.server else ():
            if connection.transport is not None:
                connection.transport.abort()
        await runner.cleanup()

    async def serve_again(self, *, lose_history: bool = False) -> None:
        """Serve on the same port as before.

        Args:
            lose_history: Refuse watches from before, as a restarted server does as soon as anything at all has been
                written meanwhile: its cache is empty. Pages go on nevertheless.
        """
        if lose_history:
            self.store.restart()
        server = web.Server(self._answers.answer, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=_GOODBYE)
        await self._runner.setup()
        await web.TCPSite(self._runner, _HOST, self.port, ssl_context=self._ssl_context).start()
        self.port = self._runner.addresses[0][1]
