"""How many eligible members have what the facts about the set are made of, so that the facts cost a change its share.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.membership.addresses import is_ipv6
from sidecar.membership.policy.rules import Facts, Rules, admits_not_ready, is_ready, is_serving

if TYPE_CHECKING:
    from sidecar.membership.member import Member


class Counts:
    """The counts of the eligible members."""

    def __init__(self) -> None:
        self.selves = 0
        """How many of them are the own pod, ready or not."""
        self._ready = self._ipv4 = self._ipv4_serving = self._ipv4_ready = 0

    def add(self, member: Member, number: int = 1) -> None:
        """Count *member*; -1 takes it away again."""
        ipv4 = 0 if is_ipv6(member.address) else number
        self._ipv4 += ipv4
        if is_serving(member):
            self._ipv4_serving += ipv4
        if is_ready(member):
            self._ready += number
            self._ipv4_ready += ipv4
        if member.is_self:
            self.selves += number

    def facts(self, rules: Rules) -> Facts:
        """What is true of the set.

        Readiness comes first, and the address family is decided among the members that it admits: otherwise a member
        that is not ready could leave ready ones of the other family without a file. Where ready members are admitted
        they decide, and those that terminate while they still serve do not.
        """
        ready = self._ready > 0
        if admits_not_ready(rules, ready=ready):
            return Facts(ready=ready, ipv4=self._ipv4 > 0)
        return Facts(ready=ready, ipv4=(self._ipv4_ready if ready else self._ipv4_serving) > 0)
