"""What must hold before the newest set may be published.

Pure: every time is an argument, in seconds of one monotonic clock. Each guard has a reason, which is a metric's label,
a message, and an end: the first file waits for ``--start-timeout`` at most, and then ``--start-outcome`` decides
whether it is written with the members that are known, whether the wait goes on, or whether the program ends. Where
nothing could be written (no complete answer, nobody to write, or the own rollout or cluster is not known) the program
ends instead of writing: an empty first file would let every server found a cluster of its own, so it is only written
with ``--min-members 0``. Once there are files, a predecessor's included, only a missing or unusable answer holds, for
as long as it takes: the files keep the last good set.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import msgspec

from sidecar.membership.policy.timing import NEVER, Hold

if TYPE_CHECKING:
    from collections.abc import Iterator

REASONS = ("not-synced", "problem", "cluster-id", "split", "self", "min-members", "stable-for", "shrink", "write")
"""Why the files do not hold the newest set, in the order in which it is looked at; the last is a write that hangs."""

ALL_REPLICAS = 100
"""Percent."""

_PERCENT = re.compile(r"\d{1,3}%")


class MinMembers(msgspec.Struct, frozen=True):
    """How many members the first file must have: a number, or a part of the desired replicas."""

    number: int = 0
    percent: int = 0
    """Of the desired replicas, 1 to 100; 0 if a number was given."""

    @classmethod
    def parse(cls, text: str) -> MinMembers:
        """``3``, ``50%`` or ``replicas``, which is ``100%``.

        Raises:
            ValueError: with the rest of a message.
        """
        if text == "replicas":
            return cls(percent=ALL_REPLICAS)
        if text.isdecimal():
            return cls(number=int(text))
        if not _PERCENT.fullmatch(text) or not 0 < int(text[:-1]) <= ALL_REPLICAS:
            raise ValueError(f"invalid number of members {text!r}: write a number, 1% to 100%, or replicas")
        return cls(percent=int(text[:-1]))

    @property
    def relative(self) -> bool:
        """Whether the desired replicas must be known."""
        return self.percent > 0

    def of(self, desired: int) -> int:
        """The number of members, where so many replicas are desired; a part of one is a whole one."""
        return math.ceil(desired * self.percent / 100) if self.percent else self.number

    def __str__(self) -> str:
        """As it is written in ``--min-members``."""
        if self.percent == ALL_REPLICAS:
            return "replicas"
        return f"{self.percent}%" if self.percent else str(self.number)


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What the guards look at."""

    started: float
    """When the sidecar started."""
    published: bool
    """Whether every output has a complete content, a predecessor's included."""
    unanswered: str = ""
    """Why there is no complete answer; empty if there was one."""
    problem: str = ""
    """Why the newest answer cannot be used; empty if it can."""
    failing: str = ""
    """Why the active source cannot be asked now; empty if it can."""
    cluster_known: bool = True
    rollout_known: bool = True
    has_self: bool = True
    selected: int = 0
    """How many members would be published: a pod counts once."""
    empty: str = ""
    """Why there are none, if the source tells."""
    desired: int | None = None
    """How many replicas there should be; None if that is not known."""
    replicas_unknown: str = ""
    """Why it is not."""
    changed_at: float = -NEVER
    """When the newest change of who is selected happened, or the first complete answer came."""
    shrink: Hold | None = None
    """Why some that left stay."""


class Guards(msgspec.Struct, frozen=True, kw_only=True):
    """What is demanded."""

    min_members: MinMembers = MinMembers(1)
    stable_for: float = 0.0
    """Seconds without a join or a leave before the first file is written."""
    require_self: bool = False
    split_unknown: str = "closed"
    """``open``: after the start timeout all rollouts are published if the own one is not known."""
    start_timeout: float = 300.0
    """Seconds from the start of the sidecar."""
    start_outcome: str = "publish"
    """What happens then: ``publish``, ``wait`` or ``exit``."""

    def verdict(self, it: Situation, now: float) -> Hold | None:
        """What keeps the newest set from being published *now*; None if nothing does.

        The first guard that holds is reported. Each hold ends with an event, with its ``until``, or is over.
        """
        return self._without_answer(it, now) or self._before_the_first_file(it, now) or it.shrink

    def _without_answer(self, it: Situation, now: float) -> Hold | None:
        limit = it.started + self.start_timeout
        for reason, message in self._unusable(it, late=now >= limit):
            if now < limit:
                return Hold(reason=reason, message=message, until=limit)
            if it.published or self.start_outcome == "wait":
                return Hold(reason=reason, message=message, until=NEVER)
            what, why = ("complete", it.unanswered) if it.unanswered else ("usable", message)
            return Hold(reason=reason, message=f"No {what} answer within --start-timeout: {why}", until=now, over=True)
        return None

    def _before_the_first_file(self, it: Situation, now: float) -> Hold | None:
        if it.published:
            return None
        limit = it.started + self.start_timeout
        for reason, message, until in self._incomplete(it, now):
            if now < limit:
                return Hold(reason=reason, message=message, until=min(until, limit))
            if self.start_outcome == "wait":
                return Hold(reason=reason, message=message, until=until)
            if self.start_outcome == "exit" or self._is_empty(it):
                complaint = f"The first file cannot be written within --start-timeout: {message}"
                return Hold(reason=reason, message=complaint, until=now, over=True)
        return None

    def _is_empty(self, it: Situation) -> bool:
        """Whether the first file would be empty, and that was not asked for."""
        return it.selected == 0 and (self.min_members.relative or self.min_members.number > 0)

    def _unusable(self, it: Situation, *, late: bool) -> Iterator[tuple[str, str]]:
        """Why nothing at all could be published: the reason and a message."""
        if it.unanswered:
            yield "not-synced", f"no complete answer yet: {it.unanswered}"
        if it.problem:
            yield "problem", it.problem
        unknown = "Set --pod-uid from the downward API, and select the sidecar's own pod too"
        if not it.cluster_known:
            yield "cluster-id", f"the own pod's cluster is not known: is its label set? {unknown} (--cluster-id)"
        if not it.rollout_known and not (late and self.split_unknown == "open"):
            yield "split", f"the own pod's rollout is not known. {unknown} (--split)"

    def _incomplete(self, it: Situation, now: float) -> Iterator[tuple[str, str, float]]:
        """Why the first file would be premature: the reason, a message, and until when."""
        if self._is_empty(it):
            why = it.empty or "the source has no members"
            yield "min-members", f"there are no members to publish: {why} (--min-members)", NEVER
        if self.require_self and not it.has_self:
            message = "the own pod is not among the members: is it selected, and is --pod-uid set? (--self require)"
            yield "self", message, NEVER
        if self.min_members.relative and it.desired is None:
            why = f": {it.replicas_unknown}" if it.replicas_unknown else ""
            message = f"the desired number of replicas is not known{why} (--min-members {self.min_members})"
            yield "min-members", message, NEVER
        else:
            wanted = self.min_members.of(it.desired or 0)
            if it.selected < wanted:
                yield "min-members", f"{it.selected} of at least {wanted} members (--min-members)", NEVER
        if self.stable_for > 0:
            if it.failing:
                message = f"the source is failing, so joins and leaves go unseen: {it.failing} (--stable-for)"
                yield "stable-for", message, NEVER
            if now < it.changed_at + self.stable_for:
                yield (
                    "stable-for",
                    "members joined or left a moment ago (--stable-for)",
                    it.changed_at + self.stable_for,
                )
