"""``check``: from facts to findings, as tables, and how they are told.

Out of scope: whether the facts are so (volumes and DNS: ``test_check_surroundings``, the API: ``real/test_check``).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest
import yaml

from sidecar.check.findings import dns, roles, services
from sidecar.check.findings.facts import Answers, Facts
from sidecar.check.findings.finding import Finding, exit_code, in_json, in_text
from sidecar.check.findings.permissions import Permission, Question, is_allowed, needed, questions, username
from sidecar.check.findings.report import findings
from sidecar.check.findings.services import Observed, Requirements, Service, ServicePort, Spec
from sidecar.check.findings.volumes import ENOUGH, Directory
from sidecar.check.findings.volumes import judge as judge_directory
from sidecar.cli import main
from sidecar.errors import SourceError
from sidecar.formats import samples
from sidecar.sources.dns.records import Absent, Answered, Record, Unknown

if TYPE_CHECKING:
    from sidecar.sources.dns.records import Outcome

US = "system:serviceaccount:apps:sidecar"
WHO = "The service account sidecar of namespace apps"
SLICES = Permission("discovery.k8s.io", "endpointslices", "prod")
WISHES = Requirements(source="endpointslice", port="", not_ready="prefer-ready", min_members=1)
SEEN = Observed(samples.MEMBERS)
PORT = ServicePort(name="cluster", port=80, target_port=5701)


def told(found: list[Finding]) -> list[tuple[str, str, str]]:
    """Level, subject and message."""
    return [finding[:3] for finding in found]


# --- How findings are told


FOUND = [
    Finding("ok", "api", "It answers."),
    Finding("error", "rights x", "Not so.", "Apply it.", "---\na: 1\n"),
    Finding("error", "rights y", "Nor so.", "Apply it.", "---\na: 1\n"),
    Finding("warning", "dns", "Of two\nlines."),
]


def test_a_finding_is_a_line_and_what_is_to_be_applied_comes_last() -> None:
    """From the first ``---`` on it can be given to kubectl; the same twice is printed once."""
    assert in_text(FOUND) == (
        "ok      api: It answers.\n"
        "error   rights x: Not so. Apply it.\n"
        "error   rights y: Nor so. Apply it.\n"
        "warning dns: Of two lines.\n"
        "---\na: 1\n"
    )


def test_json_has_the_same() -> None:
    """Four texts each; what is to be applied stands in the remedy."""
    assert json.loads(in_json(FOUND))[:2] == [
        {"level": "ok", "subject": "api", "message": "It answers.", "remedy": ""},
        {"level": "error", "subject": "rights x", "message": "Not so.", "remedy": "Apply it.\n---\na: 1\n"},
    ]


def test_only_an_error_is_a_failure() -> None:
    """A warning may be meant so."""
    assert exit_code(FOUND) == 1
    assert exit_code([FOUND[0], FOUND[3]]) == 0


# --- The configuration


def test_a_bad_configuration_is_told_as_run_tells_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All mistakes at once, in the same messages, and exit code 2."""
    monkeypatch.setenv("MEMBERSHIP_SERVCE", "app")
    wrong = ["--output=json=x", "--settle=2", "--sevice=app"]
    assert main(["run", *wrong]) == 2
    messages = [line.partition(": ")[2] for line in capsys.readouterr().err.splitlines()]
    assert len(messages) == 5
    assert main(["check", "--output-format=json", *wrong]) == 2
    said = capsys.readouterr()
    assert said.err == ""
    rows = json.loads(said.out)
    assert [(row["level"], row["subject"], row["message"]) for row in rows] == [
        ("error", "configuration", message) for message in messages
    ]


def test_text_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    """A line a mistake."""
    assert main(["check", "--output=json=/m/a", "--service=A"]) == 2
    assert capsys.readouterr().out == (
        "error   configuration: --service: invalid Service 'A': write NAME or NAME.NAMESPACE, such as app or app.default.\n"
    )


@pytest.mark.parametrize("argv", [["check", "--output-format=xml"], ["run", "--output-format=json"]])
def test_the_format_is_one_of_two_and_only_for_check(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Both are a bad configuration, and are told."""
    try:
        code = main([*argv, "--service=A"])
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code == 2
    assert "--output-format" in capsys.readouterr().err


# --- Rights


@pytest.mark.parametrize(
    ("source", "rights"),
    [
        (
            "endpointslice",
            [
                Permission("discovery.k8s.io", "endpointslices", "a"),
                Permission("discovery.k8s.io", "endpointslices", "b"),
            ],
        ),
        ("endpoints", [Permission("", "endpoints", "a", ("x", "y")), Permission("", "endpoints", "b", ("x",))]),
        ("dns", []),
    ],
)
def test_what_a_source_needs(source: str, rights: list[Permission]) -> None:
    """One right for each namespace; Endpoints are named, DNS needs nothing."""
    assert needed(source, [("a", "y"), ("b", "x"), ("a", "x")]) == rights


def test_all_namespaces_are_a_right_of_their_own() -> None:
    """It takes a ClusterRole."""
    (permission,) = needed("pods", [("*", "")])
    assert permission == Permission("", "pods", "")
    assert permission.subject == "rights pods everywhere"
    documents = list(yaml.safe_load_all(roles.role(permission, US)))
    assert [document["kind"] for document in documents] == ["ClusterRole", "ClusterRoleBinding"]
    assert all("namespace" not in document["metadata"] for document in documents)


def test_what_is_asked_of_a_right() -> None:
    """Every verb of every object that it is about."""
    permission = Permission("", "endpoints", "a", ("x", "y"))
    assert [(question.verb, question.name) for question in questions(permission)] == [
        ("list", "x"),
        ("watch", "x"),
        ("list", "y"),
        ("watch", "y"),
    ]
    assert json.loads(questions(permission)[1].body) == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {
            "resourceAttributes": {
                "namespace": "a",
                "verb": "watch",
                "group": "",
                "resource": "endpoints",
                "name": "x",
            }
        },
    }


def test_what_is_answered() -> None:
    """A review without a word of permission is a no."""
    assert is_allowed(msgspec.json.encode({"status": {"allowed": True}}))
    assert not is_allowed(msgspec.json.encode({"status": {"denied": True}}))
    assert username(msgspec.json.encode({"status": {"userInfo": {"username": US}}})) == US


def test_the_role_is_for_the_account_that_asked() -> None:
    """It is ready to be applied: names, namespace, verbs and subject."""
    role, binding = yaml.safe_load_all(roles.role(Permission("", "endpoints", "prod", ("app",)), US))
    metadata = {"name": "membership-sidecar-endpoints-apps-sidecar", "namespace": "prod"}
    rule = {"apiGroups": [""], "resources": ["endpoints"], "resourceNames": ["app"], "verbs": ["get", "list", "watch"]}
    assert role == {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata,
        "rules": [rule],
    }
    assert binding == {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Role",
            "name": "membership-sidecar-endpoints-apps-sidecar",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "sidecar", "namespace": "apps"}],
    }


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("", {"kind": "ServiceAccount", "name": "default", "namespace": "prod"}),
        ("jane", {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}),
    ],
)
def test_whom_the_role_is_bound_to(user: str, subject: dict[str, str]) -> None:
    """A person, if one asked; the default service account, if nobody knows."""
    _, binding = yaml.safe_load_all(roles.role(SLICES, user))
    assert binding["subjects"] == [subject]


@pytest.mark.parametrize(
    ("permission", "user", "name"),
    [
        (SLICES, "", "membership-sidecar-default"),
        (SLICES, "system:serviceaccount:prod:app", "membership-sidecar-app"),
        (SLICES, US, "membership-sidecar-apps-sidecar"),
        (SLICES, "jane", "membership-sidecar"),
        (Permission("", "pods", "prod"), "system:serviceaccount:prod:app", "membership-sidecar-pods-app"),
    ],
)
def test_to_apply_a_role_takes_nothing_from_anybody_else(permission: Permission, user: str, name: str) -> None:
    """Another account's binding in the same namespace has another name."""
    documents = list(yaml.safe_load_all(roles.role(permission, user)))
    assert [document["metadata"]["name"] for document in documents] == [name, name]
    assert documents[1]["roleRef"]["name"] == name


def test_a_right_that_is_missing() -> None:
    """The verbs, the objects if it is about some, the account, and the Role."""
    permission = Permission("", "endpoints", "prod", ("app", "web"))
    denied = [Question(permission, "watch", "app"), Question(permission, "watch", "web")]
    finding = roles.judge(permission, denied, US)
    assert finding[:3] == ("error", "rights endpoints in prod", f"{WHO} may not watch app, web.")
    assert finding.manifest == roles.role(permission, US)
    assert roles.judge(SLICES, [], "").level == "ok"


# --- Services


@pytest.mark.parametrize(
    ("spec", "requirements", "found"),
    [
        pytest.param(
            Spec(cluster_ip="None", selector={"b": "2", "a": "1"}, ports=[PORT]),
            WISHES,
            [("ok", "It is headless."), ("ok", "It selects the pods with a=1,b=2.")],
            id="right",
        ),
        pytest.param(
            Spec(cluster_ip="10.0.0.9", selector={"a": "1"}),
            WISHES,
            [
                (
                    "ok",
                    "It is not headless: its cluster IP is 10.0.0.9, which is all the same to --source endpointslice.",
                ),
                ("ok", "It selects the pods with a=1."),
            ],
            id="not headless, and it does not matter",
        ),
        pytest.param(
            Spec(cluster_ip="10.0.0.9", selector={"a": "1"}, publish_not_ready_addresses=True),
            WISHES._replace(source="dns"),
            [
                (
                    "error",
                    "It is not headless: its cluster IP is 10.0.0.9, and DNS tells that one instead of the members.",
                ),
                ("ok", "It selects the pods with a=1."),
            ],
            id="not headless, for DNS",
        ),
        pytest.param(
            Spec(cluster_ip="None", selector={"a": "1"}),
            WISHES._replace(source="dns"),
            [
                ("ok", "It is headless."),
                ("ok", "It selects the pods with a=1."),
                ("warning", "Without publishNotReadyAddresses, DNS tells ready members only."),
            ],
            id="ready ones only, for DNS",
        ),
        pytest.param(
            Spec(cluster_ip="None", selector={"a": "1"}, publish_not_ready_addresses=True),
            WISHES._replace(not_ready="include"),
            [("ok", "It is headless."), ("ok", "It selects the pods with a=1.")],
            id="always ready, and meant so",
        ),
        pytest.param(
            Spec(cluster_ip="None"),
            WISHES,
            [
                ("ok", "It is headless."),
                ("ok", "It has no selector: somebody else writes its endpoints."),
            ],
            id="no selector, but endpoints",
        ),
    ],
)
def test_what_a_service_is_good_for(spec: Spec, requirements: Requirements, found: list[tuple[str, str]]) -> None:
    """By the source and the policy that it is for."""
    judged = services.judge_service("prod/app", Service(spec), SEEN, requirements)
    assert [(finding.level, finding.message) for finding in judged] == found


def test_a_service_as_the_api_has_it() -> None:
    """A port's number is the pods' where the Service says it."""
    body = {"spec": {"clusterIP": "None", "ports": [{"name": "a", "port": 80, "targetPort": 8080}, {"port": 7}]}}
    spec = services.decode_service(msgspec.json.encode(body)).spec
    assert [(port.seen.name, port.seen.port) for port in spec.ports or ()] == [("a", 8080), ("", 7)]
    assert (spec.cluster_ip, spec.selector) == ("None", None)


@pytest.mark.parametrize(
    ("seen", "requirements", "found"),
    [
        (SEEN, WISHES, ("ok", "2 members, 2 of them ready, at port 5701.")),
        (Observed(), WISHES, ("warning", "There are none yet, hence nothing to publish.")),
        (SEEN, WISHES._replace(min_members=3), ("warning", "2 members, 2 of them ready, at port 5701.")),
        (SEEN._replace(warnings=("Truncated.",)), WISHES, ("warning", "Truncated.")),
    ],
)
def test_what_the_members_are(seen: Observed, requirements: Requirements, found: tuple[str, str]) -> None:
    """How many, and whether that is enough."""
    finding = next(iter(services.judge_members("prod/app", seen, requirements)))
    assert (finding.level, finding.message) == found
    assert bool(finding.remedy) == (finding.level == "warning" and not seen.warnings)


def test_a_member_that_is_not_ready_does_not_count_where_it_is_excluded() -> None:
    """The gate of the first file counts what would be published."""
    one, two = samples.MEMBERS
    seen = Observed((one, samples.member(2, "10.0.0.3")))
    (enough,) = services.judge_members("prod/app", seen, WISHES._replace(not_ready="exclude", min_members=2))
    assert enough.level == "ok"
    unready = Observed((one, msgspec.structs.replace(two, ready=False)))
    (few,) = services.judge_members("prod/app", unready, WISHES._replace(not_ready="exclude", min_members=2))
    assert few[:3] == ("warning", "members prod/app", "2 members, 1 of them ready, at port 5701.")


def test_a_problem_of_a_port_is_told_once() -> None:
    """By the Service if it can be seen, else by what the source says."""
    problem = "endpointslice/prod/app-x has no port named 'a'; it has: b (1). Correct --port."
    seen = Observed(problems=(problem,))
    service = Service(Spec(cluster_ip="None", selector={"a": "1"}, ports=[PORT]))
    requirements = WISHES._replace(port="a")
    for services_seen, message in (
        ({"prod/app": service}, "Service prod/app has no port named 'a'; it has: cluster (5701)."),
        ({}, "endpointslice/prod/app-x has no port named 'a'; it has: b (1)."),
    ):
        answers = Answers("https://api", US, {SLICES: ()}, services_seen, {"prod/app": seen})
        found = [
            finding for finding in findings(Facts((), answers, {}), requirements, "auto") if finding.level == "error"
        ]
        assert [finding[1:4] for finding in found] == [("port prod/app", message, "Correct --port.")]


# --- The API server


def api_findings(answers: Answers | str, requirements: Requirements = WISHES) -> list[tuple[str, str, str]]:
    """What is said of it."""
    return told(findings(Facts((), answers, {}), requirements, "auto"))


def test_an_api_server_that_cannot_be_asked_is_one_finding() -> None:
    """An error, unless DNS is asked instead."""
    assert api_findings("It is away.") == [("error", "api", "It is away.")]
    assert api_findings("It is away.", WISHES._replace(source="dns")) == [
        ("ok", "api", "It is away. --source dns does not need it.")
    ]


def test_what_may_not_be_seen_is_not_held_against_the_sidecar() -> None:
    """The Service, and the rights on a server that does not tell them; only what the source itself is refused is."""
    refused = SourceError("forbidden", "The API server forbids it.")
    answers = Answers("https://api", US, {SLICES: refused}, {"prod/app": refused}, {"prod/app": SEEN})
    assert api_findings(answers) == [
        ("ok", "api", "https://api answers, and takes us for the service account sidecar of namespace apps."),
        (
            "ok",
            "rights endpointslices.discovery.k8s.io in prod",
            "Not checked, because the API server does not say: The API server forbids it.",
        ),
        (
            "ok",
            "service prod/app",
            "Not checked, because the service account sidecar of namespace apps may not get services.",
        ),
        ("ok", "members prod/app", "2 members, 2 of them ready, at port 5701."),
    ]
    unlisted = answers._replace(services={}, seen={"prod/app": refused})
    assert api_findings(unlisted)[-1] == ("error", "members prod/app", "The API server forbids it.")
    for_dns = unlisted._replace(denied={})
    assert api_findings(for_dns, WISHES._replace(source="dns"))[-1] == (
        "ok",
        "members prod/app",
        "Not checked, because they may not be listed.",
    )


def test_a_right_that_is_missing_is_told_once() -> None:
    """That the list is refused then is no second error."""
    refused = SourceError("forbidden", "The API server forbids it.")
    answers = Answers("https://api", US, {SLICES: [Question(SLICES, "list")]}, {}, {"prod/app": refused})
    assert [(level, subject) for level, subject, _ in api_findings(answers)] == [
        ("ok", "api"),
        ("error", "rights endpointslices.discovery.k8s.io in prod"),
        ("ok", "members prod/app"),
    ]


@pytest.mark.parametrize(("seen", "level"), [(Observed(), "error"), (SEEN, "warning")])
def test_a_service_that_is_missing(seen: Observed, level: str) -> None:
    """EndpointSlices can be written without one."""
    absent = SourceError("not_found", "There is no such object.")
    answers = Answers("https://api", US, {}, {"prod/app": absent}, {"prod/app": seen})
    assert (level, "service prod/app", "There is no such Service.") in api_findings(answers)


def test_an_administrator_is_told_the_role_of_the_pods() -> None:
    """What he may is not what they may."""
    answers = Answers("https://api", "jane", {SLICES: ()}, {}, {})
    first, second = findings(Facts((), answers, {}), WISHES, "auto")
    assert (first.level, first.manifest) == ("warning", roles.role(SLICES, ""))
    assert (second.level, second.message) == ("ok", "The user jane may list and watch what the source follows.")


def test_a_server_that_does_not_say_who_we_are() -> None:
    """It is older than that question."""
    answers = Answers("https://api", "", {SLICES: [Question(SLICES, "list")]}, {}, {})
    assert api_findings(answers) == [
        ("ok", "api", "https://api answers; as whom it takes us, it does not say."),
        ("error", "rights endpointslices.discovery.k8s.io in prod", "This user may not list them."),
    ]


# --- DNS

ANSWERED = Answered(name="app.prod.svc.cluster.local.", records=(Record("10.0.0.1", ("10.0.0.1",)),), ttl=5)
NXDOMAIN = Absent(name="app.prod.svc.cluster.local.", code="NXDOMAIN", ttl=5)
UNKNOWN = Unknown(reason="timeout", message="Nobody answers: see resolv.conf.")


@pytest.mark.parametrize(
    ("outcomes", "source", "ready", "found"),
    [
        ({"A": ANSWERED, "AAAA": NXDOMAIN}, "dns", None, ("ok", "DNS tells 1 record.")),
        ({"A": ANSWERED, "AAAA": UNKNOWN}, "dns", None, ("error", "Nobody answers: see resolv.conf.")),
        ({"A": NXDOMAIN}, "dns", None, ("error", "DNS has no address for it (NXDOMAIN).")),
        ({"A": NXDOMAIN}, "dns", 2, ("error", "DNS has no address for it (NXDOMAIN).")),
        ({"A": NXDOMAIN}, "dns", 0, ("warning", "DNS has no address for it (NXDOMAIN), for no member is ready.")),
        ({"A": UNKNOWN}, "dns", 0, ("error", "Nobody answers: see resolv.conf.")),
        ({"A": UNKNOWN}, "auto", 0, ("warning", "Nobody answers: see resolv.conf.")),
        (
            {"A": UNKNOWN},
            "endpointslice",
            0,
            ("ok", "DNS does not tell its members (timeout); --source endpointslice does not need it."),
        ),
        (
            {"A": NXDOMAIN},
            "endpoints",
            None,
            ("ok", "DNS does not tell its members (NXDOMAIN); --source endpoints does not need it."),
        ),
    ],
)
def test_what_dns_says(outcomes: dict[str, Outcome], source: str, ready: int | None, found: tuple[str, str]) -> None:
    """It matters to the sources that ask it, and absence has an innocent reason."""
    finding = dns.judge("prod/app", outcomes, source=source, ready=ready)
    assert (finding.level, finding.message) == found
    assert finding.subject == "dns prod/app"


@pytest.mark.parametrize(("source", "level"), [("dns", "error"), ("auto", "warning"), ("endpoints", "ok")])
def test_a_cluster_ip_is_no_member(source: str, level: str) -> None:
    """The Service betrays it where DNS does not."""
    message = "DNS tells the cluster IP 10.0.0.1, not the members."
    service = Service(Spec(cluster_ip="10.0.0.1", selector={"a": "1"}))
    answers = Answers("https://api", US, {}, {"prod/app": service}, {})
    found = findings(Facts((), answers, {"prod/app": {"A": ANSWERED}}), WISHES._replace(source=source), "auto")
    assert found[-1][:3] == (level, "dns prod/app", message)


def test_what_dns_says_is_seen_beside_what_the_api_says() -> None:
    """With no member ready, that there is no name is no mistake."""
    unready = Observed(tuple(msgspec.structs.replace(member, ready=False) for member in samples.MEMBERS))
    answers = Answers("https://api", US, {}, {}, {"prod/app": unready})
    facts = Facts((), answers, {"prod/app": {"A": NXDOMAIN}})
    assert findings(facts, WISHES._replace(source="dns"), "auto")[-1].level == "warning"
    assert findings(facts._replace(answers="Away."), WISHES._replace(source="dns"), "auto")[-1].level == "error"


# --- Volumes

DISK = Directory("/m/a", mount="/m", filesystem="ext4", free=ENOUGH)


@pytest.mark.parametrize(
    ("seen", "fsync", "found"),
    [
        (
            DISK,
            "auto",
            ("ok", "It is on a disk (ext4, mounted at /m). Each file is on it before it is renamed (fsync)."),
        ),
        (DISK, "never", ("ok", "It is on a disk (ext4, mounted at /m). Nothing waits for it (fsync).")),
        (
            DISK._replace(filesystem="tmpfs", in_memory=True),
            "auto",
            ("ok", "It is in memory (tmpfs, mounted at /m). Nothing waits for it (fsync)."),
        ),
        (
            DISK._replace(mount="/", filesystem="overlay"),
            "auto",
            ("warning", "Its directory is no mounted volume, so that no other container sees the file."),
        ),
        (DISK._replace(free=ENOUGH - 1), "auto", ("warning", "There is little room: 1023 KiB and 1 files are free.")),
        (DISK._replace(nodes=0), "auto", ("warning", "There is little room: 1024 KiB and 0 files are free.")),
    ],
)
def test_what_a_volume_is_good_for(seen: Directory, fsync: str, found: tuple[str, str]) -> None:
    """After it has been written to."""
    judged = list(judge_directory(seen, fsync))
    assert judged[0] == Finding("ok", "output /m/a", "A file was created beside it and renamed.")
    assert found in [(finding.level, finding.message) for finding in judged]
    assert all(finding.remedy for finding in judged if finding.level != "ok")


@pytest.mark.parametrize(
    ("problem", "message", "remedy"),
    [
        (
            "/m/a was not written (EROFS): the volume is mounted read-only: remove readOnly.",
            "/m/a was not written (EROFS): the volume is mounted read-only.",
            "Remove readOnly.",
        ),
        ("/m/a is a directory: name the file in it.", "/m/a is a directory.", "Name the file in it."),
        ("/m/a was not written (EIO): Input/output error.", "/m/a was not written (EIO): Input/output error.", ""),
    ],
)
def test_a_volume_that_cannot_be_written(problem: str, message: str, remedy: str) -> None:
    """What the publisher would say, as a finding."""
    (finding,) = judge_directory(DISK._replace(problem=problem), "auto")
    assert finding == Finding("error", "output /m/a", message, remedy)


# --- What --source auto does instead

ENDPOINTS = Permission("", "endpoints", "prod", ("app",))
AUTO = WISHES._replace(source="auto")
LIST = Question(SLICES, "list")


@pytest.mark.parametrize(
    ("endpoints", "outcome", "level", "instead"),
    [
        ((), UNKNOWN, "warning", "endpoints"),
        ([Question(ENDPOINTS, "list", "app")], ANSWERED, "warning", "dns"),
        ([Question(ENDPOINTS, "list", "app")], UNKNOWN, "error", ""),
        ([Question(ENDPOINTS, "list", "app")], NXDOMAIN, "error", ""),
    ],
)
def test_what_another_way_would_do_is_no_error(
    endpoints: list[Question], outcome: Outcome, level: str, instead: str
) -> None:
    """Slices that may not be read are a warning while something else works, and the Role is printed all the same."""
    answers = Answers("https://api", US, {SLICES: [LIST], ENDPOINTS: endpoints}, {}, {})
    found = findings(Facts((), answers, {"prod/app": {"A": outcome}}), AUTO, "auto")
    (finding,) = [one for one in found if one.subject.startswith("rights")]
    tail = f" --source auto follows {instead} instead." if instead else ""
    assert (finding.level, finding.message) == (level, f"{WHO} may not list them.{tail}")
    assert finding.manifest == roles.role(SLICES, US)


def test_the_second_way_is_not_spoken_of_while_the_first_works() -> None:
    """Nobody needs to grant it."""
    denied = {SLICES: (), ENDPOINTS: [Question(ENDPOINTS, "list", "app")]}
    answers = Answers("https://api", US, denied, {}, {})
    assert [subject for _, subject, _ in api_findings(answers, AUTO)] == ["api", SLICES.subject]


@pytest.mark.parametrize(
    ("requirements", "outcome", "level"),
    [
        (AUTO, ANSWERED, "warning"),
        (AUTO, UNKNOWN, "error"),
        (AUTO._replace(falls_back=False), ANSWERED, "error"),
        (WISHES, ANSWERED, "error"),
    ],
)
def test_an_api_server_that_is_away_is_no_error_where_dns_takes_over(
    requirements: Requirements, outcome: Outcome, level: str
) -> None:
    """If it does, and if it answers."""
    found = findings(Facts((), "It is away.", {"prod/app": {"A": outcome}}), requirements, "auto")
    assert (found[0].level, found[0].subject) == (level, "api")


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [
        (None, []),
        (3, [("ok", "The controller of the own pod wants 3.")]),
        (SourceError("forbidden", "It takes the verb get on pods."), [("error", "It takes the verb get on pods.")]),
    ],
)
def test_the_replicas_that_the_first_file_waits_for(
    replicas: int | SourceError | None, expected: list[tuple[str, str]]
) -> None:
    """Asked for as the daemon does, where it would be."""
    answers = Answers("https://api", US, {}, {}, {}, replicas)
    found = findings(Facts([], answers, {}), WISHES, "auto")
    assert [(one.level, one.message) for one in found if one.subject == "replicas"] == expected
