"""What is known of each scope, and how an event changes it.

Pure: no I/O, no clock, no logging. A list replaces everything that was known of its scope.
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
    """The resourceVersion that the reports are up to date with."""
    synced: bool = False
    """Whether there ever was a complete snapshot."""
    failing: str = ""
    """The message of the current failure; empty if there is none."""
    reason: str = ""
    """The reason of the current failure, one of ``SourceError.REASONS``."""
    since: float = 0.0
    """When the current failure began."""


class State(msgspec.Struct, frozen=True):
    """What is known of all scopes. Immutable: ``fold`` makes the next one."""

    scopes: Mapping[str, Scope]

    @classmethod
    def of(cls, scopes: Iterable[str]) -> State:
        """The state in which nothing is known of *scopes* yet."""
        return cls({scope: Scope() for scope in scopes})

    @property
    def synced(self) -> bool:
        """Whether there was a complete snapshot of every scope."""
        return all(scope.synced for scope in self.scopes.values())

    @property
    def reports(self) -> dict[str, Report]:
        """The reports of all scopes by origin."""
        return {origin: report for scope in self.scopes.values() for origin, report in scope.reports.items()}

    @property
    def resource_versions(self) -> dict[str, str]:
        """The newest resourceVersion of each scope."""
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
