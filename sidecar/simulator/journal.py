"""The requests in their order, and a way to wait for one.

A test that needs to know whether a client has reconnected waits here for its request instead of sleeping. A request is
recorded when its response begins, so that a watch in the journal is a watch that is being served.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request and how it was answered."""

    verb: str
    """list, watch, get, create, update or delete."""

    resource: str
    namespace: str | None
    name: str | None
    query: Mapping[str, str]
    status: int
    """0 if the connection was closed before any byte."""

    authenticated: bool
    """Whether it carried a bearer token, valid or not."""

    user_agent: str
    accept_encoding: str
    connection: int
    """Equal for requests on one connection."""

    at: float
    """When the response began, on the clock of the event loop."""


class Journal:
    """The requests so far."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._written = asyncio.Event()

    def write(self, request: Request) -> None:
        """Add a request and wake everyone who waits for one."""
        self.requests.append(request)
        self._written.set()
        self._written = asyncio.Event()

    async def find(self, wanted: Callable[[Request], bool], *, count: int, after: int) -> Request:
        """Wait for the count-th request that matches, ignoring the first *after* requests of the journal."""
        while len(found := list(filter(wanted, self.requests[after:]))) < count:
            await self._written.wait()
        return found[count - 1]
