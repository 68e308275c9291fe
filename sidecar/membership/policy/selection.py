"""Which members may be published, kept up to date change by change.

Pure. A member is judged by itself and by what is true of the whole: what is known of the own pod, whether any member
is ready, whether any has an IPv4 address, who claims the same address, who may found the cluster. The facts are
counted, so that a change costs the change; only when a fact flips is every member judged again. A selection never
contains a member that the union does not, and it depends on what is known and not on the order in which it was heard,
but for one thing: the own rollout and cluster, once known, stay known when the own pod is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sidecar.membership.addresses import is_ipv6
from sidecar.membership.policy.founder import Founder
from sidecar.membership.policy.ownership import AddressOwnership
from sidecar.membership.policy.rules import Facts, Own, Rules, admitted, belongs, eligible, is_ready

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sidecar.membership.member import Member


class Selection:
    """The published members, by key.

    Args:
        rules: what may be published.
    """

    def __init__(self, rules: Rules) -> None:
        self.members: dict[str, Member] = {}
        self.turnover = 0
        """How often a member came, went, or got another address or port: not how often its conditions changed."""
        self.own = Own()
        self._rules = rules
        self._union: Mapping[str, Member] = {}
        self._claims = AddressOwnership()
        self._standing: dict[str, Member] = {}
        """The eligible members that have their address."""
        self._ready = self._ipv4 = self._selves = 0
        self._founder = Founder()
        self._seed = ""

    @property
    def facts(self) -> Facts:
        """What is true of the set now."""
        return Facts(ready=self._ready > 0, ipv4=self._ipv4 > 0)

    @property
    def has_self(self) -> bool:
        """Whether the own pod could be published, be it ready or not.

        Were it to be ready, a server that waits for its first file and that file would wait for each other.
        """
        return self._selves > 0

    @property
    def rollout_known(self) -> bool:
        """Whether it is known which rollout rollout may be published, if that is asked for."""
        return bool(self.own.rollout) or not self._rules.split

    @property
    def cluster_known(self) -> bool:
        """Whether it is known which cluster may be published, if that is asked for."""
        return bool(self.own.cluster) or not self._rules.cluster_id

    def update(self, changed: Iterable[str], union: Mapping[str, Member]) -> dict[str, Member | None]:
        """Judge the *changed* keys of *union* anew.

        Args:
            changed: the keys of members that came, went or changed.
            union: all that is known, which ``tolerates`` asks too until the next update.

        Returns:
            What changed in the selection: the member now published under a key, or None where one left.
        """
        before, self._union = self.facts, union
        judged = set(changed)
        if self._learn(judged, union):
            judged |= union.keys()
        rivals: set[str] = set()
        for key in judged:
            member = union.get(key)
            able = member is not None and eligible(member, self._rules, self.own)
            rivals.update(self._claims.put(key, member if able else None))
        judged |= rivals
        for key in judged:
            self._stand(key)
        facts = self.facts
        if facts != before:
            judged |= self._standing.keys()
        judged |= self._mark(judged)
        return {key: self.members.get(key) for key in judged if self._admit(key, facts)}

    def tolerates(self, member: Member) -> bool:
        """Whether *member*, which left, may stay in the file for a while, as it is there, beside those selected now.

        Not if it is another cluster's or rollout's, if it is not of the set's address family, or if another pod has its
        address: what must never be published must not stay either.
        """
        said = self._union.get(member.key, member)
        if not belongs(said, self._rules, self.own) or (self._ipv4 and is_ipv6(member.address)):
            return False
        return not self._claims.is_taken(member)

    def _learn(self, changed: Iterable[str], union: Mapping[str, Member]) -> bool:
        """See what the own pod says of itself; tell whether that is new."""
        if not (self._rules.split or self._rules.cluster_id):
            return False
        before = self.own
        for key in sorted(key for key in changed if key in union and union[key].is_self):
            self.own = self.own.after(union[key])
        return self.own != before

    def _stand(self, key: str) -> None:
        before, after = self._standing.get(key), self._claims.holder(key)
        if before is after:
            return
        if before is not None:
            del self._standing[key]
            self._count(before, -1)
        if after is not None:
            self._standing[key] = after
            self._count(after, 1)

    def _count(self, member: Member, by: int) -> None:
        self._ready += by if is_ready(member) else 0
        self._ipv4 += 0 if is_ipv6(member.address) else by
        self._selves += by if member.is_self else 0

    def _mark(self, judged: Iterable[str]) -> set[str]:
        """Look who may found the cluster now; return the keys for which that changed."""
        if not self._rules.seed:
            return set()
        for key in judged:
            member = self._standing.get(key)
            candidate = member and not (member.terminating or member.lost or (self._ipv4 and is_ipv6(member.address)))
            self._founder.put(key, member.created if member and candidate else None)
        before, self._seed = self._seed, self._founder.seed
        return {before, self._seed} - {""} if before != self._seed else set()

    def _admit(self, key: str, facts: Facts) -> bool:
        """Put the member in or take it out; tell whether that changed anything."""
        before, after = self.members.get(key), self._standing.get(key)
        if after is None or not admitted(after, self._rules, facts):
            self.turnover += before is not None
            return self.members.pop(key, None) is not None
        if key == self._seed:
            after = msgspec.structs.replace(after, seed=True)
        self.members[key] = after
        self.turnover += before is None or (before.address, before.port) != (after.address, after.port)
        return after != before
