"""Which of several candidate sources is used now: the most preferred one that works.

Pure: time is an argument, in seconds of one monotonic clock. The candidates are tried in order. The next one is started
when all before it are *given up*: at once if they are forbidden or do not exist, and only after a while if they are
away, since an API server that restarts is no reason to switch. That while is spent once: a candidate that is tried
because another one is away, and never answers, counts as away as long as that one, for they mostly ask the same API
server. A candidate takes over when it has a complete answer, and hands back as soon as a better one has. Two cannot
alternate faster than a failure lasts, so nothing flaps; and if none works, the last one that did is used, for failure
is not an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sidecar.membership.policy.timing import NEVER

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sidecar.membership.fold import Scope, State

REFUSALS = frozenset({"forbidden", "not_found"})
"""Reasons that waiting does not mend: another candidate is tried at once if there never was an answer."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What to do."""

    active: int
    """The index of the candidate that is used."""
    running: int
    """How many of the candidates, from the first, have to be followed."""
    until: float
    """When to choose again, even if nothing happens; infinity if only an event matters."""


def choose(
    states: Sequence[State], active: int, fallback_after: float, now: float, *, outdated: Collection[int] = ()
) -> Choice:
    """Choose among the candidates with these *states*, the most preferred first.

    Args:
        states: what is known of each; nothing of one that is not followed.
        active: the index of the one that is used.
        fallback_after: seconds of failure after which a candidate is given up.
        now: the time.
        outdated: the indexes of those whose members are as old as the failure for which they were given up: they do
            not work again before a complete list.
    """
    limits: list[float] = []
    away = NEVER
    for at, state in enumerate(states):
        limits.append(-NEVER if at in outdated else given_up_at(state, fallback_after, away))
        away = min(away, _away_since(state))
    running = 1 + next((at for at, limit in enumerate(limits[:-1]) if limit > now), len(limits) - 1)
    working = [at for at, state in enumerate(states[:running]) if _works(state) and at not in outdated]
    chosen = working[0] if working else active
    return Choice(
        active=chosen,
        running=max(running, chosen + 1),
        until=min((limit for limit in limits[:running] if limit > now), default=NEVER),
    )


def given_up_at(state: State, fallback_after: float, away: float = NEVER) -> float:
    """When a candidate with *state* is given up, unless it works again before.

    Args:
        state: what is known of it.
        fallback_after: seconds of failure after which it is.
        away: since when a candidate before it is away.
    """
    limits = [NEVER]
    for scope in state.scopes.values():
        if scope.failing:
            since = scope.since if scope.synced else min(scope.since, away)
            limits.append(scope.since if _is_refused(scope) else since + fallback_after)
    return min(limits)


def _away_since(state: State) -> float:
    failing = (scope.since for scope in state.scopes.values() if scope.failing and not _is_refused(scope))
    return min(failing, default=NEVER)


def _is_refused(scope: Scope) -> bool:
    return not scope.synced and scope.reason in REFUSALS


def _works(state: State) -> bool:
    return state.synced and not any(scope.failing for scope in state.scopes.values())
