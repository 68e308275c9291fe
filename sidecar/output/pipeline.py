"""From events to the bytes of every output, one step after the other, each paying only for what changed.

Pure: it reads no clock and does no I/O; an event carries the time at which it arrived. ``keeper`` decides when the
bytes are asked for. There may be several *tracks*, ways to find the same members; the selection is made from one of
them at a time, so that two never mix in a publication.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sidecar.formats import Document
from sidecar.membership.events import Applied, Deleted, Listed
from sidecar.membership.policy.changes import PendingChanges
from sidecar.membership.policy.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sidecar.formats import Format
    from sidecar.membership.events import Event
    from sidecar.membership.fold import State
    from sidecar.membership.member import Member
    from sidecar.membership.policy.changes import Pending
    from sidecar.membership.policy.leaves import LeavePolicy
    from sidecar.membership.policy.rules import Rules
    from sidecar.membership.track import Track


class Change(NamedTuple):
    """How a rendering differs from the one before it, in members."""

    joined: tuple[Member, ...]
    left: tuple[Member, ...]
    updated: tuple[Member, ...]


class Pipeline:
    """What is known, what is selected of it, and what was rendered last.

    Args:
        tracks: the ways to find members; the first is believed until ``activate`` says otherwise.
        formats: one for each output.
        rules: what may be published.
        leave_policy: how leaves are restrained.
        port_range: see ``formats.Document``.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        formats: Sequence[Format],
        *,
        rules: Rules,
        leave_policy: LeavePolicy,
        port_range: int = 0,
    ) -> None:
        self.bodies: tuple[tuple[bytes, ...], ...] = ()
        """Of the outputs, in pieces."""
        self.selection = Selection(rules)
        self.changed_at = float("-inf")
        """When the newest event arrived that changed who is selected, or made the answer complete."""
        self.active = tracks[0]
        """The track that is believed."""
        self.tracks = tuple(tracks)
        self._by_scope = {scope: track for track in tracks for scope in track.scopes}
        self._difference = PendingChanges(leave_policy, self.selection.tolerates)
        self._documents = [Document(form, port_range) for form in formats]

    @property
    def state(self) -> State:
        """What is known by the track that is believed."""
        return self.active.state

    @property
    def failures(self) -> list[str]:
        """What is failing now, by whichever track."""
        scopes = [scope for track in self.tracks for scope in track.state.scopes.values()]
        return [scope.failing for scope in scopes if scope.failing]

    def resource_versions(self, before: Mapping[str, str]) -> dict[str, str]:
        """How far each scope was followed; as far as *before* where nothing is known yet."""
        now = {
            name: resource_version
            for track in self.tracks
            for name, resource_version in track.state.resource_versions.items()
        }
        return {
            name: found for name, resource_version in now.items() if (found := resource_version or before.get(name, ""))
        }

    @property
    def selected(self) -> Mapping[str, Member]:
        """The members that would be published, by key."""
        return self.selection.members

    @property
    def rendered(self) -> Mapping[str, Member]:
        """The members in ``bodies``, by key: the same mapping as long as the pipeline lives."""
        return self._difference.published

    def take(self, event: Event) -> None:
        """Fold *event* and follow it through union and selection."""
        track = self._by_scope[event.scope]
        synced = track.state.synced
        changed = track.take(event)
        if track is not self.active or not isinstance(event, (Listed, Applied, Deleted)):
            return
        if isinstance(event, Listed):
            self._difference.listed(event.scope, event.arrived)
        if track.state.synced and not synced:
            self.changed_at = event.arrived
        self._difference.note(self._select(changed, event.arrived), event.scope, event.arrived)

    def activate(self, track: Track, now: float) -> None:
        """Believe *track* from *now* on."""
        changed = self.active.union.members.keys() | track.union.members.keys()
        self.active = track
        self._difference.turn(self._select(changed, now), now)

    def _select(self, changed: Iterable[str], now: float) -> dict[str, Member | None]:
        turnover = self.selection.turnover
        judged = self.selection.update(changed, self.active.union.members)
        if self.selection.turnover != turnover:
            self.changed_at = now
        return judged

    def outlook(self, now: float) -> Pending:
        """What could be rendered *now*, in seconds of the clock of ``arrived``."""
        return self._difference.outlook(now)

    def render(self, now: float) -> Change:
        """Bring ``bodies`` up to date with what could be rendered *now*, and tell what that changed."""
        steps = self._difference.settle(now)
        changes = {key: step.after for key, step in steps.items()}
        self.bodies = tuple(document.update(changes, self.active.source) for document in self._documents)
        return Change(
            joined=tuple(after for before, after in steps.values() if after and not before),
            left=tuple(before for before, after in steps.values() if before and not after),
            updated=tuple(after for before, after in steps.values() if before and after),
        )
