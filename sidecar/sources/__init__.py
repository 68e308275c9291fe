"""Where members come from.

``events()`` of a source is an asynchronous iterator that never ends by itself.

- It first yields ``Listed`` for its scope, the complete answer (all pages), and may yield it again at any time.
- Then each ``Applied`` or ``Deleted`` says everything about one origin; repeating one is harmless.
- ``Failed`` says that the newest attempt failed. The next answer ends that, be it ``Recovered``, which says nothing new
  about members. A source never turns a failure into an empty answer, never decides what is published, and retries by
  itself for ever.

``kubernetes`` lists and watches the API server, ``dns`` polls; they know nothing of each other. ``health`` is what both
say about themselves. May import ``membership``, ``observability``, ``backoff`` and ``errors``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sidecar.membership.events import Event


class Source(Protocol):
    """Anything that knows members."""

    scope: str
    """What it covers, for example ``endpointslice/default/app``; unique among the sources of a run."""

    @property
    def active_at(self) -> float:
        """When it last did anything, retries included, in seconds of the event loop's clock: for liveness."""

    @property
    def heard_at(self) -> float:
        """When it last received anything usable (before that: when it was made); failed attempts do not count."""

    def confirm(self) -> None:
        """Ask for a complete answer soon, because the newest one is hard to believe.

        The request stays until it is served, and never raises.
        """

    def events(self) -> AsyncIterator[Event]:
        """See the package's docstring."""
