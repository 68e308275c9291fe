"""Which members may be published, kept up to date change by change.

Pure. A member is judged by itself and by what is true of the whole set: what is known of the own pod, whether any
member is ready, whether any has an IPv4 address, which pod has its address, which member may found the cluster. These
facts are kept as counts, so a change costs the change; only when a fact flips is every member judged again. A selection
never contains a member that the union does not. It depends on what is known and not on the order in which that became
known, with one exception: the own rollout and cluster, once known, stay known when the own pod is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sidecar.membership.addresses import is_ipv6
from sidecar.membership.policy.founder import Founder
from sidecar.membership.policy.ownership import AddressOwnership
from sidecar.membership.policy.rules import Facts, OwnPod, Rules, admitted, belongs, eligible, is_ready

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
        """How often a member joined, left, or changed its address or port. Changes of its conditions do not count."""
        self.own = OwnPod()
        self._rules = rules
        self._union: Mapping[str, Member] = {}
        self._ownership = AddressOwnership()
        self._eligible: dict[str, Member] = {}
        """The eligible members, without those whose address another pod has."""
        self._ready = self._ipv4 = self._selves = 0
        """How many of the eligible members are ready, have an IPv4 address, are the own pod."""
        self._founder = Founder()
        self._seed = ""

    @property
    def facts(self) -> Facts:
        """What is true of the set now."""
        return Facts(ready=self._ready > 0, ipv4=self._ipv4 > 0)

    @property
    def has_self(self) -> bool:
        """Whether the own pod is eligible, ready or not.

        If it had to be ready, a server that waits for its first file and that file would wait for each other.
        """
        return self._selves > 0

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
        before, self._union = self.facts, union
        judged = set(changed)
        if self._update_own_pod(judged):
            judged |= union.keys()
        judged |= self._update_ownership(judged)
        for key in judged:
            self._update_eligible(key)
        facts = self.facts
        if facts != before:
            judged |= self._eligible.keys()
        judged |= self._update_seed(judged)
        return {key: self.members.get(key) for key in judged if self._update_member(key, facts)}

    def may_stay(self, member: Member) -> bool:
        """Whether *member*, which left, may stay in the file for a while, unchanged, beside those selected now.

        It may not if it belongs to another cluster or rollout, if it is not of the set's address family, or if another
        pod has its address: what must never be published must not stay either.
        """
        reported = self._union.get(member.key, member)
        if not belongs(reported, self._rules, self.own) or (self._ipv4 and is_ipv6(member.address)):
            return False
        return not self._ownership.is_taken(member)

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
            member = self._union.get(key)
            able = member is not None and eligible(member, self._rules, self.own)
            others.update(self._ownership.put(key, member if able else None))
        return others

    def _update_eligible(self, key: str) -> None:
        before, after = self._eligible.get(key), self._ownership.owner(key)
        if before is after:
            return
        if before is not None:
            del self._eligible[key]
            self._count(before, -1)
        if after is not None:
            self._eligible[key] = after
            self._count(after, 1)

    def _count(self, member: Member, by: int) -> None:
        self._ready += by if is_ready(member) else 0
        self._ipv4 += 0 if is_ipv6(member.address) else by
        self._selves += by if member.is_self else 0

    def _update_seed(self, judged: Iterable[str]) -> set[str]:
        """Pick the seed among the eligible members; return the keys of those that became it or no longer are it."""
        if not self._rules.seed:
            return set()
        for key in judged:
            member = self._eligible.get(key)
            candidate = member and not (member.terminating or member.lost or (self._ipv4 and is_ipv6(member.address)))
            self._founder.put(key, member.created if member and candidate else None)
        before, self._seed = self._seed, self._founder.seed
        return {before, self._seed} - {""} if before != self._seed else set()

    def _update_member(self, key: str, facts: Facts) -> bool:
        """Put the member under *key* into the selection or take it out; return whether that changed anything."""
        before, after = self.members.get(key), self._eligible.get(key)
        if after is None or not admitted(after, self._rules, facts):
            self.churn += before is not None
            return self.members.pop(key, None) is not None
        if key == self._seed:
            after = msgspec.structs.replace(after, seed=True)
        self.members[key] = after
        self.churn += before is None or (before.address, before.port) != (after.address, after.port)
        return after != before
