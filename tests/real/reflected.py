"""A source by itself, without a daemon, against the real API server: which members it reports."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sidecar.membership.member import Member
from sidecar.observability.metrics import Metrics
from sidecar.sources.kubernetes.collection import Collection
from sidecar.sources.kubernetes.connection import Timeouts
from sidecar.sources.kubernetes.reflector import Reflector
from sidecar.sources.kubernetes.timing import Timing
from tests.cluster.control_plane import ControlPlane
from tests.support.builders import Followed, connected, credentials_for, following

PATIENCE = 20.0
"""Seconds for controllers and events on a busy machine; only a failing test takes as long."""


@asynccontextmanager
async def reflected(
    control_plane: ControlPlane,
    token: str,
    collection: Collection[Any],
    *,
    not_older_than: str = "",
    timeouts: Timeouts | None = None,
) -> AsyncIterator[Followed]:
    """The events of a collection for the ServiceAccount of the token.

    Args:
        control_plane: the cluster.
        token: of a ServiceAccount.
        collection: what to follow.
        not_older_than: the resourceVersion that a previous process saw.
        timeouts: the connection's.
    """
    metrics = Metrics([])
    metrics.expect(collection.scope)
    load = credentials_for(control_plane.url, token=token, ca=control_plane.ca_file)
    async with connected(load, metrics=metrics, timeouts=timeouts) as connection:
        reflector = Reflector(
            connection,
            collection,
            metrics=metrics,
            not_older_than=not_older_than,
            clock=asyncio.get_running_loop().time,
            jitter=random.random,
            timing=Timing(),
        )
        async with following(reflector) as followed:
            yield followed


def members(followed: Followed) -> list[Member]:
    """The members of all origins, by name."""
    found = [member for report in followed.reports.values() for member in report.members.values()]
    return sorted(found, key=lambda member: (member.name, member.uid))


def states(followed: Followed) -> dict[str, tuple[bool, bool, bool]]:
    """Ready, serving and terminating, by name."""
    return {member.name: (member.ready, member.serving, member.terminating) for member in members(followed)}


async def until_states(followed: Followed, **expected: tuple[bool, bool, bool]) -> None:
    """Wait until the members are these, with dashes for underscores."""
    wanted = {name.replace("_", "-"): state for name, state in expected.items()}
    await followed.until(lambda seen: states(seen) == wanted, within=PATIENCE)
