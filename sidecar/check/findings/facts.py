"""What was seen, as values: between the modules that look and those that judge. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sidecar.check.findings.permissions import Permission, Question
    from sidecar.check.findings.services import Observed, Service
    from sidecar.check.findings.volumes import Directory
    from sidecar.errors import SourceError
    from sidecar.sources.dns.records import Outcome


class Answers(NamedTuple):
    """What the API server has said; where it has refused, the error."""

    host: str
    user: str
    """Who we are to it; empty if it does not say."""
    denied: Mapping[Permission, Sequence[Question] | SourceError]
    """The questions about each right that were answered with no."""
    services: Mapping[str, Service | SourceError]
    """By ``NAMESPACE/NAME``."""
    seen: Mapping[str, Observed | SourceError]
    """The members, likewise, or by selector."""
    replicas: int | SourceError | None = None
    """How many there should be of the own pod; None if nobody needs to know."""


class Facts(NamedTuple):
    """What was seen of everything."""

    directories: Sequence[Directory]
    answers: Answers | str
    """Of the API server, or the message why it cannot be asked."""
    outcomes: Mapping[str, Mapping[str, Outcome]]
    """Of DNS, by ``NAMESPACE/NAME`` of the Service and by record type."""
