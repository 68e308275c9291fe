"""Which members are selected: the rules one by one, and laws over all of them.

The selection is kept change by change and compared with one made from nothing, by a specification that knows nothing
of counting. Out of scope: when it is published (test_policy_guards, test_policy_leaves), how members are known
(test_endpointslices, test_pods).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.formats.samples import member
from sidecar.membership.policy.founder import Founder
from sidecar.membership.policy.ownership import is_rival, precedence
from sidecar.membership.policy.rules import Facts, Own, Rules, admitted, eligible, is_ready
from sidecar.membership.policy.selection import Selection
from tests.support.strategies import members, rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sidecar.membership.member import Member

OLD, NEW = "2026-03-01T10:00:00Z", "2026-03-01T10:00:01Z"


def made(number: int = 1, address: str = "", **fields: Any) -> Member:  # noqa: ANN401 - any field of a member
    """A member that is what *fields* say."""
    return msgspec.structs.replace(member(number, address or f"10.0.0.{number}"), **fields)


def select(of: Rules, found: Iterable[Member]) -> Selection:
    """The selection among *found*, heard of at once."""
    union = {each.key: each for each in found}
    selection = Selection(of)
    selection.update(union, union)
    return selection


def names(selection: Selection) -> list[str]:
    """Who is selected."""
    return sorted(each.name for each in selection.members.values())


def is_ipv4(found: Member) -> bool:
    """Whether its address is IPv4."""
    return ":" not in found.address


def from_nothing(of: Rules, union: dict[str, Member], own: Own) -> dict[str, Member]:
    """The specification: filter by the rules, then by claims, then by facts; then mark the oldest."""
    able = [found for found in union.values() if eligible(found, of, own)]
    standing = [
        found
        for found in able
        if not any(
            found.address == other.address and is_rival(found, other) and precedence(other) > precedence(found)
            for other in able
        )
    ]
    facts = Facts(ready=any(map(is_ready, standing)), ipv4=any(map(is_ipv4, standing)))
    selected = {found.key: found for found in standing if admitted(found, of, facts)}
    founders = [
        (found.created or "~", found.key)
        for found in standing
        if not found.terminating and not found.lost and (is_ipv4(found) or not facts.ipv4)
    ]
    seed = min(founders)[1] if of.seed and founders else ""
    return {key: msgspec.structs.replace(found, seed=key == seed) for key, found in selected.items()}


def own_of(found: Iterable[Member], before: Own) -> Own:
    """What the own pod among *found* says of itself, or said before."""
    for each in sorted(found, key=lambda each: each.key):
        before = before.after(each) if each.is_self else before
    return before


CHANGES = st.lists(st.tuples(members(), st.booleans()), max_size=12)
"""Members that come or change, or that leave."""


@given(rules(), st.lists(CHANGES, max_size=6))
def test_it_is_the_selection_made_from_nothing(of: Rules, history: list[list[tuple[Member, bool]]]) -> None:
    """Following every change gives what looking once at the end gives, and tells exactly what changed."""
    selection, union, own = Selection(of), dict[str, "Member"](), Own()
    for changes in history:
        before = dict(selection.members)
        for found, there in changes:
            union.pop(found.key, None)
            if there:
                union[found.key] = found
        own = own_of((union[key] for key in {found.key for found, _ in changes} & union.keys()), own)
        judged = selection.update({found.key for found, _ in changes}, union)
        assert selection.members == from_nothing(of, union, own)
        keys = before.keys() | selection.members.keys()
        assert judged == {
            key: selection.members.get(key) for key in keys if before.get(key) != selection.members.get(key)
        }


@given(rules(), st.lists(members(), max_size=10), st.randoms(use_true_random=False), st.data())
def test_order_and_chunking_do_not_matter(of: Rules, found: list[Member], jitter: Any, data: st.DataObject) -> None:  # noqa: ANN401
    """The same members, heard of in any order and any portions, are the same selection."""
    union = {each.key: each for each in found}
    at_once = select(of, union.values())
    order = list(union)
    jitter.shuffle(order)
    selection, known = Selection(of), dict[str, "Member"]()
    while order:
        size = data.draw(st.integers(1, len(order)))
        portion, order = order[:size], order[size:]
        known |= {key: union[key] for key in portion}
        selection.update(portion, known)
    assert selection.members == at_once.members
    assert selection.facts == at_once.facts
    assert selection.has_self == at_once.has_self


@given(rules(), st.lists(members(), max_size=10))
def test_nobody_is_selected_whom_nobody_reported(of: Rules, found: list[Member]) -> None:
    """A member is selected as it was reported, but for the mark of the seed."""
    union = {each.key: each for each in found}
    for key, each in select(of, union.values()).members.items():
        assert msgspec.structs.replace(each, seed=False) == union[key]


@given(rules(), st.lists(members(), max_size=10))
def test_what_holds_of_every_selection(of: Rules, found: list[Member]) -> None:
    """One family, no stranger, one pod for each address and port, at most one seed."""
    selection = select(of, found)
    selected = list(selection.members.values())
    assert len({is_ipv4(each) for each in selected}) <= 1
    assert not any(one.address == other.address and is_rival(one, other) for one in selected for other in selected)
    assert sum(each.seed for each in selected) <= of.seed
    if of.cluster_id:
        assert {each.cluster for each in selected} <= {selection.own.cluster} - {""}
    if of.split and (of.split_unknown == "closed" or selection.own.rollout):
        assert {each.rollout for each in selected} <= {selection.own.rollout} - {""}
    if of.own_pod == "exclude":
        assert not any(each.is_self for each in selected)


READY, STARTING = made(1), made(2, ready=False, serving=False)
SERVING = made(3, ready=False, serving=True, terminating=True)
LEAVING = made(4, ready=False, serving=False, terminating=True)
PUBLISHED = made(5, ready=True, serving=True, terminating=True)
LOST = made(6, ready=True, serving=True, lost=True)


@pytest.mark.parametrize(
    ("of", "found", "selected"),
    [
        pytest.param(Rules(), (READY, SERVING, LEAVING), (READY,), id="terminating never, by default"),
        pytest.param(Rules(), (PUBLISHED, STARTING), (STARTING,), id="nor if publishNotReadyAddresses calls it ready"),
        pytest.param(Rules(terminating="while-serving"), (READY, SERVING, LEAVING), (READY, SERVING), id="serving"),
        pytest.param(
            Rules(terminating="while-serving"),
            (STARTING, SERVING),
            (STARTING, SERVING),
            id="new members find each other beside one that leaves",
        ),
        pytest.param(
            Rules(terminating="while-serving", not_ready="include"),
            (STARTING, LEAVING),
            (STARTING,),
            id="while-serving is about terminating alone",
        ),
        pytest.param(
            Rules(terminating="include"), (STARTING, LEAVING), (STARTING, LEAVING), id="include, and nobody is ready"
        ),
        pytest.param(Rules(terminating="include"), (READY, LEAVING), (READY,), id="include, and it is not serving"),
        pytest.param(Rules(), (READY, LOST), (READY,), id="a lost one is not ready"),
        pytest.param(Rules(), (STARTING, LOST), (STARTING, LOST), id="so that it counts as little as a starting one"),
        pytest.param(Rules(not_ready="exclude"), (LOST,), (), id="and is excluded with them"),
        pytest.param(
            Rules(terminating="while-serving"),
            (READY, msgspec.structs.replace(SERVING, lost=True)),
            (READY,),
            id="nor does a lost one serve",
        ),
    ],
)
def test_conditions(of: Rules, found: tuple[Member, ...], selected: tuple[Member, ...]) -> None:
    """The tables of --terminating and --not-ready, and of lost nodes."""
    assert select(of, found).members == {each.key: each for each in selected}


SELF = made(0, "10.0.0.10", rollout="new", cluster="blue")
MATE = made(1, rollout="new", cluster="blue")
OTHER = made(2, rollout="old", cluster="green")
NOBODY = made(3)


@pytest.mark.parametrize(
    ("of", "found", "selected"),
    [
        (Rules(), (SELF, MATE, OTHER, NOBODY), ["app-0", "app-1", "app-2", "app-3"]),
        (Rules(split=True), (SELF, MATE, OTHER, NOBODY), ["app-0", "app-1"]),
        (Rules(split=True), (MATE, OTHER, NOBODY), []),
        (Rules(split=True, split_unknown="open"), (MATE, OTHER, NOBODY), ["app-1", "app-2", "app-3"]),
        (Rules(split=True, split_unknown="open"), (SELF, MATE, OTHER), ["app-0", "app-1"]),
        (Rules(cluster_id=True), (SELF, MATE, OTHER, NOBODY), ["app-0", "app-1"]),
        (Rules(cluster_id=True), (MATE, OTHER, NOBODY), []),
        (Rules(cluster_id=True), (made(0, cluster=""), NOBODY), []),
        (Rules(own_pod="exclude"), (SELF, MATE), ["app-1"]),
        (Rules(own_pod="require"), (MATE,), ["app-1"]),
    ],
)
def test_who_belongs(of: Rules, found: tuple[Member, ...], selected: list[str]) -> None:
    """The tables of --split, --cluster-id and --self, in whatever order they are heard of."""
    for order in (found, found[::-1]):
        selection, union = Selection(of), dict[str, "Member"]()
        for each in order:
            union[each.key] = each
            selection.update([each.key], union)
        assert names(selection) == selected


def test_the_own_group_is_known_even_if_the_own_pod_cannot_be_published() -> None:
    """Not yet an address: its labels are there all the same."""
    starting = msgspec.structs.replace(SELF, address="", addresses=(), ready=False)
    selection = select(Rules(split=True), (starting, MATE, OTHER))
    assert selection.rollout_known
    assert not selection.has_self
    assert names(selection) == ["app-1"]


def test_what_the_own_pod_was_stays_known_when_it_is_gone() -> None:
    """Its file must not open to other rollouts while it terminates."""
    of = Rules(split=True, split_unknown="open", cluster_id=True)
    selection = select(of, (SELF, MATE, OTHER))
    selection.update([SELF.key], {each.key: each for each in (MATE, OTHER)})
    assert selection.rollout_known
    assert selection.cluster_known
    assert names(selection) == ["app-1"]


def test_the_own_pod_is_there_though_it_is_not_ready() -> None:
    """``require`` and the server's first file would wait for each other."""
    selection = select(Rules(own_pod="require"), (msgspec.structs.replace(SELF, ready=False), MATE))
    assert selection.has_self
    assert names(selection) == ["app-1"]


FIRST = made(1, "10.0.0.9", created=OLD)
SECOND = made(2, "10.0.0.9", created=NEW)


@pytest.mark.parametrize(
    ("found", "selected"),
    [
        pytest.param((FIRST, SECOND), [SECOND], id="the newest"),
        pytest.param((FIRST, msgspec.structs.replace(SECOND, lost=True)), [FIRST], id="that runs"),
        pytest.param(
            (FIRST, msgspec.structs.replace(SECOND, ready=False)),
            [msgspec.structs.replace(SECOND, ready=False)],
            id="though the old one is called ready and the new one is not",
        ),
        pytest.param(
            (made(1, "10.0.0.9", ready=False), made(2, "10.0.0.9")),
            [made(2, "10.0.0.9")],
            id="the ready one if the source tells no times",
        ),
        pytest.param((made(1, "10.0.0.9"), made(2, "10.0.0.9")), [made(2, "10.0.0.9")], id="else the greater UID"),
        pytest.param(
            (FIRST, msgspec.structs.replace(SECOND, port=5702)),
            [FIRST, msgspec.structs.replace(SECOND, port=5702)],
            id="both if the ports differ: the host's network",
        ),
        pytest.param(
            (FIRST, msgspec.structs.replace(FIRST, service="other")),
            [FIRST, msgspec.structs.replace(FIRST, service="other")],
            id="both if they are one pod, in two services",
        ),
        pytest.param(
            (FIRST, made(2, "10.0.0.9", uid="")),
            [FIRST, made(2, "10.0.0.9", uid="")],
            id="both if it is not known that they are two pods",
        ),
    ],
)
def test_an_address_that_two_pods_claim(found: tuple[Member, ...], selected: list[Member]) -> None:
    """The newest running pod has it, in whatever order they are heard of."""
    for order in (found, found[::-1]):
        selection, union = Selection(Rules()), dict[str, "Member"]()
        for each in order:
            union[each.key] = each
            selection.update([each.key], union)
        assert selection.members == {each.key: each for each in selected}


def test_the_old_pod_has_its_address_again_when_the_new_one_is_gone() -> None:
    """It was displaced and not forgotten."""
    selection = select(Rules(), (FIRST, SECOND))
    assert selection.update([SECOND.key], {FIRST.key: FIRST}) == {FIRST.key: FIRST, SECOND.key: None}


def seeds(selection: Selection) -> list[str]:
    """Who is marked."""
    return [each.name for each in selection.members.values() if each.seed]


@pytest.mark.parametrize(
    ("found", "seed"),
    [
        pytest.param((made(1, created=NEW), made(2, created=OLD)), ["app-2"], id="the oldest"),
        pytest.param((made(2, created=OLD), made(1, created=OLD)), ["app-1"], id="of those the first in order"),
        pytest.param((made(1), made(2)), ["app-1"], id="the first in order if the source tells no times"),
        pytest.param((made(1), made(2, created=NEW)), ["app-2"], id="who is known to be old, before who is not"),
        pytest.param((made(1, created=NEW), made(2, created=OLD, ready=False)), [], id="nobody if it is not admitted"),
        pytest.param(
            (made(1, created=NEW, ready=False), made(2, created=OLD, ready=False)), ["app-2"], id="ready or not"
        ),
        pytest.param((made(1, created=NEW), made(2, created=OLD, terminating=True)), ["app-1"], id="none that leaves"),
        pytest.param((made(1, created=NEW), made(2, created=OLD, lost=True)), ["app-1"], id="none that is lost"),
        pytest.param((made(1, created=NEW), made(2, "fd00::2", created=OLD)), ["app-1"], id="none of the other family"),
        pytest.param((), [], id="nobody of nobody"),
    ],
)
def test_who_may_found_the_cluster(found: tuple[Member, ...], seed: list[str]) -> None:
    """The table of --seed."""
    assert seeds(select(Rules(seed=True), found)) == seed
    assert seeds(select(Rules(), found)) == []


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=40))
@example([(1, True), *[(2, there) for there in (True, False)] * 70])
def test_a_newcomer_never_takes_the_role_from_one_that_was_there_before(moves: list[tuple[int, bool]]) -> None:
    """Once a cluster has existed, only its members may found it again: a pod that comes back is another, newer pod."""
    selection, union = Selection(Rules(seed=True)), dict[str, "Member"]()
    for now, (number, there) in enumerate(moves):
        before = seeds(selection)
        gone = [key for key, each in union.items() if each.name == f"app-{number}"]
        for key in gone:
            del union[key]
        new = made(number, uid=f"uid-{now}", created=f"2026-03-01T10:{now // 60:02}:{now % 60:02}Z")
        if there:
            union[new.key] = new
        selection.update([*gone, new.key], union)
        after = seeds(selection)
        assert len(after) == bool(union)
        if before and before[0] != f"app-{number}":
            assert after == before
        if there and len(union) > 1:
            assert after != [new.name]


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from((None, "", OLD, NEW))), max_size=30))
@example([*((number, NEW) for number in (5, 4, 3)), *[(2, there) for there in (OLD, None)] * 70])
@example([(5, NEW), *[(4, there) for there in (OLD, NEW)] * 70])
def test_the_founder_is_the_oldest_candidate(moves: list[tuple[int, str | None]]) -> None:
    """Whoever comes, goes, and comes again, and however often."""
    founder, candidates = Founder(), dict[str, str]()
    for number, created in moves:
        key = f"app-{number}"
        founder.put(key, created)
        candidates.pop(key, None)
        if created is not None:
            candidates[key] = created or "unknown"
        assert founder.seed == min(candidates, key=lambda key: (candidates[key], key), default="")


def turnover(*sets: Sequence[Member]) -> int:
    """How often somebody came, went or moved."""
    selection, union = Selection(Rules()), dict[str, "Member"]()
    for found in sets:
        changed = union.keys() | {each.key for each in found}
        union = {each.key: each for each in found}
        selection.update(changed, union)
    return selection.turnover


@pytest.mark.parametrize(
    ("sets", "times"),
    [
        ([(READY,)], 1),
        ([(READY,), ()], 2),
        ([(READY,), (msgspec.structs.replace(READY, zone="eu-2"),)], 1),
        ([(READY,), (msgspec.structs.replace(READY, address="10.0.0.99"),)], 2),
        ([(READY,), (msgspec.structs.replace(READY, port=1),)], 2),
        ([()], 0),
    ],
)
def test_turnover_is_about_who_and_where(sets: list[tuple[Member, ...]], times: int) -> None:
    """A condition that flips is none: a cluster that starts would never be stable."""
    assert turnover(*sets) == times
