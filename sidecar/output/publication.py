"""What is published, and what became of it, output by output. Pure."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from sidecar.errors import PublishError


Body: TypeAlias = tuple[bytes, ...]
"""The content of a file, in pieces: of megabytes a change is some hundred bytes, and the others need not be moved."""


class Outcome(Enum):
    """What became of an output; the label of a metric."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    ERROR = "error"


class Publication(NamedTuple):
    """What a call of ``Publisher.publish`` did."""

    generation: int
    outcomes: tuple[Outcome | None, ...]
    """One for each output; None for one that was not tried."""
    errors: tuple[PublishError, ...]
    """One for each output that failed, in their order; the checkpoint's if that was the reason."""
