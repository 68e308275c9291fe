"""The rules by which one member is judged: by itself, by what is known of the own pod, and by facts about the set.

Pure, and without memory: ``selection`` keeps the facts and asks again when they change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sidecar.membership.addresses import is_ipv6

if TYPE_CHECKING:
    from sidecar.membership.member import Member


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What may be published."""

    not_ready: str = "prefer-ready"
    """``include``, ``exclude``, or ``prefer-ready``: ready members if there are any, else all."""
    terminating: str = "exclude"
    """``exclude``, ``while-serving``, or ``include``: a terminating member is then judged as any other one, by
    ``serving`` in place of ``ready``."""
    own_pod: str = "include"
    """``include``, ``exclude`` or ``require``, which is a matter of ``guards``."""
    split: bool = False
    """Publish only what was rolled out with the own pod (``Member.rollout``)."""
    split_unknown: str = "closed"
    """``open``: while the own rollout is not known, every rollout is selected; ``closed``: none is."""
    cluster_id: bool = False
    """Publish only what has the own pod's cluster (``Member.cluster``); nothing while that is not known."""
    seed: bool = False
    """Mark the member that may found the cluster."""


class Own(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the pod that the sidecar runs in; empty for what is not."""

    rollout: str = ""
    cluster: str = ""

    def after(self, member: Member) -> Own:
        """What is known when the own pod is *member*. Nothing that was known is forgotten: a pod keeps what it is."""
        return Own(rollout=member.rollout or self.rollout, cluster=member.cluster or self.cluster)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of the whole set."""

    ready: bool
    """Some member that could be published is ready."""
    ipv4: bool
    """Some member that could be published has an IPv4 address to use."""


def is_ready(member: Member) -> bool:
    """Whether *member* is ready in the sense of the set.

    One that terminates never is, whatever ``publishNotReadyAddresses`` makes of its conditions, and neither is one on
    a lost node: its conditions are the last that were heard.
    """
    return member.ready and not member.terminating and not member.lost


def is_serving(member: Member) -> bool:
    """Whether *member* does what it is there for, be it on its way out."""
    return not member.lost and (member.serving if member.terminating else member.ready)


def belongs(member: Member, rules: Rules, own: Own) -> bool:
    """Whether *member*, whatever its condition, is one of those that the file is about."""
    if rules.own_pod == "exclude" and member.is_self:
        return False
    if rules.cluster_id and not (own.cluster and member.cluster == own.cluster):
        return False
    if rules.split:
        return member.rollout == own.rollout if own.rollout else rules.split_unknown == "open"
    return True


def eligible(member: Member, rules: Rules, own: Own) -> bool:
    """Whether *member* could be published in some set: it belongs, has an address, and is not on its way out."""
    if not member.address or not belongs(member, rules, own):
        return False
    if not member.terminating or rules.terminating == "include":
        return True
    return rules.terminating == "while-serving" and is_serving(member)


def admitted(member: Member, rules: Rules, facts: Facts) -> bool:
    """Whether *member* is published in a set of which *facts* are true.

    Args:
        member: an eligible member.
        rules: about the member.
        facts: about the set. A set is published in one address family, IPv4 if any member has it, since readers such
            as JGroups silently drop the addresses of the other one. A member that terminates does not count as ready:
            new members that start beside it would not find each other.
    """
    if facts.ipv4 and is_ipv6(member.address):
        return False
    not_ready = rules.not_ready == "include" or (rules.not_ready == "prefer-ready" and not facts.ready)
    return not_ready or is_serving(member)
