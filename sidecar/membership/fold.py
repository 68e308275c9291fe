"""What is known of each scope, and how an event changes it.

Pure: no I/O, no clock, no logging. A list replaces everything that was known of its scope. A state belongs to one
``Track`` and is changed in place, so that an event costs what it changes, however much is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sidecar.membership.events import Applied, Deleted, Event, Failed, Listed, Recovered, Report

if TYPE_CHECKING:
    from collections.abc import Iterable


class Scope(msgspec.Struct, kw_only=True):
    """What is known of one scope."""

    reports: dict[str, Report] = {}
    """By origin."""
    resource_version: str = ""
    """The resourceVersion that the reports are up to date with."""
    synced: bool = False
    """Whether there ever was a complete snapshot."""
    failing: str = ""
    """The message of the current failure; empty if there is none."""
    reason: str = ""
    """The reason of the current failure, one of ``SourceError.REASONS``."""
    since: float = 0.0
    """When the current failure began; 0 if there is none."""

    def apply(self, event: Event) -> dict[str, Report | None]:
        """Take in what *event* reports; return the reports that it replaces, None for an origin that is gone."""
        match event:
            case Listed():
                before, self.reports = self.reports, {report.origin: report for report in event.reports}
                self.synced = True
                self._succeed(event.resource_version)
                return dict.fromkeys(before) | self.reports
            case Applied():
                self.reports[event.report.origin] = event.report
                self._succeed(event.resource_version)
                return {event.report.origin: event.report}
            case Deleted():
                self.reports.pop(event.origin, None)
                self._succeed(event.resource_version)
                return {event.origin: None}
            case Failed():
                if not self.failing:
                    self.since = event.arrived
                self.failing, self.reason = event.message, event.reason
                return {}
            case Recovered():
                self._succeed(self.resource_version)
                return {}

    def _succeed(self, resource_version: str) -> None:
        self.resource_version = resource_version
        self.failing, self.reason, self.since = "", "", 0.0


class State(msgspec.Struct):
    """What is known of all scopes of a candidate source."""

    scopes: dict[str, Scope]

    @classmethod
    def of(cls, scopes: Iterable[str]) -> State:
        """The state in which nothing is known of *scopes* yet."""
        return cls({scope: Scope() for scope in scopes})

    def apply(self, event: Event) -> dict[str, Report | None]:
        """See ``Scope.apply``."""
        return self.scopes[event.scope].apply(event)

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
