"""What goes wrong, as values.

A script is a sequence of these; each spoils the next requests that it matches, as often as it says, and is then used
up. They are frozen and know nothing of HTTP: ``misbehaviour`` and ``exchange`` act them out. What one answer may do to
a client belongs here; a server that is not there at all is ``Simulator.stop_serving``.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Verb: TypeAlias = Literal["any", "list", "watch", "get", "create", "update", "delete"]

FOREVER = -1
"""For ``times``: until ``Simulator.behave``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The next matching requests go wrong."""

    verb: Verb = "any"
    resource: str | None = None
    """None: any resource."""

    times: int = 1

    def matches(self, verb: str, resource: str) -> bool:
        """Whether it is about such a request."""
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
    """401; for one that a new token cures, see ``Simulator.accept_tokens``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden(Fault):
    """403 with a Status over many lines, as a server pretty-prints it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent(Fault):
    """404: this server does not have the resource."""

    group: bool = False
    """It does not have the whole API group, and says so in plain text instead of a Status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone(Fault):
    """410 as the status of the response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneEvent(Fault):
    """200, and 410 as an ERROR event in the stream, which then ends; before the event of that index."""

    after: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalError(Fault):
    """500, typically etcd's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceVersionTooLarge(Fault):
    """504 from a replica that is behind what the client has seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OlderReplica(Fault):
    """A LIST answered by a replica that stands at an older revision, which the store must still remember."""

    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence(Fault):
    """Headers, then nothing, for ever: a connection that is half open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delayed(Fault):
    """The right answer, late by so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CutMidLine(Fault):
    """The connection ends in the middle of the event of that index, or of the body of a LIST."""

    after: int = 0
    reset: bool = False
    """RST instead of FIN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowDrip(Fault):
    """The right bytes, a few at a time."""

    size: int = 1
    """Bytes a piece; 1 splits a stream everywhere that it can be split."""

    pause: float = 0.0
    """Seconds between pieces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InsertLine(Fault):
    """A line in a watch that the server did not mean: garbage, an unknown type, five megabytes."""

    line: bytes
    after: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImmediateEOF(Fault):
    """200, and a clean end at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse(Fault):
    """The connection ends before any byte."""
