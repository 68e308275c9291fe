"""Which members may be published, kept up to date change by change.

Pure. A member is judged by itself and by what is true of the whole set: what is known of the own pod, which pod has an
address, whether any member is ready, which address family the set has, which Service's report of a pod is listed, which
pod may found the cluster. All of this is kept up to date, so a change costs the change; only when a fact about the set
flips is every member judged again. A selection never contains a member that the union does not. It depends on what is
known and not on the order in which that became known, with one exception: the own rollout and cluster, once known, stay
known when the own pod is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sidecar.membership.addresses import is_ipv6
from sidecar.membership.policy.counts import Counts
from sidecar.membership.policy.founder import Founder
from sidecar.membership.policy.lines import Lines
from sidecar.membership.policy.ownership import AddressOwnership
from sidecar.membership.policy.rules import Facts, OwnPod, Rules, admitted, belongs, eligible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sidecar.membership.member import Member


class Selection:
    """The members that may be published, by key.

    Args:
        rules: what may be published.
    """

    def __init__(self, rules: Rules) -> None:
        self.members: dict[str, Member] = {}
        self.churn = 0
        """How often who is selected changed, or with which addresses and ports. Changes of conditions do not count."""
        self.own = OwnPod()
        self.facts = Facts(ready=False, ipv4=False)
        """What is true of the set now."""
        self._rules = rules
        self._union: Mapping[str, Member] = {}
        self._ownership = AddressOwnership()
        self._eligible: dict[str, Member] = {}
        """The eligible members, without those whose address another pod has."""
        self._counts = Counts()
        self._lines = Lines()
        self._founder = Founder()
        self._seed = ""
        """The pod that may found the cluster."""

    @property
    def pods(self) -> int:
        """The number of pods that are selected; one with two ports is two members."""
        return self._lines.pods

    @property
    def has_self(self) -> bool:
        """Whether the own pod is eligible, ready or not.

        If it had to be ready, a server that waits for its first file and that file would wait for each other.
        """
        return self._counts.selves > 0

    @property
    def rollout_known(self) -> bool:
        """Whether it is known which rollout may be published, if the rules ask for it."""
        return bool(self.own.rollout) or not self._rules.split

    @property
    def cluster_known(self) -> bool:
        """Whether it is known which cluster may be published, if the rules ask for it."""
        return bool(self.own.cluster) or not self._rules.cluster_id

    def update(self, changed: Iterable[str], union: Mapping[str, Member]) -> dict[str, Member | None]:
        """Judge the members under the *changed* keys again.

        Args:
            changed: the keys of the members that joined, left or changed.
            union: everything that is known; ``may_stay`` looks at it too, until the next update.

        Returns:
            What changed in the selection: the member that is now under a key, or None where one left.
        """
        self._union = union
        judged = set(changed)
        if self._update_own_pod(judged):
            judged |= union.keys()
        judged |= self._update_ownership(judged)
        self._update_eligible(judged)
        if self._update_facts():
            judged |= self._eligible.keys()
        judged |= self._update_lines(judged)
        judged |= self._update_seed(judged)
        return self._update_members(judged)

    def may_stay(self, member: Member) -> bool:
        """Whether *member*, which left, may stay in the file for a while, unchanged, beside those selected now.

        It may not if it belongs to another cluster or rollout, if it is not of the set's address family, if its pod is
        selected under another key, or if another pod has its address, selected or not: what must never be published
        must not stay either.
        """
        reported = self._union.get(member.key, member)
        if not belongs(reported, self._rules, self.own):
            return False
        if self.members and is_ipv6(member.address) is self.facts.ipv4:
            return False
        return not (self._lines.is_held(member) or self._ownership.is_taken(member))

    def _update_own_pod(self, changed: Iterable[str]) -> bool:
        """Note what is reported about the own pod; return whether that is new."""
        if not (self._rules.split or self._rules.cluster_id):
            return False
        before = self.own
        for key in sorted(key for key in changed if key in self._union and self._union[key].is_self):
            self.own = self.own.after(self._union[key])
        return self.own != before

    def _update_ownership(self, changed: Iterable[str]) -> set[str]:
        """Note who has which address; return the keys of the other members to judge again."""
        others: set[str] = set()
        for key in changed:
            others.update(self._ownership.put(key, self._union.get(key)))
        return others

    def _update_eligible(self, judged: Iterable[str]) -> None:
        for key in judged:
            before, owner = self._eligible.get(key), self._ownership.owner(key)
            after = owner if owner is not None and eligible(owner, self._rules, self.own) else None
            if before is after:
                continue
            if before is not None:
                del self._eligible[key]
                self._counts.add(before, -1)
            if after is not None:
                self._eligible[key] = after
                self._counts.add(after)

    def _update_facts(self) -> bool:
        """Return whether the facts about the set changed."""
        before, self.facts = self.facts, self._counts.facts(self._rules)
        return self.facts != before

    def _update_lines(self, judged: Iterable[str]) -> set[str]:
        """Admit members or drop them; return the keys of others of the same pods."""
        others: set[str] = set()
        for key in judged:
            member = self._eligible.get(key)
            able = member is not None and admitted(member, self._rules, self.facts)
            others.update(self._lines.put(key, member if able else None))
        return others

    def _update_seed(self, judged: Iterable[str]) -> set[str]:
        """Pick the seed among the eligible members, admitted or not; return the keys whose mark may change by that."""
        if not self._rules.seed:
            return set()
        for key in judged:
            member = self._eligible.get(key)
            candidate = member and not (member.terminating or member.lost or is_ipv6(member.address) is self.facts.ipv4)
            self._founder.put(key, member.created if member and candidate else None)
        seed = self._eligible.get(self._founder.seed)
        before, self._seed = self._seed, seed.pod if seed else ""
        return set() if self._seed == before else {*self._lines.keys(before), *self._lines.keys(self._seed)}

    def _update_members(self, judged: Iterable[str]) -> dict[str, Member | None]:
        """Select those that have a line; return what changed, as ``update`` does."""
        changes: dict[str, Member | None] = {}
        for key in judged:
            after = self._lines.holder(key)
            if after is not None and after.pod == self._seed:
                after = msgspec.structs.replace(after, seed=True)
            if after != self.members.get(key):
                changes[key] = after
        gone, new = set(), set()
        for key, after in changes.items():
            before = self.members.get(key)
            if after is None:
                del self.members[key]
            else:
                self.members[key] = after
            if before is None or after is None or (before.address, before.port) != (after.address, after.port):
                gone.add(_place(before))
                new.add(_place(after))
        self.churn += gone != new
        return changes


def _place(member: Member | None) -> tuple[str, str, int | None] | None:
    """Which pod a member is, and where it can be reached."""
    return (member.pod, member.address, member.port) if member else None
