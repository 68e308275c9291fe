"""Flags, variables and the YAML file: what they mean, what wins, and what is said of mistakes.

Out of scope: what the daemon does with the settings.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.cli import main, parse
from sidecar.errors import SettingsError
from sidecar.formats import FORMATS
from sidecar.membership.policy.guards import MinMembers
from sidecar.settings.options import OPTIONS
from sidecar.settings.parsing import duration, listen, service
from sidecar.settings.values import Listen, Output, Service, Settings

MINIMAL = {"service": ["app"], "output": ["json=/membership/members.json"]}


def problems(
    arguments: dict[str, object] | None = None, environ: dict[str, str] | None = None, unknown: tuple[str, ...] = ()
) -> list[str]:
    """What is said of a configuration that is wrong."""
    with pytest.raises(SettingsError) as caught:
        parse(MINIMAL if arguments is None else arguments, environ or {}, unknown)
    return caught.value.problems


def test_the_defaults_are_those_of_the_contract() -> None:
    """Every promised default, in one place."""
    assert parse(MINIMAL, {}) == Settings(
        service=(Service("app"),),
        output=(Output(FORMATS["json"], Path("/membership/members.json")),),
        selector="",
        field_selector="",
        namespace="",
        source="auto",
        fallback_after=300.0,
        port="",
        address_family="auto",
        not_ready="prefer-ready",
        terminating="exclude",
        own_pod="include",
        seed="off",
        port_range=0,
        min_members=MinMembers(1),
        stable_for=0.0,
        start_outcome="publish",
        hold_down=0.0,
        max_shrink=1.0,
        shrink_hold=30.0,
        split_unknown="closed",
        start_timeout=300.0,
        settle=0.2,
        settle_max=1.0,
        fsync="auto",
        pod_uid="",
        pod_name="",
        pod_ip=(),
        cluster_domain="",
        dns_server=(),
        split="off",
        cluster_id="",
        kubeconfig=None,
        context="",
        listen=Listen("::", 9466),
        log_level="info",
        log_format="json",
    )


def test_every_option_is_a_field_and_every_field_an_option() -> None:
    """The table and the value cannot drift apart."""
    assert [option.field for option in OPTIONS] == list(Settings.__struct_fields__)


def test_a_flag_beats_a_variable_beats_the_file(tmp_path: Path) -> None:
    """The order of precedence."""
    config = tmp_path / "config.yaml"
    config.write_text("service: [one, two.other]\noutput: json=/a/b\nsettle: 1s\nsettle-max: 2s\nmin-members: 3\n")
    environ = {"MEMBERSHIP_CONFIG": str(config), "MEMBERSHIP_SETTLE": "500ms", "MEMBERSHIP_MIN_MEMBERS": "4"}
    settings = parse({"min_members": ["5"]}, environ)
    assert settings.service == (Service("one"), Service("two", "other"))
    assert (settings.settle_max, settings.settle, settings.min_members) == (2.0, 0.5, MinMembers(5))


def test_services_and_outputs_may_be_several() -> None:
    """By repetition, by commas, and in the variable by white space."""
    several = parse({"service": ["a,b.x", "c"]}, {"MEMBERSHIP_OUTPUT": "json=/m/a\n jgroups=/m/b"})
    assert several.service == (Service("a"), Service("b", "x"), Service("c"))
    assert [(output.form.name, str(output.path)) for output in several.output] == [
        ("json", "/m/a"),
        ("jgroups", "/m/b"),
    ]


def test_all_mistakes_are_told_at_once() -> None:
    """Not only the first one."""
    found = problems(
        {"output": ["json=members.json"], "settle": ["2"], "port": ["70000"]},
        {"MEMBERSHIP_MIN_MEMBERS": "few", "MEMBERSHIP_SERVCE": "app"},
        ("--sevice", "app"),
    )
    assert found == [
        "--sevice is not known. Did you mean --service?",
        "MEMBERSHIP_SERVCE is not known. Did you mean MEMBERSHIP_SERVICE?",
        "--output: 'members.json' is not absolute: name the file by its whole path.",
        "--port: '70000' is no port: a number from 1 to 65535, or a name.",
        "MEMBERSHIP_MIN_MEMBERS: 'few' is no number of members: write a number, 1% to 100%, or replicas.",
        "--settle: '2' is no duration: write a number and a unit, such as 200ms, 5s, 5m, 1h.",
        "--service is missing: whose endpoints are the members? Or choose pods with --selector.",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"output": ["jsn=/m/a"]}, "is no output: write FORMAT=PATH, where FORMAT is one of json, hazelcast-xml"),
        ({"output": ["hazelcast-yaml=/m/a.txt"]}, "must end in .yaml or .yml: the reader picks its parser by that"),
        ({"output": ["json=/m/a", "jgroups=/m/a"]}, "--output names /m/a twice"),
        ({"output": [""]}, "--output is empty"),
        ({"selector": ["app=web"]}, "--service and --selector exclude each other"),
        ({"service": [""], "source": ["pods"]}, "--source pods needs --selector: which pods?"),
        ({"service": [""], "selector": ["a"], "source": ["dns"]}, "--source dns does not know pods"),
        ({"field_selector": ["a=b"]}, "--field-selector needs --selector"),
        ({"service": ["App"]}, "'App' is no Service: write NAME or NAME.NAMESPACE"),
        ({"service": ["a."]}, "is no Service"),
        ({"settle": ["2s"]}, "--settle-max is shorter than --settle"),
        ({"listen": ["9466"]}, "is no address: write ADDRESS:PORT, [IPV6]:PORT or off"),
        ({"listen": ["::1:80"]}, "is no address"),
        ({"source": ["etcd"]}, "'etcd' is not one of auto, endpointslice"),
        ({"port": ["0"]}, "is no port"),
    ],
)
def test_a_mistake_gets_a_sentence(arguments: dict[str, object], message: str) -> None:
    """What was wrong, and what to write instead."""
    (found,) = problems(MINIMAL | arguments)
    assert message in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("service: app\nservces: x\n", "servces is not known. Did you mean service?"),
        ("- a\n", "is no mapping of options to values"),
        ("service: {a: b}\n", "service must be a text or a list of texts"),
        ("a: [", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_a_mistake_in_the_file_names_the_file(tmp_path: Path, text: str | None, message: str) -> None:
    """Where it was, too."""
    config = tmp_path / "config.yaml"
    if text is not None:
        config.write_text(text)
    found = problems(MINIMAL | {"config": str(config)})
    assert [problem for problem in found if message in problem and str(config) in problem]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MEMBERSHIP_PORT", "tcp://10.96.0.1:80"),
        ("MEMBERSHIP_PORT_80_TCP", "tcp://10.96.0.1:80"),
        ("MEMBERSHIP_PORT_80_TCP_ADDR", "10.96.0.1"),
        ("MEMBERSHIP_SERVICE_HOST", "10.96.0.1"),
        ("MEMBERSHIP_SERVICE_PORT_HTTP", "80"),
        ("MEMBERSHIP_API_SERVICE_HOST", "10.96.0.1"),
    ],
)
def test_what_the_kubelet_injects_for_a_service_is_no_mistake(name: str, text: str) -> None:
    """A Service may be called membership, and enableServiceLinks is on by default."""
    assert parse(MINIMAL, {name: text}) == parse(MINIMAL, {})


def test_other_variables_are_none_of_our_business() -> None:
    """Only the prefix is ours."""
    assert parse(MINIMAL, {"HOME": "/", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}) == parse(MINIMAL, {})


@pytest.mark.parametrize(
    ("text", "seconds"), [("200ms", 0.2), ("0s", 0.0), ("5m", 300.0), ("1h30m", 5400.0), ("1.5s", 1.5)]
)
def test_durations_carry_units(text: str, seconds: float) -> None:
    """The units of Go's durations."""
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1s ", "1d", "1e3s"])
def test_a_number_without_a_unit_is_no_duration(text: str) -> None:
    """Neither is anything else."""
    with pytest.raises(ValueError, match="is no duration"):
        duration(text)


def test_where_to_listen() -> None:
    """IPv6 stands in brackets; off is off."""
    assert listen("[::1]:80") == Listen("::1", 80)
    assert listen("127.0.0.1:0") == Listen("127.0.0.1", 0)
    assert listen("off") is None


def test_a_service_may_name_its_namespace() -> None:
    """After a dot, as in DNS."""
    assert service("app.prod") == Service("app", "prod")


def test_exit_codes_and_streams(capsys: pytest.CaptureFixture[str]) -> None:
    """A bad configuration is 2, and is said on stderr, a line a mistake."""
    assert main(["run", "--output", "json=x"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.partition(": ")[0] for line in said.err.splitlines()] == ["membership-sidecar"] * 2


@pytest.mark.parametrize("argv", [["--help"], ["run", "--help"], ["--version"]])
def test_help_is_generated_from_the_options(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each option stands in the help of run, with its variable."""
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 0
    said = capsys.readouterr().out
    if argv == ["run", "--help"]:
        for option in OPTIONS:
            assert option.flag in said
            assert option.variable in said


def test_formats_shows_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    """With a sample of two members."""
    assert main(["formats"]) == 0
    said = capsys.readouterr().out
    for form in FORMATS.values():
        assert f"{form.name}: {form.summary}" in said
    assert "10.0.0.1[5701]" in said
