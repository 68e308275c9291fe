"""Whether a Service and its members give the sidecar something to publish, by source and policy."""

from __future__ import annotations

import msgspec
import pytest

from sidecar.check.findings import services
from sidecar.check.findings.services import Observed, Requirements, Service, ServicePort, Spec
from sidecar.formats import samples
from tests.check.findings.given import REQUIREMENTS, SEEN

PORT = ServicePort(name="cluster", port=80, target_port=5701)


@pytest.mark.parametrize(
    ("spec", "requirements", "found"),
    [
        pytest.param(
            Spec(cluster_ip="None", selector={"b": "2", "a": "1"}, ports=[PORT]),
            REQUIREMENTS,
            [("ok", "It is headless."), ("ok", "It selects the pods with a=1,b=2.")],
            id="right",
        ),
        pytest.param(
            Spec(cluster_ip="10.0.0.9", selector={"a": "1"}),
            REQUIREMENTS,
            [
                (
                    "ok",
                    "It is not headless: its cluster IP is 10.0.0.9, which does not matter to --source endpointslice.",
                ),
                ("ok", "It selects the pods with a=1."),
            ],
            id="not headless, and it does not matter",
        ),
        pytest.param(
            Spec(cluster_ip="10.0.0.9", selector={"a": "1"}),
            REQUIREMENTS._replace(source="auto"),
            [
                (
                    "warning",
                    (
                        "It is not headless: its cluster IP is 10.0.0.9, so DNS cannot take over when the API server is"
                        " unavailable."
                    ),
                ),
                ("ok", "It selects the pods with a=1."),
            ],
            id="not headless, with auto",
        ),
        pytest.param(
            Spec(cluster_ip="10.0.0.9", selector={"a": "1"}, publish_not_ready_addresses=True),
            REQUIREMENTS._replace(source="dns"),
            [
                (
                    "error",
                    (
                        "It is not headless: its cluster IP is 10.0.0.9, which DNS returns instead of the members'"
                        " addresses."
                    ),
                ),
                ("ok", "It selects the pods with a=1."),
            ],
            id="not headless, for DNS",
        ),
        pytest.param(
            Spec(cluster_ip="None", selector={"a": "1"}),
            REQUIREMENTS._replace(source="dns"),
            [
                ("ok", "It is headless."),
                ("ok", "It selects the pods with a=1."),
                ("warning", "publishNotReadyAddresses is not set, so DNS returns ready members only."),
            ],
            id="ready ones only, for DNS",
        ),
        pytest.param(
            Spec(cluster_ip="None", selector={"a": "1"}, publish_not_ready_addresses=True),
            REQUIREMENTS,
            [
                ("ok", "It is headless."),
                ("ok", "It selects the pods with a=1."),
                (
                    "ok",
                    (
                        "publishNotReadyAddresses is set, so every member counts as ready and --not-ready prefer-ready "
                        "has no effect. This suits members that become ready only together."
                    ),
                ),
            ],
            id="always ready, by default",
        ),
        pytest.param(
            Spec(cluster_ip="None", selector={"a": "1"}, publish_not_ready_addresses=True),
            REQUIREMENTS._replace(not_ready="exclude"),
            [
                ("ok", "It is headless."),
                ("ok", "It selects the pods with a=1."),
                (
                    "warning",
                    (
                        "publishNotReadyAddresses is set, so every member counts as ready and --not-ready exclude has "
                        "no effect."
                    ),
                ),
            ],
            id="always ready, where that is not wanted",
        ),
        pytest.param(
            Spec(cluster_ip="None", selector={"a": "1"}, publish_not_ready_addresses=True),
            REQUIREMENTS._replace(not_ready="include"),
            [("ok", "It is headless."), ("ok", "It selects the pods with a=1.")],
            id="always ready, and intended",
        ),
        pytest.param(
            Spec(cluster_ip="None"),
            REQUIREMENTS,
            [
                ("ok", "It is headless."),
                ("ok", "It has no selector; its endpoints are written by something else."),
            ],
            id="no selector, but endpoints",
        ),
        pytest.param(
            Spec(type="ExternalName"),
            REQUIREMENTS,
            [("error", "It is an alias for a DNS name (ExternalName) and has no endpoints.")],
            id="alias",
        ),
    ],
)
def test_a_service_is_judged_by_source_and_policy(
    spec: Spec, requirements: Requirements, found: list[tuple[str, str]]
) -> None:
    """What stops one source does not matter to another."""
    judged = list(services.judge_service("prod/app", Service(spec), SEEN, requirements))
    assert [(finding.level, finding.message) for finding in judged] == found
    assert all(bool(finding.remedy) == (finding.level != "ok") for finding in judged)


def test_a_service_without_selector_and_endpoints_never_has_members() -> None:
    """Nobody would write them."""
    judged = services.judge_service("prod/app", Service(Spec(cluster_ip="None")), Observed(), REQUIREMENTS)
    assert [(finding.level, finding.message) for finding in judged][-1] == (
        "error",
        "It has no selector and no endpoints, so it will never have a member.",
    )


def test_a_service_is_read_as_the_api_writes_it() -> None:
    """A port has the pods' number if the Service says it."""
    body = {"spec": {"clusterIP": "None", "ports": [{"name": "a", "port": 80, "targetPort": 8080}, {"port": 7}]}}
    spec = services.decode_service(msgspec.json.encode(body)).spec
    assert [(port.seen.name, port.seen.port) for port in spec.ports or ()] == [("a", 8080), ("", 7)]
    assert (spec.cluster_ip, spec.selector) == ("None", None)


def members(first: dict[str, object], second: dict[str, object]) -> Observed:
    """Two members with these changes."""
    one, two = samples.MEMBERS
    return Observed((msgspec.structs.replace(one, **first), msgspec.structs.replace(two, **second)))


NONE = "There are no members yet, so there is nothing to publish."
TWO = "2 members, 2 of them ready, on port 5701."


@pytest.mark.parametrize(
    ("seen", "requirements", "found"),
    [
        (SEEN, REQUIREMENTS, ("ok", TWO, "")),
        (SEEN, REQUIREMENTS._replace(min_members=0), ("ok", TWO, "")),
        (members({"port": None}, {"port": None}), REQUIREMENTS, ("ok", "2 members, 2 of them ready.", "")),
        (members({}, {"port": 5700}), REQUIREMENTS, ("ok", "2 members, 2 of them ready, on ports 5700, 5701.", "")),
        (members({}, {"ready": False}), REQUIREMENTS, ("ok", "2 members, 1 of them ready, on port 5701.", "")),
        (
            members({}, {"ready": False}),
            REQUIREMENTS._replace(min_members=2),
            ("ok", "2 members, 1 of them ready, on port 5701.", ""),
        ),
        (members({}, {"terminating": True}), REQUIREMENTS, ("ok", "1 member, 1 of them ready, on port 5701.", "")),
        (members({}, {"address": ""}), REQUIREMENTS, ("ok", "1 member, 1 of them ready, on port 5701.", "")),
        (
            Observed(),
            REQUIREMENTS,
            ("warning", NONE, "Check that pods with its labels are running, or wait for them."),
        ),
        (
            Observed(),
            REQUIREMENTS._replace(min_members=0),
            ("ok", "There are no members yet; --min-members 0 publishes an empty file.", ""),
        ),
        (
            SEEN,
            REQUIREMENTS._replace(min_members=3),
            ("warning", TWO, "The first file waits for 3 members: see --min-members and --not-ready."),
        ),
        (SEEN._replace(warnings=("Truncated.",)), REQUIREMENTS, ("warning", "Truncated.", "")),
    ],
)
def test_members_are_counted_against_the_first_file(
    seen: Observed, requirements: Requirements, found: tuple[str, str, str]
) -> None:
    """How many there are, and whether that is enough."""
    finding = next(iter(services.judge_members("prod/app", seen, requirements)))
    assert (finding.level, finding.message, finding.remedy) == found


@pytest.mark.parametrize(
    ("problem", "message", "remedy"),
    [
        ("It has several ports. Choose one.", "It has several ports.", "Choose one."),
        ("It is odd.", "It is odd.", ""),
    ],
)
def test_the_last_sentence_of_a_problem_is_its_remedy(problem: str, message: str, remedy: str) -> None:
    """If there is more than one."""
    (finding,) = services.judge_members("prod/app", Observed(problems=(problem,)), REQUIREMENTS)
    assert finding == ("error", "port prod/app", message, remedy, "")


def test_a_port_that_no_member_has_is_an_error() -> None:
    """A running sidecar warns of it, but here it is the reason why there are no members."""
    warning = "pods/prod/web-0 has no port named 'admin'; it has: http (8080). Correct --port."
    (finding,) = services.judge_members("prod/app=web", Observed(warnings=(warning,)), REQUIREMENTS)
    assert finding[:2] == ("error", "port prod/app=web")
    assert finding.remedy == "Correct --port."


def test_a_member_that_is_not_ready_does_not_count_where_it_is_excluded() -> None:
    """The first file waits for what would be published."""
    one, two = samples.MEMBERS
    seen = Observed((one, samples.member(2, "10.0.0.3")))
    requirements = REQUIREMENTS._replace(not_ready="exclude", min_members=2)
    (enough,) = services.judge_members("prod/app", seen, requirements)
    assert enough.level == "ok"
    unready = Observed((one, msgspec.structs.replace(two, ready=False)))
    (few,) = services.judge_members("prod/app", unready, requirements)
    assert few[:3] == ("warning", "members prod/app", "2 members, 1 of them ready, on port 5701.")
