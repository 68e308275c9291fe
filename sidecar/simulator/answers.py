"""The responses of the server when no fault is scripted, and the open watches.

The pure modules decide what a response contains; this one waits where a real server waits, and passes every change to
the open watches.
"""

import asyncio
from dataclasses import dataclass

from aiohttp import hdrs, web

from sidecar.simulator import events, listing, misbehaviour, status, watching, writing
from sidecar.simulator.exchange import JSON, PLAIN, Exchange, OverError
from sidecar.simulator.faults import OlderReplica
from sidecar.simulator.journal import Journal
from sidecar.simulator.misbehaviour import Script
from sidecar.simulator.routing import route
from sidecar.simulator.status import RefusedError
from sidecar.simulator.store import Change, Store
from sidecar.simulator.watching import Pace, Watch

_OUTSIDE = {
    "/version": (200, b'{"major":"1","minor":"36","gitVersion":"v1.36.0-simulated"}\n'),
    "/livez": (200, b"ok"),
    "/readyz": (200, b"ok"),
}
_NO_SUCH_PATH = (404, b"404 page not found\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What differs from one API server to another."""

    pace: Pace
    catch_up: float
    """Seconds to wait for a resourceVersion that has not been reached yet."""

    watch_list: bool
    """Whether ``sendInitialEvents`` is supported."""


class Answers:
    """The server without its socket."""

    def __init__(self, store: Store, behaviour: Behaviour) -> None:
        self.tokens: frozenset[str] = frozenset()
        self.script = Script()
        self.journal = Journal()
        self.watches: set[Watch] = set()
        self._store = store
        self._behaviour = behaviour
        self._changed = asyncio.Event()

    def notify(self, resource: str, change: Change) -> None:
        """Queue a change for every watch of the resource, and wake the requests that wait for its revision."""
        self._changed.set()
        self._changed = asyncio.Event()
        for watch in self.watches:
            if watch.resource.name == resource:
                watch.offer(change)

    async def answer(self, http: web.BaseRequest) -> web.StreamResponse:
        """The response to any request, or the scripted fault."""
        try:
            target = route(http.method, http.path, http.query)
        except RefusedError as refusal:
            return web.Response(status=refusal.status["code"], body=events.encode(refusal.status) + b"\n", headers=JSON)
        if target is None:
            code, body = _OUTSIDE.get(http.path, _NO_SUCH_PATH)
            return web.Response(status=code, body=body, headers=PLAIN)
        fault = self.script.take(target.verb, target.resource.name)
        exchange = Exchange(http, target, fault, self.journal)
        try:
            return await misbehaviour.faulty_response(exchange) or await self._respond(exchange)
        except RefusedError as refusal:
            return await exchange.refuse(refusal.status)
        except OverError:
            return exchange.response

    async def _respond(self, exchange: Exchange) -> web.StreamResponse:
        if self.tokens:
            scheme, _, token = exchange.http.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
            if scheme != "Bearer" or token not in self.tokens:
                raise RefusedError(status.unauthorized())
        match exchange.target.verb:
            case "list":
                return await self._list(exchange)
            case "watch":
                return await self._watch(exchange)
            case "get":
                return await self._get(exchange)
        return await self._write(exchange)

    async def _list(self, exchange: Exchange) -> web.StreamResponse:
        target = exchange.target
        page = listing.understand(target.resource, target.namespace, target.query)
        if isinstance(exchange.fault, OlderReplica):
            if page.not_older_than > exchange.fault.revision:
                raise RefusedError(status.too_large(page.not_older_than, exchange.fault.revision))
            page = listing.at_revision(page, exchange.fault.revision)
        await self._catch_up(page.not_older_than)
        return await exchange.reply(200, listing.page(self._store, target.resource, page))

    async def _catch_up(self, revision: int) -> None:
        try:
            async with asyncio.timeout(self._behaviour.catch_up):
                while self._store.revision < revision:
                    await self._changed.wait()
        except TimeoutError:
            raise RefusedError(status.too_large(revision, self._store.revision)) from None

    async def _watch(self, exchange: Exchange) -> web.StreamResponse:
        target = exchange.target
        selection = watching.understand(target, watch_list=self._behaviour.watch_list)
        watch = Watch(exchange, selection, watch_list=self._behaviour.watch_list)
        try:
            await self._catch_up(watching.minimum_revision(target))
            watch.begin(self._store)
        except RefusedError as refusal:
            watch.refuse(refusal.status)
        self.watches.add(watch)
        try:
            await exchange.open()
            await watch.follow(self._store, self._behaviour.pace)
        finally:
            self.watches.discard(watch)
        return exchange.response

    async def _get(self, exchange: Exchange) -> web.StreamResponse:
        target = exchange.target
        obj = self._store.get(target.resource.name, target.namespace or "", target.name or "")
        if obj is None:
            raise RefusedError(status.not_found(target.resource, target.name or ""))
        return await exchange.reply(200, events.typed(target.resource, obj))

    async def _write(self, exchange: Exchange) -> web.StreamResponse:
        written = writing.write(self._store, exchange.target, await exchange.http.content.read())
        if written.change is not None:
            self.notify(exchange.target.resource.name, written.change)
        return await exchange.reply(written.code, written.answer)
