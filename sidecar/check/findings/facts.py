"""What was seen, as values: the probes return them, the other modules judge them. Pure."""

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
    """What the API server answered; the error where it refused."""

    host: str
    user: str
    """The identity that it sees; empty if it does not say."""
    denied: Mapping[Permission, Sequence[Question] | SourceError]
    """For each permission, the questions that were answered with no."""
    services: Mapping[str, Service | SourceError]
    """By ``NAMESPACE/NAME``."""
    seen: Mapping[str, Observed | SourceError]
    """The members, by ``NAMESPACE/NAME`` or by namespace and selector."""
    replicas: int | SourceError | None = None
    """How many replicas the own pod's controller wants; None if that is not needed."""


class Facts(NamedTuple):
    """Everything that was seen."""

    directories: Sequence[Directory]
    answers: Answers | str
    """From the API server, or a message that says why it cannot be asked."""
    outcomes: Mapping[str, Mapping[str, Outcome]]
    """From DNS, by ``NAMESPACE/NAME`` of the Service and by record type."""
    everywhere: Sequence[str] = ()
    """The names of Services that are followed in all namespaces, of which there is not one to look at."""
