"""When members that left may be taken out of the files.

Pure: every time is an argument, in seconds of one monotonic clock. Two things keep them: the *hold-down*, for members
that go and come back (a flapping probe, a node that is away for a moment), and the *shrink guard*, for an answer that
is wrong at large: a controller or an API server that lost sight of half a cluster looks the same as one that saw it go.
Both end, each by its own clock: no member stays longer than hold-down plus shrink-hold after it left, whatever else
happens. Joins and updates are not looked at here, so they never wait for any of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from sidecar.membership.policy.timing import NEVER, Hold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class LeavePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How leaves are restrained."""

    hold_down: float = 0.0
    """Seconds that a member stays after it left, unless it comes back."""
    max_shrink: float = 1.0
    """The share of the published members that may leave in one publication unconfirmed; 1 means no guard."""
    shrink_hold: float = 30.0
    """Seconds that the rest waits for a list that confirms it."""


class Leaves(NamedTuple):
    """Which members may leave at a moment."""

    keys: tuple[str, ...]
    since: float
    """When the first of them might have; infinity if there are none."""
    changed: float
    """When the last of them might have."""
    hold: Hold | None
    """Why others must stay, if the shrink guard keeps them."""
    until: float
    """When others may leave if nothing happens before; infinity if there are none."""


class _Departure(NamedTuple):
    at: float
    scopes: tuple[str, ...]
    """Those of which a later list confirms it."""


class LeavingMembers:
    """The published members that are no longer selected.

    Times never go back in it: an event that claims to have arrived before another one counts as arriving with it.
    """

    def __init__(self, leave_policy: LeavePolicy) -> None:
        self._policy = leave_policy
        self._now = -NEVER
        self._staying: dict[str, _Departure] = {}
        """In the order in which they left."""
        self._evicted: dict[str, float] = {}
        self._listed: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._staying) + len(self._evicted)

    def __iter__(self) -> Iterator[str]:
        yield from self._staying
        yield from self._evicted

    @property
    def evicted(self) -> tuple[str, ...]:
        """The keys of those that neither hold-down nor shrink guard may keep."""
        return tuple(self._evicted)

    def leave(self, key: str, scopes: Iterable[str], at: float) -> None:
        """The member under *key* left: an event of *scopes* said so. Repeating it changes nothing."""
        if key not in self._staying and key not in self._evicted:
            self._staying[key] = _Departure(self._clamp(at), tuple(scopes))

    def evict(self, key: str, at: float) -> None:
        """The member under *key* must not stay: neither hold-down nor shrink guard keeps it."""
        self._staying.pop(key, None)
        self._evicted.setdefault(key, at)

    def forget(self, key: str) -> None:
        """The member under *key* came back, or was taken out."""
        self._staying.pop(key, None)
        self._evicted.pop(key, None)

    def listed(self, scope: str, at: float) -> None:
        """A complete answer of *scope* arrived: it confirms what left before it, and not what leaves with it."""
        self._listed[scope] = self._clamp(at)

    def judge(self, now: float, published: int) -> Leaves:
        """Who may leave *now*, out of *published* members. Costs only those whose hold-down is over."""
        free: list[str] = list(self._evicted)
        doubtful: list[str] = []
        times = list(self._evicted.values())
        doubts: list[float] = []
        until = NEVER
        for key, departure in self._staying.items():
            ripe = departure.at + self._policy.hold_down
            if ripe > now:
                until = ripe
                break
            if self._is_confirmed(departure, ripe, now):
                free.append(key)
                times.append(ripe)
            else:
                doubtful.append(key)
                doubts.append(ripe)
        if len(doubtful) <= self._policy.max_shrink * published:
            return _leaves((*free, *doubtful), times + doubts, None, until)
        hold = self._hold(len(doubtful), published, doubts[0] + self._policy.shrink_hold)
        return _leaves(free, times, hold, min(until, hold.until))

    def _is_confirmed(self, departure: _Departure, ripe: float, now: float) -> bool:
        if self._policy.max_shrink >= 1.0 or now >= ripe + self._policy.shrink_hold:
            return True
        return all(self._listed.get(scope, -NEVER) > departure.at for scope in departure.scopes)

    def _hold(self, doubtful: int, published: int, until: float) -> Hold:
        message = (
            f"{doubtful} of {published} members left at once, more than --max-shrink {self._policy.max_shrink:.0%}:"
            " they stay in the files until a new list confirms it or --shrink-hold has passed"
        )
        return Hold(reason="shrink", message=message, until=until, leaves_only=True)

    def _clamp(self, at: float) -> float:
        self._now = max(self._now, at)
        return self._now


def _leaves(keys: Iterable[str], times: list[float], hold: Hold | None, until: float) -> Leaves:
    return Leaves(tuple(keys), min(times, default=NEVER), max(times, default=-NEVER), hold, until)
