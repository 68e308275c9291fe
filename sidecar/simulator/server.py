"""The server: a socket, the store behind it, and the controls that a test uses.

Controls that change objects (``put``, ``delete``, ``compact``) are not coroutines: when they return, the change is
queued for every watch, and the bytes are sent when the event loop gets to it. To wait for a client, use ``request``.
"""

import ssl
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from aiohttp import web

from sidecar.simulator.answers import Answers, Behaviour
from sidecar.simulator.faults import Fault
from sidecar.simulator.journal import Request
from sidecar.simulator.resources import Object
from sidecar.simulator.store import Store
from sidecar.simulator.watching import Pace

_HOST = "127.0.0.1"

_SHUTDOWN_SECONDS = 0.1
"""Seconds for a response to notice that its connection is closed; to aiohttp, 0 would mean no limit."""


class Simulator:
    """A Kubernetes API server on the loopback address, serving inside ``async with``.

    Args:
        port: 0 for any free one.
        tokens: Bearer tokens to accept; without any, all requests are accepted.
        ssl_context: Serve TLS.
        pace: When bookmarks are sent and how long watches last.
        catch_up: Seconds to wait for a resourceVersion that has not been reached yet before 504; a real server waits 3.
        watch_list: Support ``sendInitialEvents``, as servers from 1.34 do, instead of responding 422.
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
        self._answers = Answers(self.store, Behaviour(pace=pace or Pace(), catch_up=catch_up, watch_list=watch_list))
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
        """The base URL, without a trailing slash."""
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
        """Create or replace an object, and return it as it is stored."""
        change = self.store.put(resource, obj)
        if change is None:
            metadata = obj["metadata"]
            return self.store.get(resource, metadata.get("namespace", "default"), metadata["name"]) or obj
        self._answers.notify(resource, change)
        return change.after or obj

    def delete(self, resource: str, namespace: str, name: str) -> bool:
        """Remove an object; False if there was none."""
        change = self.store.delete(resource, namespace, name)
        if change is not None:
            self._answers.notify(resource, change)
        return change is not None

    def compact(self) -> None:
        """Forget the history: requests that continue from an older revision get 410. Open watches are not affected."""
        self.store.compact()

    def script(self, *faults: Fault) -> None:
        """Add faults for the next matching requests, in this order."""
        self._answers.script.add(*faults)

    def behave(self) -> None:
        """Drop all faults that have not occurred yet."""
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
        """Wait for the count-th matching request, ignoring the first *after* requests of the journal."""
        return await self._answers.journal.find(
            lambda it: verb in (None, it.verb) and resource in (None, it.resource) and wanted(it),
            count=count,
            after=after,
        )

    def cut_watches(self, *, reset: bool = False) -> None:
        """Close the connection of every watch in mid-stream, with *reset* by RST."""
        for watch in self._answers.watches:
            watch.cut(reset=reset)

    def end_watches(self) -> None:
        """End every watch cleanly, as when its timeoutSeconds are over."""
        for watch in self._answers.watches:
            watch.end()

    async def stop_serving(self) -> None:
        """Close the port and every connection, as a killed server does; the objects stay."""
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
            lose_history: Refuse to resume watches, as a restarted server does once anything has been written in the
                meantime, because its cache is empty. Paged lists can still be continued.
        """
        if lose_history:
            self.store.restart()
        server = web.Server(self._answers.answer, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
        await self._runner.setup()
        await web.TCPSite(self._runner, _HOST, self.port, ssl_context=self._ssl_context).start()
        self.port = self._runner.addresses[0][1]
