"""What the sidecar knows of itself, as ``/status`` shows it and the probes judge it.

Pure: a value made at each request. Liveness means that the loop, the sources and the volume move, never that the API
server can be reached: restarting a sidecar does not mend an API server. Members are those in the files.
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
    """Since anything usable was received from it."""
    inactive_seconds: float
    """Since it last did anything, failed attempts included: for liveness."""


class OutputStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One file."""

    format: str
    path: str
    error: str
    """Why it could not be written; empty if it could."""
    retry_seconds: float | None
    """Until it is tried again; null if nothing is wrong."""
    last_write: float | None
    """When it was last replaced, in seconds since 1970; null if it never was."""


class MemberCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The members in the files, each in one state."""

    ready: int = 0
    not_ready: int = 0
    terminating: int = 0


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole."""

    version: str
    published: bool
    """Whether every file has a complete content."""
    generation: int
    members: int
    """How many are in the files."""
    states: MemberCounts
    selected: int
    """How many would be, if nothing held them back."""
    waiting_for: str
    """Why the newest set is not in the files; empty if it is."""
    waiting_seconds: float | None
    """Until that is decided again at the latest; null where only an event can end it, or nothing waits."""
    write_stuck_seconds: float
    """For how long a write has not ended that should have; 0 if none has."""
    synced: bool
    source: str
    """The candidate source that is used."""
    fallback_reason: str
    """Why that is not the first choice; empty if it is."""
    warnings: tuple[str, ...]
    """What an operator should know about the newest answer."""
    sources: tuple[SourceStatus, ...]
    outputs: tuple[OutputStatus, ...]
    stopping: bool

    @property
    def alive(self) -> bool:
        """For ``/livez``."""
        return not self.complaint

    @property
    def complaint(self) -> str:
        """Why a restart is called for; empty if it is not."""
        if self.write_stuck_seconds:
            return f"a write has not ended for {self.write_stuck_seconds:.0f} s: the volume does not answer"
        stalled = [source.scope for source in self.sources if source.inactive_seconds >= STALLED_SECONDS]
        return f"nothing happens in {', '.join(stalled)}, see /status" if stalled else ""

    @property
    def ready(self) -> bool:
        """For ``/readyz`` and ``/startupz``: the files are there. An API server that is away does not change that."""
        return self.published
