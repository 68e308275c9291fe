"""The metrics, in a registry of their own. Every series whose labels are known in advance starts at 0.

No label has the name or address of a member, because their number is not bounded.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from sidecar import __version__
from sidecar.errors import SourceError
from sidecar.membership.policy.guards import REASONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sidecar.membership.member import Member

LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: a join takes a millisecond, a leave the settle time, and a guard can hold a change for longer."""

MEMBER_STATES = ("ready", "serving", "terminating")
"""A member can be in several of these states, or in none."""

WATCH_ENDS = ("ended", "silent", "confirm")
"""How a watch ends without an error; the other reasons are those of ``SourceError``."""

RELISTS = (
    "expired",
    "too_large_resource_version",
    "confirm",
    "silent",
    "malformed",
    "older",
    "server_error",
    "short_watch",
    "connection",
)
"""Why there is another LIST after a WATCH."""

EVENT_TYPES = ("LISTED", "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR")


class Metrics:
    """All metrics of a sidecar.

    Args:
        outputs: the paths of its outputs, the values of the label ``output``.
    """

    def __init__(self, outputs: Iterable[str]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        build = Gauge("membership_build_info", "Always 1.", ["version", "python"], registry=registry)
        build.labels(__version__, ".".join(map(str, sys.version_info[:3]))).set(1)
        self.members = Gauge(
            "membership_members",
            "Members in the files, by state. A member counts in each state that it has; all counts every member once.",
            ["state"],
            registry=registry,
        )
        self.change_to_write = Histogram(
            "membership_change_to_write_seconds",
            "From the arrival of a change's first byte to the rename of the last file.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.writes = Counter(
            "membership_file_writes_total",
            "Publications, by output file and result.",
            ["output", "result"],
            registry=registry,
        )
        self.last_write = Gauge(
            "membership_file_last_write_timestamp_seconds",
            "Time at which the file was last replaced.",
            ["output"],
            registry=registry,
        )
        self.generation = Gauge(
            "membership_file_generation",
            "Number of changes of the files, across restarts of the sidecar.",
            ["output"],
            registry=registry,
        )
        self.write_errors = Counter(
            "membership_file_write_errors_total",
            "Failed writes, by output file and errno.",
            ["output", "errno"],
            registry=registry,
        )
        self.guard_held = Gauge(
            "membership_guard_held",
            "1 while a guard holds back the newest member set.",
            ["reason"],
            registry=registry,
        )
        self.source_up = Gauge("membership_source_up", "1 while the source responds.", ["source"], registry=registry)
        self.source_active = Gauge(
            "membership_source_active", "1 for the active source.", ["source"], registry=registry
        )
        self.source_warnings = Gauge(
            "membership_source_warnings",
            "Warnings about the newest response of the source, such as truncated Endpoints; see /status.",
            registry=registry,
        )
        self.last_sync = Gauge(
            "membership_last_sync_timestamp_seconds",
            "Time of the last response or event from the source.",
            ["source"],
            registry=registry,
        )
        self.events = Counter(
            "membership_watch_events_total", "Events from the source, by type.", ["source", "type"], registry=registry
        )
        self.restarts = Counter(
            "membership_watch_restarts_total", "Watches that ended, by reason.", ["source", "reason"], registry=registry
        )
        self.relists = Counter(
            "membership_relists_total", "Lists after the first one, by reason.", ["reason"], registry=registry
        )
        self.requests = Counter(
            "membership_api_requests_total",
            "Requests to the API server, by verb and status code.",
            ["verb", "code"],
            registry=registry,
        )
        self.dns_queries = Counter(
            "membership_dns_queries_total",
            "DNS queries, by record type and response code.",
            ["type", "rcode"],
            registry=registry,
        )
        self.token_reloads = Counter(
            "membership_token_reloads_total", "Reloads of the credentials, by result.", ["result"], registry=registry
        )
        self.ca_reloads = Counter(
            "membership_ca_reloads_total",
            "Reloads of CA and client certificates, by result.",
            ["result"],
            registry=registry,
        )
        self.log_dropped = Counter(
            "membership_log_events_dropped_total", "Log lines dropped because stdout was not read.", registry=registry
        )
        self._start_at_zero(outputs)

    def expect(self, scope: str) -> None:
        """Start the series of the source with this scope at 0."""
        self.source_up.labels(scope)
        self.last_sync.labels(scope)
        for event_type in EVENT_TYPES:
            self.events.labels(scope, event_type)
        for reason in (*SourceError.REASONS, *WATCH_ENDS):
            self.restarts.labels(scope, reason)

    def expect_dns(self, types: Iterable[str], codes: Sequence[str]) -> None:
        """Start the series of DNS queries at 0. Without a DNS source there are none."""
        for record_type in types:
            for code in codes:
                self.dns_queries.labels(record_type, code)

    def measure_members(self, members: Callable[[], Iterable[Member]]) -> None:
        """Count the members whenever the metrics are scraped, because each change would be too often.

        Args:
            members: returns the members in the files.
        """
        for state in MEMBER_STATES:
            self.members.labels(state).set_function(partial(_count, members, state))
        self.members.labels("all").set_function(lambda: sum(1 for _ in members()))

    def _start_at_zero(self, outputs: Iterable[str]) -> None:
        for state in (*MEMBER_STATES, "all"):
            self.members.labels(state)
        for output in outputs:
            self.last_write.labels(output)
            self.generation.labels(output)
            for result in ("written", "unchanged", "error"):
                self.writes.labels(output, result)
        for reason in REASONS:
            self.guard_held.labels(reason)
        for reason in RELISTS:
            self.relists.labels(reason)
        for result in ("ok", "error"):
            self.token_reloads.labels(result)
            self.ca_reloads.labels(result)


def _count(members: Callable[[], Iterable[Member]], state: str) -> int:
    return sum(getattr(member, state) for member in members())
