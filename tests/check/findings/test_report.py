"""All facts to all findings: what is skipped, what is reported once, and what another source makes less serious."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from sidecar.check.findings import roles
from sidecar.check.findings.facts import Answers, Facts
from sidecar.check.findings.permissions import Permission, Question
from sidecar.check.findings.report import findings
from sidecar.check.findings.services import Observed, Requirements, Service, ServicePort, Spec
from sidecar.errors import SourceError
from sidecar.formats import samples
from tests.check.findings.given import (
    ACCOUNT,
    ANSWERED,
    NXDOMAIN,
    REQUIREMENTS,
    SEEN,
    SLICES,
    UNKNOWN,
    WHO,
    reported,
)

if TYPE_CHECKING:
    from sidecar.sources.dns.records import Outcome

PORT = ServicePort(name="cluster", port=80, target_port=5701)
REFUSED = SourceError("forbidden", "The API server forbids it.")
LIST = Question(SLICES, "list")
ENDPOINTS = Permission("", "endpoints", "prod", ("app",))
AUTO = REQUIREMENTS._replace(source="auto")
NOBODY = Answers("https://api", ACCOUNT, {}, {}, {})
"""Nothing was asked."""


def test_an_api_server_that_cannot_be_asked_is_one_finding() -> None:
    """An error, unless the source does not need it."""
    assert reported("It is away.") == [("error", "api", "It is away.")]
    assert reported("It is away.", REQUIREMENTS._replace(source="dns")) == [
        ("skipped", "api", "It is away. --source dns does not need the API server.")
    ]


def test_what_may_not_be_seen_is_skipped() -> None:
    """The Service, and permissions on a server that does not say them; only a refused source is an error."""
    answers = Answers("https://api", ACCOUNT, {SLICES: REFUSED}, {"prod/app": REFUSED}, {"prod/app": SEEN})
    assert reported(answers) == [
        ("ok", "api", f"https://api is reachable; the identity that it sees is {WHO[0].lower()}{WHO[1:]}."),
        (
            "skipped",
            "permissions endpointslices.discovery.k8s.io in prod",
            "Not checked, because the API server does not say: The API server forbids it.",
        ),
        (
            "skipped",
            "service prod/app",
            f"Not checked, because {WHO[0].lower()}{WHO[1:]} may not get services.",
        ),
        ("ok", "members prod/app", "2 members, 2 of them ready, on port 5701."),
    ]
    assert reported(answers._replace(user=""))[2][2] == "Not checked, because this user may not get services."
    unlisted = answers._replace(services={}, seen={"prod/app": REFUSED})
    assert reported(unlisted)[-1] == ("error", "members prod/app", "The API server forbids it.")


def test_members_that_dns_does_not_need_the_api_for_are_skipped() -> None:
    """They are looked at if that is allowed."""
    requirements = REQUIREMENTS._replace(source="dns")
    forbidden = NOBODY._replace(seen={"prod/app": REFUSED})
    assert reported(forbidden, requirements)[-1] == (
        "skipped",
        "members prod/app",
        "Not checked, because they may not be listed.",
    )
    failed = NOBODY._replace(seen={"prod/app": SourceError("server_error", "It failed.")})
    assert reported(failed, requirements)[-1] == ("skipped", "members prod/app", "It failed.")


def test_services_in_all_namespaces_are_skipped() -> None:
    """There is not one Service to look at, and no such DNS name."""
    found = findings(Facts((), NOBODY, {}, ["app"]), REQUIREMENTS, "auto")
    assert [(one.level, one.subject) for one in found[1:]] == [("skipped", "service */app"), ("skipped", "dns */app")]


def test_a_missing_permission_is_reported_once() -> None:
    """That the list is refused then is no second error."""
    answers = NOBODY._replace(denied={SLICES: [LIST]}, seen={"prod/app": REFUSED})
    assert [(level, subject) for level, subject, _ in reported(answers)] == [
        ("ok", "api"),
        ("error", "permissions endpointslices.discovery.k8s.io in prod"),
        ("skipped", "members prod/app"),
    ]


def test_a_refused_list_without_a_missing_permission_is_an_error() -> None:
    """Something else refuses it, and no other finding says so."""
    answers = NOBODY._replace(denied={SLICES: ()}, seen={"prod/app": REFUSED})
    assert reported(answers)[-1] == ("error", "members prod/app", "The API server forbids it.")


def test_one_missing_permission_among_several_explains_the_refused_list() -> None:
    """The others do not matter."""
    answers = NOBODY._replace(denied={SLICES: [LIST], ENDPOINTS: ()}, seen={"prod/app": REFUSED})
    assert reported(answers, AUTO)[-1][0] == "skipped"


def test_a_service_is_judged_although_its_members_may_not_be_listed() -> None:
    """As one without members."""
    answers = NOBODY._replace(services={"prod/app": Service(Spec())}, seen={"prod/app": REFUSED})
    assert ("error", "service prod/app") in [finding[:2] for finding in reported(answers)]


def test_a_problem_of_a_port_is_reported_once() -> None:
    """By the Service if it can be read, otherwise by what the source sees."""
    problem = "endpointslice/prod/app-x has no port named 'a'; it has: b (1). Correct --port."
    seen = Observed(problems=(problem,))
    service = Service(Spec(cluster_ip="None", selector={"a": "1"}, ports=[PORT]))
    requirements = REQUIREMENTS._replace(port="a")
    for services_seen, message in (
        ({"prod/app": service}, "Service prod/app has no port named 'a'; it has: cluster (5701)."),
        ({}, "endpointslice/prod/app-x has no port named 'a'; it has: b (1)."),
    ):
        answers = Answers("https://api", ACCOUNT, {SLICES: ()}, services_seen, {"prod/app": seen})
        found = [
            finding for finding in findings(Facts((), answers, {}), requirements, "auto") if finding.level == "error"
        ]
        assert [finding[1:4] for finding in found] == [("port prod/app", message, "Correct --port.")]


@pytest.mark.parametrize(("seen", "level"), [(Observed(), "error"), (SEEN, "warning")])
def test_a_service_that_does_not_exist_may_have_endpoints(seen: Observed, level: str) -> None:
    """EndpointSlices can be created without one."""
    absent = SourceError("not_found", "The object does not exist.")
    answers = NOBODY._replace(services={"prod/app": absent}, seen={"prod/app": seen})
    assert (level, "service prod/app", "The Service does not exist.") in reported(answers)


def test_an_administrator_gets_the_role_of_the_pods() -> None:
    """An administrator's permissions are not theirs."""
    answers = Answers("https://api", "jane", {SLICES: ()}, {}, {})
    first, second = findings(Facts((), answers, {}), REQUIREMENTS, "auto")
    assert (first.level, first.manifest) == ("warning", roles.role(SLICES, ""))
    assert (second.level, second.message) == ("ok", "The user jane may list and watch endpointslices.")


def test_a_server_that_does_not_say_which_identity_it_sees_is_reachable() -> None:
    """It is older than that question."""
    answers = Answers("https://api", "", {SLICES: [LIST]}, {}, {})
    assert reported(answers) == [
        ("ok", "api", "https://api is reachable; it does not say which identity it sees."),
        ("error", "permissions endpointslices.discovery.k8s.io in prod", "This user may not list endpointslices."),
    ]


@pytest.mark.parametrize(("source", "level"), [("dns", "error"), ("auto", "warning"), ("endpoints", "ok")])
def test_dns_is_judged_beside_the_service(source: str, level: str) -> None:
    """Its cluster IP is no member."""
    service = Service(Spec(cluster_ip="10.0.0.1", selector={"a": "1"}))
    facts = Facts((), NOBODY._replace(services={"prod/app": service}), {"prod/app": {"A": ANSWERED}})
    assert findings(facts, REQUIREMENTS._replace(source=source), "auto")[-1][:2] == (level, "dns prod/app")


def test_dns_is_judged_beside_the_members() -> None:
    """While no member is ready, a missing name is not an error."""
    unready = Observed(tuple(msgspec.structs.replace(member, ready=False) for member in samples.MEMBERS))
    facts = Facts((), NOBODY._replace(seen={"prod/app": unready}), {"prod/app": {"A": NXDOMAIN}})
    requirements = REQUIREMENTS._replace(source="dns")
    assert findings(facts, requirements, "auto")[-1].level == "warning"
    assert findings(facts._replace(answers="Away."), requirements, "auto")[-1].level == "error"


# --- What --source auto uses instead


@pytest.mark.parametrize(
    ("endpoints", "outcome", "level", "instead"),
    [
        ((), UNKNOWN, "warning", "endpoints"),
        ([Question(ENDPOINTS, "list", "app")], ANSWERED, "warning", "dns"),
        ([Question(ENDPOINTS, "list", "app")], UNKNOWN, "error", ""),
        ([Question(ENDPOINTS, "list", "app")], NXDOMAIN, "error", ""),
        (REFUSED, UNKNOWN, "error", ""),
    ],
)
def test_a_missing_permission_is_a_warning_while_another_source_works(
    endpoints: list[Question] | SourceError, outcome: Outcome, level: str, instead: str
) -> None:
    """One that is known to work; the Role is printed all the same."""
    answers = NOBODY._replace(denied={SLICES: [LIST], ENDPOINTS: endpoints})
    found = findings(Facts((), answers, {"prod/app": {"A": outcome}}), AUTO, "auto")
    (finding,) = [one for one in found if one.subject.startswith("permissions")]
    tail = f" --source auto uses {instead} instead." if instead else ""
    assert (finding.level, finding.message) == (level, f"{WHO} may not list endpointslices.{tail}")
    assert finding.manifest == roles.role(SLICES, ACCOUNT)


def test_a_source_that_works_in_one_namespace_only_does_not_take_over() -> None:
    """Members of the other one would be missing."""
    other = Permission("", "endpoints", "other", ("app",))
    answers = NOBODY._replace(denied={SLICES: [LIST], ENDPOINTS: (), other: [Question(other, "list", "app")]})
    assert reported(answers, AUTO)[1][0] == "error"


def test_a_chosen_source_has_no_other_in_its_place() -> None:
    """Only auto falls back to DNS."""
    answers = NOBODY._replace(denied={SLICES: [LIST]})
    found = findings(Facts((), answers, {"prod/app": {"A": ANSWERED}}), REQUIREMENTS, "auto")
    assert (found[1].level, found[1].message) == ("error", f"{WHO} may not list endpointslices.")


def test_the_second_source_is_not_mentioned_while_the_first_works() -> None:
    """Nobody needs to grant it."""
    answers = NOBODY._replace(denied={SLICES: (), ENDPOINTS: [Question(ENDPOINTS, "list", "app")]})
    assert [subject for _, subject, _ in reported(answers, AUTO)] == ["api", SLICES.subject]


@pytest.mark.parametrize(
    ("requirements", "outcome", "level"),
    [
        (AUTO, ANSWERED, "warning"),
        (AUTO, UNKNOWN, "error"),
        (AUTO._replace(falls_back=False), ANSWERED, "error"),
        (REQUIREMENTS, ANSWERED, "error"),
    ],
)
def test_an_unavailable_api_server_is_a_warning_where_dns_takes_over(
    requirements: Requirements, outcome: Outcome, level: str
) -> None:
    """If it does, and if it answers."""
    found = findings(Facts((), "It is away.", {"prod/app": {"A": outcome}}), requirements, "auto")
    assert (found[0].level, found[0].subject) == (level, "api")


@pytest.mark.parametrize("outcomes", [{}, {"prod/app": {"A": ANSWERED}, "prod/web": {"A": NXDOMAIN}}])
def test_dns_takes_over_only_if_it_answers_for_every_service(outcomes: dict[str, dict[str, Outcome]]) -> None:
    """And if there is a Service to ask for."""
    found = findings(Facts((), "It is away.", outcomes), AUTO, "auto")
    assert (found[0].level, found[0].subject) == ("error", "api")


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [
        (None, []),
        (3, [("ok", "The own pod's controller wants 3 replicas.")]),
        (1, [("ok", "The own pod's controller wants 1 replica.")]),
        (SourceError("forbidden", "Needs get on pods."), [("error", "Needs get on pods.")]),
    ],
)
def test_the_replicas_that_the_first_file_waits_for_are_known(
    replicas: int | SourceError | None, expected: list[tuple[str, str]]
) -> None:
    """If they are needed."""
    found = findings(Facts([], NOBODY._replace(replicas=replicas), {}), REQUIREMENTS, "auto")
    assert [(one.level, one.message) for one in found if one.subject == "replicas"] == expected
