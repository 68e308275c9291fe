"""The metrics, on a registry of their own. Every label value that is known beforehand starts at 0.

No label holds a name or an address of a member: their number is not bounded.
"""

from __future__ import annotations

import sys
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
    from collections.abc import Iterable, Sequence

LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: a join takes a millisecond, a leave the settle time, a held one the guard's."""

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
        self.members = Gauge("membership_members", "Members in the files.", ["state"], registry=registry)
        self.change_to_write = Histogram(
            "membership_change_to_write_seconds",
            "From the arrival of a change's first byte to the rename of the last file.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.writes = Counter(
            "membership_file_writes_total",
            "Publications by what became of a file.",
            ["output", "result"],
            registry=registry,
        )
        self.last_write = Gauge(
            "membership_file_last_write_timestamp_seconds",
            "When the file was last replaced.",
            ["output"],
            registry=registry,
        )
        self.generation = Gauge(
            "membership_file_generation",
            "How often the files were changed, restarts included.",
            ["output"],
            registry=registry,
        )
        self.write_errors = Counter(
            "membership_file_write_errors_total",
            "Failed replacements by errno.",
            ["output", "errno"],
            registry=registry,
        )
        self.guard_held = Gauge(
            "membership_guard_held", "1 while a guard keeps a set from being published.", ["reason"], registry=registry
        )
        self.source_up = Gauge("membership_source_up", "1 while the source answers.", ["source"], registry=registry)
        self.source_active = Gauge(
            "membership_source_active", "1 for the way to find members that is believed.", ["source"], registry=registry
        )
        self.source_warnings = Gauge(
            "membership_source_warnings",
            "Warnings about the newest answer, such as that it is truncated; see /status.",
            registry=registry,
        )
        self.last_sync = Gauge(
            "membership_last_sync_timestamp_seconds",
            "When the source was last heard of.",
            ["source"],
            registry=registry,
        )
        self.events = Counter(
            "membership_watch_events_total", "What the source said.", ["source", "type"], registry=registry
        )
        self.restarts = Counter(
            "membership_watch_restarts_total", "Watches that ended, by reason.", ["source", "reason"], registry=registry
        )
        self.relists = Counter(
            "membership_relists_total", "Lists after the first, by reason.", ["reason"], registry=registry
        )
        self.requests = Counter(
            "membership_api_requests_total", "Requests to the API server.", ["verb", "code"], registry=registry
        )
        self.dns_queries = Counter(
            "membership_dns_queries_total", "Questions to DNS by how they ended.", ["type", "rcode"], registry=registry
        )
        self.token_reloads = Counter(
            "membership_token_reloads_total", "Readings of the credentials.", ["result"], registry=registry
        )
        self.ca_reloads = Counter(
            "membership_ca_reloads_total", "Changes of TLS material.", ["result"], registry=registry
        )
        self.log_dropped = Counter(
            "membership_log_events_dropped_total", "Log lines dropped because nobody read them.", registry=registry
        )
        self._start_at_zero(outputs)

    def expect(self, scope: str) -> None:
        """Start the metrics of the source with *scope* at 0."""
        self.source_up.labels(scope)
        self.last_sync.labels(scope)
        for kind in EVENT_TYPES:
            self.events.labels(scope, kind)
        for reason in (*SourceError.REASONS, "ended"):
            self.restarts.labels(scope, reason)

    def expect_dns(self, types: Iterable[str], codes: Sequence[str]) -> None:
        """Start the metric of questions to DNS at 0, where there are any."""
        for kind in types:
            for code in codes:
                self.dns_queries.labels(kind, code)

    def _start_at_zero(self, outputs: Iterable[str]) -> None:
        for state in ("ready", "serving", "terminating"):
            self.members.labels(state)
        for output in outputs:
            self.last_write.labels(output)
            self.generation.labels(output)
            for result in ("written", "unchanged", "error"):
                self.writes.labels(output, result)
        for reason in REASONS:
            self.guard_held.labels(reason)
        for reason in ("expired", "too_large_resource_version", "confirm"):
            self.relists.labels(reason)
        for result in ("ok", "error"):
            self.token_reloads.labels(result)
            self.ca_reloads.labels(result)
