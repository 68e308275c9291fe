"""A reflector that follows the simulator over a real socket: what its tests share."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sidecar.membership.events import Failed
from sidecar.observability.metrics import Metrics
from sidecar.sources.kubernetes.connection import Timeouts
from sidecar.sources.kubernetes.reflector import Reflector
from sidecar.sources.kubernetes.timing import Timing
from tests.support.builders import (
    Followed,
    collection,
    connected,
    credentials_for,
    following,
    reports,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from sidecar.membership.events import Report
    from sidecar.simulator import (
        ScriptedService,
        Simulator,
    )
    from sidecar.sources.kubernetes.loaders import Loader

QUICK = Timing(retry=0.01, retry_cap=0.02, refused_cap=0.02, short_watch=0.0, too_large_tries=1)
"""Client-go's rules at a hundredth of its times; no watch counts as short, since all of them are."""

PATIENT = Timeouts()
IMPATIENT = Timeouts(list_total=0.5, list_read=0.1, watch_read=0.1)


@asynccontextmanager
async def followed(
    simulator: Simulator,
    *,
    timing: Timing = QUICK,
    timeouts: Timeouts = PATIENT,
    load: Loader | None = None,
) -> AsyncIterator[Followed]:
    """The events of a reflector that follows the simulator."""
    metrics = Metrics([])
    async with connected(load or credentials_for(simulator.url), metrics=metrics, timeouts=timeouts) as connection:
        reflector = Reflector(
            connection,
            collection(),
            metrics=metrics,
            not_older_than="",
            clock=asyncio.get_running_loop().time,
            jitter=lambda: 0.0,
            timing=timing,
        )
        async with following(reflector) as seen:
            yield seen


def stored(simulator: Simulator) -> Mapping[str, Report]:
    """What the source should know."""
    return reports(*(obj for _, obj in simulator.store.objects("endpointslices")))


async def agreed(simulator: Simulator, seen: Followed) -> None:
    """Wait until the source knows all of that."""
    await seen.until(lambda it: it.state.synced and it.reports == stored(simulator))


def codes(simulator: Simulator, verb: str) -> Sequence[int]:
    """How the requests of a verb were answered."""
    return [asked.status for asked in simulator.requests if asked.verb == verb]


def reasons(seen: Followed) -> Sequence[str]:
    """What went wrong."""
    return [event.reason for event in seen.events if isinstance(event, Failed)]


def change(service: ScriptedService) -> None:
    """A member joins, one leaves, one returns with a new UID: about six events."""
    service.scale(6)
    service.remove("app-0")
    service.replace("app-1")
    service.terminate("app-2")
