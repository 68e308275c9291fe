"""One candidate source, and what is known from it: the state of its scopes, and the union of their reports.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.membership.fold import State
from sidecar.membership.union import Union

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sidecar.membership.events import Event


class Track:
    """What is known from one candidate source.

    Args:
        source: its name, for example ``endpointslice``.
        scopes: the scopes that it covers.
        family: see ``union.merge``.
    """

    def __init__(self, source: str, scopes: Iterable[str], family: str) -> None:
        self.source = source
        self.scopes = tuple(scopes)
        self.family = family
        self.forget()

    def forget(self) -> None:
        """Start again with nothing: what is known is too old to continue from."""
        self.state = State.of(self.scopes)
        self.union = Union(self.family)
        self.problems: dict[str, str] = {}
        """Why an origin cannot be used, by origin."""
        self.warnings: dict[str, str] = {}
        """What an operator should know about an origin, by origin."""

    def take(self, event: Event) -> set[str]:
        """Apply *event*, and return the keys of the members that it changed."""
        changed = self.state.apply(event)
        for origin, report in changed.items():
            _set_message(self.problems, origin, report.problem if report else "")
            _set_message(self.warnings, origin, report.warning if report else "")
        return self.union.update(changed)


def _set_message(messages: dict[str, str], origin: str, message: str) -> None:
    messages.pop(origin, None)
    if message:
        messages[origin] = message
