"""The selection as a whole: laws over all rules, and what is remembered.

It is kept up to date change by change, and compared with one made from scratch by a specification that does no
counting. Out of scope: the rules one by one (test_rules, test_ownership, test_founder), when the selection is published
(test_guards, test_leaves), how members are found (tests/sources).
"""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.membership.member import Member
from sidecar.membership.policy.ownership import in_conflict, precedence
from sidecar.membership.policy.rules import OwnPod, Rules, belongs, eligible, is_ready, is_serving
from sidecar.membership.policy.selection import Selection
from tests.support.members import by_key, made, names, select
from tests.support.strategies import members, rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def is_ipv4(found: Member) -> bool:
    """Whether its address is IPv4."""
    return ":" not in found.address


def from_scratch(of: Rules, union: dict[str, Member], own: OwnPod) -> dict[str, Member]:
    """The specification: owners of their addresses, by readiness, of one family, one line for each pod and port."""
    candidates = [found for found in union.values() if owns_its_address(found, union.values())]
    candidates = [found for found in candidates if eligible(found, of, own)]
    ready = [found for found in candidates if is_ready(found)]
    serving = [found for found in candidates if is_serving(found)]
    if of.not_ready == "include" or (of.not_ready == "prefer-ready" and not ready):
        pool, deciding = candidates, candidates
    else:
        pool, deciding = serving, ready or serving
    ipv4 = any(map(is_ipv4, deciding))
    lines: dict[tuple[str, int | None], Member] = {}
    for found in sorted(pool, key=lambda found: found.key):
        if is_ipv4(found) == ipv4:
            lines.setdefault((found.uid or found.address, found.port), found)
    founders = [
        (found.created or "~", found.key, found.uid or found.address)
        for found in candidates
        if not found.terminating and not found.lost and is_ipv4(found) == ipv4
    ]
    seed = min(founders)[2] if of.seed and founders else ""
    return {
        found.key: msgspec.structs.replace(found, seed=(found.uid or found.address) == seed) for found in lines.values()
    }


def owns_its_address(found: Member, union: Iterable[Member]) -> bool:
    """Whether it has an address that no pod with a better claim has."""
    rivals = [other for other in union if other.address == found.address and in_conflict(found, other)]
    return bool(found.address) and all(precedence(found) > precedence(other) for other in rivals)


def own_of(found: Iterable[Member], before: OwnPod) -> OwnPod:
    """What is known of the own pod once *found* are reported."""
    for each in sorted(found, key=lambda each: each.key):
        before = before.after(each) if each.is_self else before
    return before


CHANGES = st.lists(st.tuples(members(), st.booleans()), max_size=12)
"""Members that join or change, or that leave."""


@given(rules(), st.lists(CHANGES, max_size=6))
def test_it_equals_the_selection_made_from_scratch(of: Rules, history: list[list[tuple[Member, bool]]]) -> None:
    """Following every change gives what looking once at the end gives, and reports exactly what changed."""
    selection, union, own = Selection(of), dict[str, Member](), OwnPod()
    for changes in history:
        before = dict(selection.members)
        for found, present in changes:
            union.pop(found.key, None)
            if present:
                union[found.key] = found
        own = own_of((union[key] for key in {found.key for found, _ in changes} & union.keys()), own)
        reported = selection.update({found.key for found, _ in changes}, union)
        assert selection.members == from_scratch(of, union, own)
        assert selection.pods == len({found.uid or found.address for found in selection.members.values()})
        keys = before.keys() | selection.members.keys()
        assert reported == {
            key: selection.members.get(key) for key in keys if before.get(key) != selection.members.get(key)
        }


@given(rules(), st.lists(members(), max_size=10), st.randoms(use_true_random=False), st.data())
def test_order_and_chunking_do_not_matter(of: Rules, found: list[Member], jitter: Any, data: st.DataObject) -> None:  # noqa: ANN401
    """The same members, reported in any order and in any portions, give the same selection."""
    union = by_key(found)
    at_once = select(of, union.values())
    order = list(union)
    jitter.shuffle(order)
    selection, known = Selection(of), dict[str, Member]()
    while order:
        size = data.draw(st.integers(1, len(order)))
        portion, order = order[:size], order[size:]
        known |= {key: union[key] for key in portion}
        selection.update(portion, known)
    assert selection.members == at_once.members
    assert selection.facts == at_once.facts
    assert selection.has_self == at_once.has_self


@given(rules(), st.lists(members(), max_size=10))
def test_only_reported_members_are_selected(of: Rules, found: list[Member]) -> None:
    """A member is selected as it was reported, except for the mark of the seed."""
    union = by_key(found)
    for key, each in select(of, union.values()).members.items():
        assert msgspec.structs.replace(each, seed=False) == union[key]


@given(rules(), st.lists(members(), max_size=10))
def test_every_selection_can_be_published(of: Rules, found: list[Member]) -> None:
    """One address family, no foreign member, one pod for each address and port, one line for each of them, one seed."""
    selection = select(of, found)
    selected = list(selection.members.values())
    assert len({is_ipv4(each) for each in selected}) <= 1
    assert not any(one.address == other.address and in_conflict(one, other) for one in selected for other in selected)
    assert len({(each.uid or each.address, each.port) for each in selected}) == len(selected)
    assert len({each.uid or each.address for each in selected if each.seed}) <= of.seed
    if of.cluster_id:
        assert {each.cluster for each in selected} <= {selection.own.cluster} - {""}
    if of.split and (of.split_unknown == "closed" or selection.own.rollout):
        assert {each.rollout for each in selected} <= {selection.own.rollout} - {""}
    if of.own_pod == "exclude":
        assert not any(each.is_self for each in selected)


SELF = made(0, "10.0.0.10", rollout="new", cluster="blue")
MATE = made(1, rollout="new", cluster="blue")
OTHER = made(2, rollout="old", cluster="green")


@given(rules(), st.lists(members(), max_size=10))
def test_nothing_is_selected_only_if_nobody_is_ready(of: Rules, found: list[Member]) -> None:
    """Whatever the address families of the members are."""
    selection = select(of, found)
    candidates = [each for each in found if owns_its_address(each, by_key(found).values())]
    ready = [each for each in candidates if eligible(each, of, selection.own) and is_ready(each)]
    assert selection.members or not any(by_key(found)[each.key] is each for each in ready)


@given(rules(), st.lists(members(), max_size=10), st.lists(members(), max_size=3))
def test_what_must_not_be_published_must_not_stay(of: Rules, found: list[Member], published: list[Member]) -> None:
    """A member that left stays beside others of its family only, and never with the address of another pod."""
    selection, union = select(of, found), by_key(found)
    for left in published:
        if left.key in selection.members:
            continue
        beside = list(selection.members.values())
        assert selection.may_stay(left) == (
            belongs(union.get(left.key, left), of, selection.own)
            and all(is_ipv4(each) == is_ipv4(left) for each in beside)
            and not any(each.pod == left.pod and each.port == left.port for each in beside)
            and not any(each.address == left.address and in_conflict(each, left) for each in union.values())
        )


def test_the_own_rollout_is_known_even_if_the_own_pod_cannot_be_published() -> None:
    """It has no address yet, but its labels are there."""
    starting = msgspec.structs.replace(SELF, address="", addresses=(), ready=False)
    selection = select(Rules(split=True), (starting, MATE, OTHER))
    assert selection.rollout_known
    assert not selection.has_self
    assert names(selection) == ["app-1"]


def test_the_own_rollout_and_cluster_stay_known_when_the_own_pod_is_gone() -> None:
    """Its file must not open to other rollouts while it terminates."""
    of = Rules(split=True, split_unknown="open", cluster_id=True)
    selection = select(of, (SELF, MATE, OTHER))
    selection.update([SELF.key], by_key((MATE, OTHER)))
    assert selection.rollout_known
    assert selection.cluster_known
    assert names(selection) == ["app-1"]


def test_the_own_pod_counts_even_if_it_is_not_ready() -> None:
    """Otherwise ``require`` and the server that waits for its first file would wait for each other."""
    selection = select(Rules(own_pod="require"), (msgspec.structs.replace(SELF, ready=False), MATE))
    assert selection.has_self
    assert names(selection) == ["app-1"]


def test_who_leaves_while_the_own_pod_becomes_known_leaves() -> None:
    """Everybody is judged again then, and so is who is not there any more."""
    of, union = Rules(split=True, split_unknown="open"), by_key((MATE, OTHER))
    selection = select(of, union.values())
    del union[MATE.key]
    union[SELF.key] = SELF
    assert selection.update([MATE.key, SELF.key], union) == {MATE.key: None, OTHER.key: None, SELF.key: SELF}
    assert names(selection) == ["app-0"]


def test_the_own_pod_counts_as_long_as_one_service_selects_it() -> None:
    """Two may."""
    union = by_key((SELF, msgspec.structs.replace(SELF, service="other")))
    selection = select(Rules(), union.values())
    del union[SELF.key]
    selection.update([SELF.key], union)
    assert selection.has_self


def test_before_anything_is_known_everybody_may_stay() -> None:
    """The members in a predecessor's files, for example."""
    assert Selection(Rules()).may_stay(made(1))


MANY = [made(number, rollout="new", cluster="blue") for number in range(1, 5000)]
HIDDEN = [msgspec.structs.replace(each, address="") for each in MANY]


@pytest.mark.parametrize(
    ("of", "members"),
    [
        pytest.param(Rules(), MANY, id="by default"),
        pytest.param(Rules(split=True, cluster_id=True, seed=True), MANY, id="with every rule"),
        pytest.param(Rules(), HIDDEN, id="without an address of the family"),
    ],
)
def test_a_change_costs_the_change_however_many_members_there_are(of: Rules, members: list[Member]) -> None:
    """No collection of all the keys is made: it would be 200 kB."""
    union = by_key((*members, SELF))
    selection = select(of, union.values())
    union[members[7].key] = msgspec.structs.replace(members[7], zone="eu-2")
    tracemalloc.start()
    try:
        selection.update([members[7].key], union)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000


ONE = made(1)
TWICE = msgspec.structs.replace(ONE, service="other")


def churn(*sets: Sequence[Member]) -> int:
    """The churn of a selection that follows these sets."""
    selection, union = Selection(Rules()), dict[str, Member]()
    for found in sets:
        changed = union.keys() | by_key(found).keys()
        union = by_key(found)
        selection.update(changed, union)
    return selection.churn


@pytest.mark.parametrize(
    ("sets", "times"),
    [
        pytest.param([(ONE,)], 1, id="a join"),
        pytest.param([(ONE,), ()], 2, id="a join and a leave"),
        pytest.param([(ONE,), (made(2),)], 2, id="one joins and another leaves"),
        pytest.param([(ONE,), (msgspec.structs.replace(ONE, zone="eu-2"),)], 1, id="another zone"),
        pytest.param([(ONE,), (msgspec.structs.replace(ONE, ready=False),)], 1, id="another condition"),
        pytest.param([(ONE,), (msgspec.structs.replace(ONE, address="10.0.0.99"),)], 2, id="another address"),
        pytest.param([(ONE,), (msgspec.structs.replace(ONE, port=1),)], 2, id="another port"),
        pytest.param([(ONE,), (ONE, TWICE)], 1, id="selected by another Service too"),
        pytest.param([(ONE,), (TWICE,)], 1, id="selected by another Service instead"),
        pytest.param([()], 0, id="nobody"),
    ],
)
def test_churn_counts_changes_of_pods_addresses_and_ports(sets: list[tuple[Member, ...]], times: int) -> None:
    """Not conditions that change: otherwise a cluster that starts would never count as stable."""
    assert churn(*sets) == times
