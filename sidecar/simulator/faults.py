"""Faults, as values.

A script is a sequence of these; each affects the next requests that it matches, as many times as it says, and is then
used up. They are frozen and know nothing of HTTP: ``misbehaviour`` and ``exchange`` carry them out. What can be wrong
with a single response belongs here; for a server that is not running at all see ``Simulator.stop_serving``.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Verb: TypeAlias = Literal["any", "list", "watch", "get", "create", "update", "delete"]

FOREVER = -1
"""A value of ``times``: until ``Simulator.behave`` is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The next matching requests go wrong."""

    verb: Verb = "any"
    resource: str | None = None
    """None: any resource."""

    times: int = 1

    def matches(self, verb: str, resource: str) -> bool:
        """Whether the fault applies to such a request."""
        return self.verb in ("any", verb) and self.resource in (None, resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class TooManyRequests(Fault):
    """429 as priority-and-fairness sends it: text, not a Status."""

    retry_after: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BadGateway(Fault):
    """502 with HTML, from a load balancer that has lost its servers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unauthorized(Fault):
    """401. For one that ends with a new token, see ``Simulator.accept_tokens``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden(Fault):
    """403 with an indented Status, as a server pretty-prints it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent(Fault):
    """404: this server does not have the resource."""

    group: bool = False
    """The whole API group is missing, which the server reports as plain text instead of a Status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone(Fault):
    """410 as the status of the response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneEvent(Fault):
    """200 with 410 as an ERROR event in the stream, before the event of that index; then the stream ends."""

    after: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalError(Fault):
    """500, as when etcd is unavailable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceVersionTooLarge(Fault):
    """504 from a replica that is behind the revision that the client has seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OlderReplica(Fault):
    """A LIST served by a replica at an older revision, which the store must still remember."""

    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence(Fault):
    """Headers and then nothing for ever: a half-open connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delayed(Fault):
    """The right response, this many seconds late."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CutMidLine(Fault):
    """The connection is closed in the middle of the event of that index, or of the body of a LIST."""

    after: int = 0
    reset: bool = False
    """RST instead of FIN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowDrip(Fault):
    """The right bytes, a few at a time."""

    size: int = 1
    """Bytes per piece; with 1 the stream is split at every possible place."""

    pause: float = 0.0
    """Seconds between pieces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InsertLine(Fault):
    """An extra line in a watch, such as garbage, an unknown event type, or five megabytes."""

    line: bytes
    after: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImmediateEOF(Fault):
    """200 and an immediate clean end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse(Fault):
    """The connection is closed before any byte is sent."""
