"""Where members come from.

The protocol of a source: ``events()`` is an asynchronous iterator that never ends by itself.

- It first yields ``Listed`` for its scope, the complete answer (all pages), and may yield it again at any time.
- Then ``Applied`` and ``Deleted`` tell the whole truth about one origin each; repeating one is harmless.
- ``Failed`` says that it cannot be asked now; the next answer, ``Recovered`` included, ends that. A source never turns
  a failure into an empty answer, never decides what is published, and retries by itself for ever.

``objects`` is pure and knows the wire format, ``api`` is the only module that knows kubernetes-asyncio, ``reflector``
is list -> watch -> relist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sidecar.membership.events import Event


class Source(Protocol):
    """Anything that knows members."""

    scope: str
    """What of the world it covers, for example ``endpointslice/default/app``; unique among the sources of a run."""
    active_at: float
    """When it last did anything at all, retries included, in seconds of the event loop's clock: for liveness."""

    def confirm(self) -> None:
        """A complete answer is wanted soon: what was said is hard to believe."""

    def events(self) -> AsyncIterator[Event]:
        """See the package's docstring."""
