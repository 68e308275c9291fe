"""What is known of each scope, and the fold that makes the next state of an event.

Pure: no I/O, no clock, no logging. A list forgets everything that was known of its scope before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from sidecar.membership.events import Applied, Deleted, Event, Failed, Listed, Recovered, Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one scope."""

    reports: Mapping[str, Report] = {}
    resource_version: str = ""
    """The resourceVersion up to which the reports are true."""
    synced: bool = False
    """Whether there ever was a complete answer."""
    failing: str = ""
    """The message of the failure that is going on, empty if none is."""
    reason: str = ""
    """Its reason."""
    since: float = 0.0
    """When it began."""


class State(msgspec.Struct, frozen=True):
    """What is known of all scopes. Immutable: ``fold`` makes the next one."""

    scopes: Mapping[str, Scope]

    @classmethod
    def of(cls, scopes: Iterable[str]) -> State:
        """The state in which nothing is known yet of *scopes*."""
        return cls({scope: Scope() for scope in scopes})

    @property
    def synced(self) -> bool:
        """Whether every scope has given a complete answer."""
        return all(scope.synced for scope in self.scopes.values())

    @property
    def reports(self) -> dict[str, Report]:
        """The reports of all scopes by origin."""
        return {origin: report for scope in self.scopes.values() for origin, report in scope.reports.items()}

    @property
    def resource_versions(self) -> dict[str, str]:
        """How far each scope has been followed."""
        return {name: scope.resource_version for name, scope in self.scopes.items()}


def fold(state: State, event: Event) -> State:
    """The state after *event*."""
    return State({**state.scopes, event.scope: _fold_scope(state.scopes[event.scope], event)})


def _fold_scope(scope: Scope, event: Event) -> Scope:
    match event:
        case Listed():
            reports = {report.origin: report for report in event.reports}
            return Scope(reports=reports, resource_version=event.resource_version, synced=True)
        case Applied():
            reports = {**scope.reports, event.report.origin: event.report}
            return replace(scope, reports=reports, resource_version=event.resource_version, failing="", reason="")
        case Deleted():
            reports = {origin: report for origin, report in scope.reports.items() if origin != event.origin}
            return replace(scope, reports=reports, resource_version=event.resource_version, failing="", reason="")
        case Failed():
            since = scope.since if scope.failing else event.arrived
            return replace(scope, failing=event.message, reason=event.reason, since=since)
        case Recovered():
            return replace(scope, failing="", reason="")
