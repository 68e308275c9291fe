"""The rules for one member: judged by itself, by what is known of the sidecar's own pod, and by facts about the set.

Pure, and without memory: ``selection`` keeps the facts and applies the rules again when they change.
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
    """``include``, ``exclude``, or ``prefer-ready``: ready members if there are any, otherwise all."""
    terminating: str = "exclude"
    """``exclude``, ``while-serving``, or ``include``: a terminating member is then judged like any other, by
    ``serving`` instead of ``ready``."""
    own_pod: str = "include"
    """``include``, ``exclude`` or ``require``; the last is enforced by ``guards``."""
    split: bool = False
    """Publish only members of the own pod's rollout (``Member.rollout``)."""
    split_unknown: str = "closed"
    """While the own rollout is unknown: ``open`` selects every rollout, ``closed`` selects none."""
    cluster_id: bool = False
    """Publish only members of the own pod's cluster (``Member.cluster``), and none while that is unknown."""
    seed: bool = False
    """Mark the member that may found the cluster."""


class OwnPod(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the pod that the sidecar runs in; a field is empty while it is unknown."""

    rollout: str = ""
    cluster: str = ""

    def after(self, member: Member) -> OwnPod:
        """What is known once the own pod is reported as *member*.

        Nothing that was known is forgotten: a pod does not change its rollout or cluster.
        """
        return OwnPod(rollout=member.rollout or self.rollout, cluster=member.cluster or self.cluster)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of the whole set."""

    ready: bool
    """Some eligible member is ready."""
    ipv4: bool
    """The set is published with IPv4 addresses: some member that its readiness admits has one."""


def is_ready(member: Member) -> bool:
    """Whether *member* counts as a ready one.

    A terminating member never does, whatever ``publishNotReadyAddresses`` makes of its conditions, and neither does one
    on a lost node: its conditions are the last that the node reported.
    """
    return member.ready and not member.terminating and not member.lost


def is_serving(member: Member) -> bool:
    """Whether *member* can be used, even if it is terminating."""
    return not member.lost and (member.serving if member.terminating else member.ready)


def belongs(member: Member, rules: Rules, own: OwnPod) -> bool:
    """Whether *member*, whatever its conditions, is one of those that the file is about."""
    if rules.own_pod == "exclude" and member.is_self:
        return False
    if rules.cluster_id and not (own.cluster and member.cluster == own.cluster):
        return False
    if rules.split:
        return member.rollout == own.rollout if own.rollout else rules.split_unknown == "open"
    return True


def eligible(member: Member, rules: Rules, own: OwnPod) -> bool:
    """Whether *member* could be published in some set: it belongs, has an address, and may be terminating if it is."""
    if not member.address or not belongs(member, rules, own):
        return False
    if not member.terminating or rules.terminating == "include":
        return True
    return rules.terminating == "while-serving" and is_serving(member)


def admits_not_ready(rules: Rules, *, ready: bool) -> bool:
    """Whether members that are not ready are published in a set of which some eligible member is *ready*, or none."""
    return rules.not_ready == "include" or (rules.not_ready == "prefer-ready" and not ready)


def admitted(member: Member, rules: Rules, facts: Facts) -> bool:
    """Whether *member* is published in a set with these *facts*.

    Args:
        member: an eligible member.
        rules: the rules.
        facts: about the set. A set is published in one address family, because readers such as JGroups silently drop
            the addresses of the other one. A terminating member does not count as ready: otherwise new members that
            start beside it would not find each other.
    """
    if is_ipv6(member.address) is facts.ipv4:
        return False
    return is_serving(member) or admits_not_ready(rules, ready=facts.ready)
