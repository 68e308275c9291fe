"""Makes the parts of a run from its settings, and joins them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import structlog

from sidecar.backoff import Backoff
from sidecar.daemon import parts
from sidecar.failover.candidates import make_candidates
from sidecar.failover.context import Context
from sidecar.failover.failover import Failover
from sidecar.formats.membership_json import decode
from sidecar.output.observer import Observer
from sidecar.output.pipeline import Pipeline
from sidecar.output.publish_loop import PublishLoop
from sidecar.output.written import Written

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from sidecar.formats.membership_json import Contents
    from sidecar.observability.metrics import Metrics
    from sidecar.output.publisher import Publisher
    from sidecar.settings.values import Settings
    from sidecar.sources.kubernetes.connection import Connection

log = structlog.get_logger(__name__)


class Resources(NamedTuple):
    """What the parts run on."""

    namespace: str
    """The sidecar's own."""
    connection: Connection | None
    """To the API server; None where DNS does without it."""
    executor: Executor
    """Writes the files."""
    clock: Callable[[], float]
    metrics: Metrics
    once: bool


class Parts(NamedTuple):
    """The parts of a run."""

    pipeline: Pipeline
    publisher: Publisher
    publish_loop: PublishLoop
    observer: Observer
    failover: Failover


def assemble(settings: Settings, publisher: Publisher, resources: Resources) -> Parts:
    """The parts, ready to run."""
    context = Context(
        settings=settings,
        namespace=resources.namespace,
        connection=resources.connection,
        metrics=resources.metrics,
        checkpoint=lambda scope: publisher.checkpoint.resource_versions.get(scope, ""),
        clock=resources.clock,
        jitter=jitter,
    )
    candidates = make_candidates(context)
    pipeline = Pipeline(
        [candidate.track for candidate in candidates],
        [output.form for output in settings.output],
        rules=parts.rules(settings),
        leave_policy=parts.leave_policy(settings),
        port_range=settings.port_range,
        record=parts.record(settings.output),
    )
    before = _predecessor(settings, publisher)
    written = Written(before.members if before else ())
    if before:
        pipeline.resume(before.members, before.source)
    observer = Observer(resources.metrics, publisher.paths, written.members)
    publish_loop = PublishLoop(
        pipeline,
        publisher,
        written,
        demands=parts.demands(settings, once=resources.once),
        observer=observer,
        backoff=lambda: Backoff(clock=resources.clock, jitter=jitter),
        clock=resources.clock,
        executor=resources.executor,
    )
    failover = Failover(
        candidates,
        publish_loop,
        fallback_after=settings.fallback_after,
        clock=resources.clock,
        metrics=resources.metrics,
    )
    publish_loop.confirm = failover.confirm
    return Parts(pipeline, publisher, publish_loop, observer, failover)


def _predecessor(settings: Settings, publisher: Publisher) -> Contents | None:
    """Who is in the files of a predecessor, if it has published all of them."""
    if publisher.predecessor.problem:
        log.warning("checkpoint not used", reason=publisher.predecessor.problem)
    if not publisher.complete:
        return None
    at = parts.recorded_in(settings.output)
    return decode(publisher.predecessor.members if at is None else settings.output[at].path.read_bytes())


def jitter() -> float:
    """A random number in [0, 1). The module ``random`` would be 0.4 MB for that."""
    return int.from_bytes(os.urandom(6)) / 2**48
