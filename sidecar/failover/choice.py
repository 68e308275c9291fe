"""Which of several ways to find members is believed now: the most preferred one that works.

Pure: time is an argument, in seconds of one monotonic clock. The ways are tried in order. The next one is started when
all before it are *given up*: not allowed or not there at once, away only after a while, since an API server that
restarts is no reason to change one's mind. That while is spent once: a way that is tried because another one is away,
and never answers, has been away as long as that one, for they mostly ask the same API server. A way takes over when it
has a complete answer, and hands back as soon as a better one has. Two cannot alternate faster than a failure lasts,
hence nothing flaps; and if none works, the last one that did is believed, for failure is not an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sidecar.membership.fold import Scope, State

REFUSALS = frozenset({"forbidden", "not_found"})
"""Reasons that no fallback_after mends: another way is tried at once if there never was an answer."""

FOREVER = float("inf")


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What to do."""

    active: int
    """The index of the way that is believed."""
    running: int
    """How many of the ways, from the first, have to be followed."""
    until: float
    """When to choose again, even if nothing happens."""


def choose(states: Sequence[State], active: int, fallback_after: float, now: float) -> Choice:
    """Choose among the ways with these *states*, the most preferred first.

    Args:
        states: what is known of each; nothing of one that is not followed.
        active: the one that is believed.
        fallback_after: seconds of failure after which a way is given up.
        now: the time.
    """
    limits: list[float] = []
    away = FOREVER
    for state in states:
        limits.append(given_up_at(state, fallback_after, away))
        away = min(away, _away_since(state))
    running = 1 + next((at for at, limit in enumerate(limits[:-1]) if limit > now), len(limits) - 1)
    better = next((at for at, state in enumerate(states[:running]) if _works(state)), active)
    chosen = better if better < active or limits[active] <= now else active
    return Choice(
        active=chosen,
        running=max(running, chosen + 1),
        until=min((limit for limit in limits[:running] if limit > now), default=FOREVER),
    )


def given_up_at(state: State, fallback_after: float, away: float = FOREVER) -> float:
    """When a way with *state* is given up, unless it works again before.

    Args:
        state: what is known of it.
        fallback_after: seconds of failure after which it is.
        away: since when a way before it is away.
    """
    limits = [FOREVER]
    for scope in state.scopes.values():
        if scope.failing:
            since = scope.since if scope.synced else min(scope.since, away)
            limits.append(scope.since if _is_refused(scope) else since + fallback_after)
    return min(limits)


def _away_since(state: State) -> float:
    failing = (scope.since for scope in state.scopes.values() if scope.failing and not _is_refused(scope))
    return min(failing, default=FOREVER)


def _is_refused(scope: Scope) -> bool:
    return not scope.synced and scope.reason in REFUSALS


def _works(state: State) -> bool:
    return state.synced and not any(scope.failing for scope in state.scopes.values())
