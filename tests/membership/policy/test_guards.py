"""What must be so before the newest set may be published: each guard, its message, and its end.

Out of scope: the shrink guard's own rule (test_leaves), waiting and ending the program (test_publish_loop).
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sidecar.membership.policy.guards import REASONS, Guards, MinMembers, Situation
from sidecar.membership.policy.timing import Hold

NEVER = float("inf")

GOOD = Situation(started=100.0, published=False, selected=3, desired=3, changed_at=100.0)
SHRINK = Hold(reason="shrink", message="60 of 100 members left", until=130.0, leaves_only=True)


def situations() -> st.SearchStrategy[Situation]:
    """Anything that may be the case."""
    return st.builds(
        Situation,
        started=st.just(100.0),
        published=st.booleans(),
        unanswered=st.sampled_from(("", "403: grant it")),
        problem=st.sampled_from(("", "several ports")),
        failing=st.sampled_from(("", "away")),
        cluster_known=st.booleans(),
        rollout_known=st.booleans(),
        has_self=st.booleans(),
        selected=st.integers(0, 5),
        desired=st.none() | st.integers(0, 5),
        changed_at=st.floats(100, 200),
        shrink=st.sampled_from((None, SHRINK)),
    )


def guards() -> st.SearchStrategy[Guards]:
    """Any demands."""
    return st.builds(
        Guards,
        min_members=st.builds(MinMembers, st.integers(0, 5)) | st.builds(MinMembers, percent=st.integers(1, 100)),
        stable_for=st.sampled_from((0.0, 5.0, 50.0)),
        require_self=st.booleans(),
        split_unknown=st.sampled_from(("open", "closed")),
        start_timeout=st.sampled_from((0.0, 10.0, 60.0)),
        start_outcome=st.sampled_from(("publish", "wait", "exit")),
    )


@pytest.mark.parametrize(
    ("demanded", "case", "now", "hold"),
    [
        pytest.param(Guards(), GOOD, 100.0, None, id="nothing is in the way"),
        pytest.param(
            Guards(),
            replace(GOOD, unanswered="still listing"),
            100.0,
            Hold(reason="not-synced", message="no complete answer yet: still listing", until=400.0),
            id="no answer",
        ),
        pytest.param(
            Guards(),
            replace(GOOD, unanswered="403: grant it"),
            400.0,
            Hold(
                reason="not-synced",
                message="No complete answer within --start-timeout: 403: grant it",
                until=400.0,
                over=True,
            ),
            id="no answer in time",
        ),
        pytest.param(
            Guards(start_outcome="wait"),
            replace(GOOD, unanswered="403: grant it"),
            400.0,
            Hold(reason="not-synced", message="no complete answer yet: 403: grant it", until=NEVER),
            id="no answer in time, and it is to wait",
        ),
        pytest.param(
            Guards(),
            replace(GOOD, unanswered="403: grant it", published=True),
            400.0,
            Hold(reason="not-synced", message="no complete answer yet: 403: grant it", until=NEVER),
            id="no answer, but there are files",
        ),
        pytest.param(
            Guards(),
            replace(GOOD, problem="several ports"),
            400.0,
            Hold(
                reason="problem",
                message="No usable answer within --start-timeout: several ports",
                until=400.0,
                over=True,
            ),
            id="no usable answer in time",
        ),
        pytest.param(
            Guards(min_members=MinMembers(5)),
            GOOD,
            399.0,
            Hold(reason="min-members", message="3 of at least 5 members (--min-members)", until=400.0),
            id="too few",
        ),
        pytest.param(Guards(min_members=MinMembers(5)), GOOD, 400.0, None, id="too few, and the time is over"),
        pytest.param(
            Guards(min_members=MinMembers(5)), replace(GOOD, published=True), 100.0, None, id="not asked of later files"
        ),
        pytest.param(
            Guards(min_members=MinMembers(5), start_outcome="wait"),
            GOOD,
            400.0,
            Hold(reason="min-members", message="3 of at least 5 members (--min-members)", until=NEVER),
            id="too few, and it is to wait",
        ),
        pytest.param(
            Guards(min_members=MinMembers(5), start_outcome="exit"),
            GOOD,
            400.0,
            Hold(
                reason="min-members",
                message="The first file cannot be written within --start-timeout:"
                " 3 of at least 5 members (--min-members)",
                until=400.0,
                over=True,
            ),
            id="too few, and it is to end",
        ),
        pytest.param(
            Guards(min_members=MinMembers(percent=50)),
            replace(GOOD, desired=None),
            100.0,
            Hold(
                reason="min-members",
                message="the desired number of replicas is not known (--min-members 50%)",
                until=400.0,
            ),
            id="half of nobody knows what",
        ),
        pytest.param(
            Guards(min_members=MinMembers(percent=50)), replace(GOOD, desired=6), 100.0, None, id="half of 6 is 3"
        ),
        pytest.param(
            Guards(stable_for=5.0),
            replace(GOOD, changed_at=120.0),
            124.0,
            Hold(reason="stable-for", message="members joined or left a moment ago (--stable-for)", until=125.0),
            id="not yet stable",
        ),
        pytest.param(Guards(stable_for=5.0), replace(GOOD, changed_at=120.0), 125.0, None, id="stable"),
        pytest.param(
            Guards(stable_for=5.0),
            replace(GOOD, changed_at=398.0),
            399.0,
            Hold(reason="stable-for", message="members joined or left a moment ago (--stable-for)", until=400.0),
            id="not longer than the start timeout",
        ),
        pytest.param(
            Guards(stable_for=5.0),
            replace(GOOD, changed_at=120.0, failing="the API server is away"),
            130.0,
            Hold(
                reason="stable-for",
                message="the source is failing, so joins and leaves go unseen: the API server is away (--stable-for)",
                until=400.0,
            ),
            id="what cannot be seen is not stable",
        ),
        pytest.param(Guards(), replace(GOOD, failing="away"), 100.0, None, id="it need not be stable"),
        pytest.param(
            Guards(stable_for=0.5),
            replace(GOOD, changed_at=120.0),
            120.0,
            Hold(reason="stable-for", message="members joined or left a moment ago (--stable-for)", until=120.5),
            id="not stable for half a second",
        ),
        pytest.param(
            Guards(min_members=MinMembers(percent=50)),
            replace(GOOD, desired=8),
            100.0,
            Hold(reason="min-members", message="3 of at least 4 members (--min-members)", until=400.0),
            id="half of 8 is 4",
        ),
        pytest.param(
            Guards(min_members=MinMembers(percent=50)),
            replace(GOOD, desired=None, replicas_unknown="403: grant it"),
            100.0,
            Hold(
                reason="min-members",
                message="the desired number of replicas is not known: 403: grant it (--min-members 50%)",
                until=400.0,
            ),
            id="half of nobody knows what, and why",
        ),
        pytest.param(
            Guards(require_self=True),
            replace(GOOD, has_self=False),
            100.0,
            Hold(
                reason="self",
                message="the own pod is not among the members: is it selected, and is --pod-uid set? (--self require)",
                until=400.0,
            ),
            id="self is required",
        ),
        pytest.param(Guards(), replace(GOOD, has_self=False), 100.0, None, id="self is not required"),
        pytest.param(
            Guards(),
            replace(GOOD, selected=0),
            100.0,
            Hold(
                reason="min-members",
                message="there are no members to publish: the source has no members (--min-members)",
                until=400.0,
            ),
            id="nobody, and the source does not tell why",
        ),
        pytest.param(
            Guards(),
            replace(GOOD, selected=0, empty="the Service x does not exist"),
            399.0,
            Hold(
                reason="min-members",
                message="there are no members to publish: the Service x does not exist (--min-members)",
                until=400.0,
            ),
            id="nobody",
        ),
        pytest.param(
            Guards(),
            replace(GOOD, selected=0, empty="the Service x does not exist"),
            400.0,
            Hold(
                reason="min-members",
                message="The first file cannot be written within --start-timeout:"
                " there are no members to publish: the Service x does not exist (--min-members)",
                until=400.0,
                over=True,
            ),
            id="nobody in time: an empty first file is not published",
        ),
        pytest.param(
            Guards(min_members=MinMembers(0)), replace(GOOD, selected=0), 100.0, None, id="nobody, and that is allowed"
        ),
        pytest.param(Guards(), replace(GOOD, selected=0, published=True), 100.0, None, id="nobody is left"),
        pytest.param(Guards(), replace(GOOD, shrink=SHRINK), 100.0, SHRINK, id="some that left stay"),
    ],
)
def test_what_holds(demanded: Guards, case: Situation, now: float, hold: Hold | None) -> None:
    """Who holds, why in words, and until when."""
    assert demanded.verdict(case, now) == hold


def reason_of(hold: Hold | None) -> str:
    """The reason, empty if nothing holds."""
    return hold.reason if hold else ""


@pytest.mark.parametrize(
    ("demanded", "published", "now", "reason", "over"),
    [
        (Guards(), False, 100.0, "split", False),
        (Guards(), False, 400.0, "split", True),
        (Guards(), True, 400.0, "split", False),
        (Guards(start_outcome="wait"), False, 400.0, "split", False),
        (Guards(split_unknown="open"), False, 399.0, "split", False),
        (Guards(split_unknown="open"), False, 400.0, "", False),
        (Guards(split_unknown="open"), True, 399.0, "split", False),
        (Guards(split_unknown="open"), True, 400.0, "", False),
    ],
)
def test_nothing_is_published_while_the_own_rollout_is_not_known(
    demanded: Guards, published: bool, now: float, reason: str, over: bool
) -> None:
    """Nothing is published, also not over a predecessor's file; open ends that with the start timeout, closed never."""
    hold = demanded.verdict(replace(GOOD, published=published, rollout_known=False), now)
    assert reason_of(hold) == reason
    assert bool(hold and hold.over) == over


@pytest.mark.parametrize(("published", "over"), [(False, True), (True, False)])
def test_nothing_is_published_while_the_own_cluster_is_not_known(published: bool, over: bool) -> None:
    """Nothing is published, whatever the time."""
    hold = Guards(split_unknown="open").verdict(replace(GOOD, published=published, cluster_known=False), 400.0)
    assert hold
    assert (hold.reason, hold.over) == ("cluster-id", over)
    assert hold.message.endswith(
        "the own pod's cluster is not known: is its label set?"
        " Set --pod-uid from the downward API, and select the sidecar's own pod too (--cluster-id)"
    )


def test_self_is_required_of_the_first_file() -> None:
    """Until the start timeout, and not of later ones."""
    demanded, alone = Guards(require_self=True), replace(GOOD, has_self=False)
    assert reason_of(demanded.verdict(alone, 100.0)) == "self"
    assert demanded.verdict(alone, 400.0) is None
    assert demanded.verdict(replace(alone, published=True), 100.0) is None


@given(guards(), situations(), st.floats(100, 300))
def test_a_guard_always_ends(demanded: Guards, case: Situation, now: float) -> None:
    """Once the start timeout is over, only what was asked to wait still waits, or what has files to wait beside.

    Before, each hold says when to look again, and that is later and not after the start timeout.
    """
    limit = case.started + demanded.start_timeout
    hold = demanded.verdict(case, now)
    if hold is None or hold.leaves_only:
        return
    assert hold.reason in REASONS
    assert hold.message
    if now < limit:
        assert now < hold.until <= limit
        assert not hold.over
    elif not hold.over:
        assert case.published or demanded.start_outcome == "wait"
        assert hold.until > now
    else:
        assert not case.published


@given(guards(), situations(), st.floats(100, 300))
def test_files_of_a_predecessor_wait_for_no_gate_of_the_first_file(
    demanded: Guards, case: Situation, now: float
) -> None:
    """What they could wait for is only to know what to publish."""
    reason = reason_of(demanded.verdict(replace(case, published=True), now))
    assert reason in {"", "not-synced", "problem", "cluster-id", "split", "shrink"}


@given(situations(), st.floats(100, 300))
def test_the_time_limit_publishes_by_default(case: Situation, now: float) -> None:
    """With the default outcome, a complete and usable answer of a known pod is published then, unless it is empty."""
    known = replace(
        case, unanswered="", problem="", cluster_known=True, rollout_known=True, shrink=None, selected=case.selected + 1
    )
    demanded = Guards(min_members=MinMembers(percent=100), stable_for=50.0, require_self=True, start_timeout=0.0)
    assert demanded.verdict(known, now) is None


@pytest.mark.parametrize(
    ("text", "desired", "number"),
    [
        ("0", 7, 0),
        ("3", 7, 3),
        ("50%", 3, 2),
        ("50%", 4, 2),
        ("100%", 5, 5),
        ("100%", 200, 200),
        ("replicas", 5, 5),
        ("1%", 0, 0),
    ],
)
def test_how_many_the_first_file_must_have(text: str, desired: int, number: int) -> None:
    """A number, or a part of the desired replicas, rounded up."""
    assert MinMembers.parse(text).of(desired) == number


@pytest.mark.parametrize("text", ["", "-1", "0%", "101%", "50 %", "all", "1.5"])
def test_what_is_no_number_of_members(text: str) -> None:
    """The message shows what was given, and what to write."""
    with pytest.raises(
        ValueError, match=r"^invalid number of members .*: write a number, 1% to 100%, or replicas$"
    ) as caught:
        MinMembers.parse(text)
    assert repr(text) in str(caught.value)


@given(st.integers(0, 9) | st.integers(1, 99).map("{}%".format) | st.just("replicas"))
def test_a_number_of_members_is_written_as_it_is_read(number: int | str) -> None:
    """In messages."""
    assert str(MinMembers.parse(str(number))) == str(number)


@given(guards(), situations(), st.floats(100, 1000))
def test_an_empty_first_file_is_published_only_where_that_was_asked_for(
    demanded: Guards, case: Situation, now: float
) -> None:
    """Whatever the outcome and the time."""
    hold = demanded.verdict(replace(case, selected=0, published=False, shrink=None), now)
    if hold is None:
        assert demanded.min_members == MinMembers(0)
