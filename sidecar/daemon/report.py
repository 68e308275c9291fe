"""What ``/status`` says of the parts. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar import __version__
from sidecar.membership.policy.timing import NEVER
from sidecar.observability.status import MemberCounts, OutputStatus, SourceStatus, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sidecar.daemon.assembly import Parts
    from sidecar.membership.member import Member
    from sidecar.settings.values import Settings


def status_of(parts: Parts, settings: Settings, now: float, *, stopping: bool) -> Status:
    """The status at *now*, in seconds of the event loop's clock."""
    pipeline, publish_loop = parts.pipeline, parts.publish_loop
    hold = publish_loop.hold
    return Status(
        version=__version__,
        published=publish_loop.published,
        generation=parts.publisher.checkpoint.generation,
        members=len(publish_loop.written.members),
        states=count(publish_loop.written.members.values()),
        selected=len(pipeline.selected),
        waiting_for=publish_loop.waiting_for,
        waiting_seconds=round(hold.until - now, 3) if hold and hold.until < NEVER else None,
        write_stuck_seconds=round(publish_loop.writer.stuck_seconds, 3),
        synced=pipeline.state.synced,
        source=pipeline.active.source,
        fallback_reason=parts.failover.fallback_reason,
        warnings=tuple(sorted(set(pipeline.active.warnings.values()))),
        sources=_sources(parts, now),
        outputs=_outputs(parts, settings, now),
        stopping=stopping,
    )


def count(members: Iterable[Member]) -> MemberCounts:
    """The members by state."""
    counts = {"ready": 0, "not_ready": 0, "terminating": 0}
    for member in members:
        counts["terminating" if member.terminating else "ready" if member.ready else "not_ready"] += 1
    return MemberCounts(**counts)


def _sources(parts: Parts, now: float) -> tuple[SourceStatus, ...]:
    scopes = {name: scope for track in parts.pipeline.tracks for name, scope in track.state.scopes.items()}
    return tuple(
        SourceStatus(
            scope=source.scope,
            synced=scopes[source.scope].synced,
            resource_version=scopes[source.scope].resource_version,
            failing=scopes[source.scope].failing,
            idle_seconds=round(now - source.heard_at, 3),
            inactive_seconds=round(now - source.active_at, 3),
        )
        for source in parts.failover.sources
    )


def _outputs(parts: Parts, settings: Settings, now: float) -> tuple[OutputStatus, ...]:
    return tuple(
        OutputStatus(
            format=output.form.name,
            path=state.path,
            error=state.error.message if state.error else "",
            retry_seconds=round(state.retry_at - now, 3) if state.error else None,
            last_write=parts.observer.last_writes.get(state.path),
        )
        for output, state in zip(settings.output, parts.publish_loop.outputs.all, strict=True)
    )
