"""What the sidecar knows of itself, as ``/status`` shows it and the probes judge it.

Pure: a value made by the daemon at each request. Liveness is the loop and the sources moving, never the API server
being reachable: restarting a sidecar does not mend an API server.
"""

from __future__ import annotations

import msgspec

STALLED_SECONDS = 300.0
"""A source that did nothing for so long, not even a retry, is stuck: its longest wait is a read deadline of 150 s."""


class SourceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One source."""

    scope: str
    synced: bool
    """Whether it ever gave a complete answer."""
    resource_version: str
    failing: str
    """Why it gives none now; empty if it does."""
    idle_seconds: float
    """Since it last did anything, retries included."""


class OutputStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One file."""

    format: str
    path: str
    error: str
    """Why it could not be written; empty if it could."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole."""

    version: str
    published: bool
    """Whether every file has a complete content."""
    generation: int
    members: int
    """How many are in the files."""
    selected: int
    """How many would be, if nothing held them back."""
    held: str
    """What holds the newest set back; empty if nothing does."""
    synced: bool
    source: str
    """The way to find members that is believed."""
    instead: str
    """Why that is not the first choice; empty if it is."""
    warnings: tuple[str, ...]
    """What an operator should know about the newest answer."""
    sources: tuple[SourceStatus, ...]
    outputs: tuple[OutputStatus, ...]
    stopping: bool

    @property
    def alive(self) -> bool:
        """For ``/livez``."""
        return all(source.idle_seconds < STALLED_SECONDS for source in self.sources)

    @property
    def ready(self) -> bool:
        """For ``/readyz`` and ``/startupz``: the files are there. An API server that is away does not change that."""
        return self.published
