"""From events to the bytes of every output, one step after the other, each paying only for what changed.

Pure: it reads no clock and does no I/O; an event carries the time at which it arrived. ``publish_loop`` decides when
the bytes are asked for. There may be several *tracks*, one for each candidate source; the selection is made from one of
them at a time, so that two never mix in a publication.

What is *rendered* here could be in the files; what is in them is the business of ``written``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    from sidecar.membership.policy.changes import MemberChange, Pending
    from sidecar.membership.policy.leaves import LeavePolicy
    from sidecar.membership.policy.rules import Rules
    from sidecar.membership.track import Track
    from sidecar.output.publication import Body


class Pipeline:
    """What is known, what is selected of it, and what was rendered last.

    Args:
        tracks: one for each candidate source; the first is active until ``activate`` says otherwise.
        formats: one for each output.
        rules: who may be published.
        leave_policy: how leaves are restrained.
        port_range: see ``formats.Document``.
        record: the format in which the checkpoint keeps the members; None where an output holds them.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        formats: Sequence[Format],
        *,
        rules: Rules,
        leave_policy: LeavePolicy,
        port_range: int = 0,
        record: Format | None = None,
    ) -> None:
        self.bodies: tuple[Body, ...] = ()
        """Of the outputs, in pieces."""
        self.record: Body = ()
        """The members in ``bodies``, for the checkpoint."""
        self.selection = Selection(rules)
        self.changed_at = float("-inf")
        """When the newest event arrived that changed who is selected, or made the answer complete."""
        self.active = tracks[0]
        """The track whose members are used."""
        self.tracks = tuple(tracks)
        self._by_scope = {scope: track for track in tracks for scope in track.scopes}
        self._changes = PendingChanges(leave_policy, self.selection.may_stay)
        self._documents = [Document(form, port_range) for form in formats]
        self._record = Document(record) if record else None
        self._resumed: frozenset[str] = frozenset()
        self._resumed_source = ""

    @property
    def state(self) -> State:
        """What is known by the active track."""
        return self.active.state

    def resource_versions(self, before: Mapping[str, str]) -> dict[str, str]:
        """How far each scope was followed; as far as *before* where nothing is known yet."""
        known = {scope: version for track in self.tracks for scope, version in track.state.resource_versions.items()}
        return {scope: found for scope, version in known.items() if (found := version or before.get(scope, ""))}

    @property
    def selected(self) -> Mapping[str, Member]:
        """The members that would be published, by key."""
        return self.selection.members

    @property
    def rendered(self) -> Mapping[str, Member]:
        """The members in ``bodies``, by key: the same mapping as long as the pipeline lives."""
        return self._changes.rendered

    def resume(self, members: Iterable[Member], source: str) -> None:
        """Start from what the files of a predecessor hold: whoever is gone since then leaves like any other member.

        Args:
            members: those in its files.
            source: the name of the source that they came from.
        """
        before = {member.key: member for member in members}
        self._changes.rendered.update(before)
        self._resumed, self._resumed_source = frozenset(before), source
        self._render(before)

    def take(self, event: Event) -> None:
        """Fold *event* and follow it through union and selection."""
        track = self._by_scope[event.scope]
        synced = track.state.synced
        changed = track.take(event)
        if track is not self.active or not isinstance(event, (Listed, Applied, Deleted)):
            return
        if isinstance(event, Listed):
            self._changes.listed(event.scope, event.arrived)
        if track.state.synced and not synced:
            self.changed_at = event.arrived
        self._changes.note(self._select(changed, event.arrived), (event.scope,), event.arrived)
        self._miss(event.arrived)

    def activate(self, track: Track, now: float) -> None:
        """Use *track* from *now* on."""
        changed = self.active.union.members.keys() | track.union.members.keys()
        self.active = track
        selected = self._select(changed, now)
        if self._resumed:
            self._changes.note(selected, track.scopes, now)
            self._miss(now)
        else:
            self._changes.switch(selected, now)

    def _miss(self, now: float) -> None:
        """Note who was in the predecessor's files and is not selected, once the answer is complete."""
        if not (self._resumed and self.active.state.synced):
            return
        missing = dict.fromkeys(self._resumed - self.selected.keys())
        self._resumed = frozenset()
        if self.active.source == self._resumed_source:
            self._changes.note(missing, self.active.scopes, now)
        else:
            self._changes.switch(missing, now)

    def _select(self, changed: Iterable[str], now: float) -> dict[str, Member | None]:
        churn = self.selection.churn
        selected = self.selection.update(changed, self.active.union.members)
        if self.selection.churn != churn:
            self.changed_at = now
        return selected

    def pending(self, now: float) -> Pending:
        """What could be rendered *now*, in seconds of the clock of ``arrived``."""
        return self._changes.pending(now)

    def render(self, now: float, *, leaves: bool) -> dict[str, MemberChange]:
        """Bring ``bodies`` up to date with what could be rendered *now*, and return what that changed, by key.

        Args:
            now: the time.
            leaves: whether leaves are due too.
        """
        changes = self._changes.render(now, leaves=leaves)
        self._render({key: change.after for key, change in changes.items()})
        return changes

    def _render(self, changes: Mapping[str, Member | None]) -> None:
        self.bodies = tuple(document.update(changes, self.active.source) for document in self._documents)
        if self._record:
            self.record = self._record.update(changes, self.active.source)
