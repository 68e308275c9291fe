"""The table of options: every option under its three names, its default, and what wins.

Out of scope: how each value is written (``test_parsing``), what cannot be combined (``test_conflicts``), and what a run
does with the settings.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sidecar.cli import main, parse
from sidecar.formats import FORMATS
from sidecar.membership.policy.guards import MinMembers
from sidecar.settings.options import OPTIONS, SECTIONS
from sidecar.settings.values import Listen, Nameserver, Output, Service, Settings
from tests.settings.given import MINIMAL, problems

if TYPE_CHECKING:
    from sidecar.settings.options import Option

JSON = Output(FORMATS["json"], Path("/membership/members.json"))

DEFAULTS = Settings(
    service=(Service("app"),),
    selector="",
    field_selector="",
    namespace="",
    source="auto",
    fallback_after=300.0,
    port="",
    address_family="auto",
    output=(JSON,),
    port_range=0,
    fsync="auto",
    not_ready="prefer-ready",
    terminating="exclude",
    own_pod="include",
    split="off",
    split_unknown="closed",
    cluster_id="",
    seed="off",
    min_members=MinMembers(1),
    stable_for=0.0,
    start_timeout=300.0,
    start_outcome="publish",
    settle=0.2,
    settle_max=1.0,
    hold_down=0.0,
    max_shrink=1.0,
    shrink_hold=30.0,
    pod_uid="",
    pod_name="",
    pod_ip=(),
    kubeconfig=None,
    context="",
    cluster_domain="",
    dns_server=(),
    listen=Listen("::", 9466),
    log_level="info",
    log_format="json",
)

SELECTED = {"service": "", "selector": "app=web", "pod-uid": "u"}
"""What the options about pods cannot be without."""

EXAMPLES: dict[str, tuple[str, Any, dict[str, str]]] = {
    "service": ("a,b.c", (Service("a"), Service("b", "c")), {}),
    "selector": ("app=web,tier!=x", "app=web,tier!=x", {"service": ""}),
    "field-selector": ("spec.nodeName=n", "spec.nodeName=n", SELECTED),
    "namespace": ("prod", "prod", {}),
    "source": ("dns", "dns", {}),
    "fallback-after": ("off", math.inf, {}),
    "port": ("http", "http", {}),
    "address-family": ("ipv6", "ipv6", {}),
    "output": ("jgroups=/m/hosts.txt", (Output(FORMATS["jgroups"], Path("/m/hosts.txt")),), {}),
    "port-range": ("3", 3, {}),
    "fsync": ("never", "never", {}),
    "not-ready": ("exclude", "exclude", {}),
    "terminating": ("include", "include", {}),
    "self": ("exclude", "exclude", {}),
    "split": ("owner", "owner", SELECTED),
    "split-unknown": ("open", "open", {}),
    "cluster-id": ("cluster", "cluster", SELECTED),
    "seed": ("oldest", "oldest", {}),
    "min-members": ("50%", MinMembers(percent=50), {"pod-name": "app-0"}),
    "stable-for": ("10s", 10.0, {}),
    "start-timeout": ("1m30s", 90.0, {}),
    "start-outcome": ("wait", "wait", {}),
    "settle": ("300ms", 0.3, {}),
    "settle-max": ("2s", 2.0, {}),
    "hold-down": ("20s", 20.0, {}),
    "max-shrink": ("25%", 0.25, {}),
    "shrink-hold": ("1m", 60.0, {}),
    "pod-uid": ("u", "u", {}),
    "pod-name": ("app-0", "app-0", {}),
    "pod-ip": ("10.0.0.1,fd00::1", ("10.0.0.1", "fd00::1"), {}),
    "kubeconfig": ("/k", Path("/k"), {}),
    "context": ("dev", "dev", {}),
    "cluster-domain": ("corp.example", "corp.example", {}),
    "dns-server": ("10.0.0.10:5353", (Nameserver("10.0.0.10", 5353),), {}),
    "listen": ("127.0.0.1:0", Listen("127.0.0.1", 0), {}),
    "log-level": ("debug", "debug", {}),
    "log-format": ("console", "console", {}),
}
"""By option: a text, the value it stands for, and the options that it needs beside it."""


def test_the_defaults_are_those_of_the_contract() -> None:
    """Every promised default, in one place."""
    assert parse(MINIMAL, {}) == DEFAULTS


def test_every_option_is_a_field_and_every_field_an_option() -> None:
    """The table and the value cannot drift apart."""
    assert [option.field for option in OPTIONS] == list(Settings.__struct_fields__)
    assert [option.name for option in OPTIONS] == list(EXAMPLES)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_a_flag_a_variable_and_a_key_of_the_file(option: Option, tmp_path: Path) -> None:
    """Each of the three alone reaches the field, with another value than the default."""
    text, value, beside = EXAMPLES[option.name]
    needed = {"service": "app", "output": "json=/m/a"} | beside
    lines = [f'{name}: "{given}"' for name, given in needed.items() if given and name != option.name]
    config, with_key = tmp_path / "config.yaml", tmp_path / "with_key.yaml"
    config.write_text("\n".join(lines))
    with_key.write_text("\n".join([*lines, f"{option.name}: {text}"]))
    variable = "MEMBERSHIP_" + option.name.upper().replace("-", "_")
    for settings in (
        parse({option.field: [text]}, {"MEMBERSHIP_CONFIG": str(config)}),
        parse({}, {"MEMBERSHIP_CONFIG": str(config), variable: text}),
        parse({}, {"MEMBERSHIP_CONFIG": str(with_key)}),
    ):
        assert getattr(settings, option.field) == value
    assert getattr(DEFAULTS, option.field) != value


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
    several = parse({"service": ["a,b.x", "c"]}, {"MEMBERSHIP_OUTPUT": "json=/m/a\njgroups=/m/b"})
    assert several.service == (Service("a"), Service("b", "x"), Service("c"))
    assert [(output.form.name, str(output.path)) for output in several.output] == [
        ("json", "/m/a"),
        ("jgroups", "/m/b"),
    ]


def test_of_a_flag_given_twice_the_last_one_counts() -> None:
    """Where only one value is possible."""
    assert parse(MINIMAL | {"settle": ["1ms", "2ms"]}, {}).settle == pytest.approx(0.002)


def test_all_errors_are_reported_at_once() -> None:
    """Not only the first one."""
    assert problems(
        {"output": ["json=members.json"], "settle": ["2"], "port": ["70000"]},
        {"MEMBERSHIP_MIN_MEMBERS": "few", "MEMBERSHIP_SERVCE": "app"},
        ("--sevice", "app"),
    ) == [
        "unknown argument --sevice; did you mean --service?",
        "unknown variable MEMBERSHIP_SERVCE; did you mean MEMBERSHIP_SERVICE?",
        "--port: invalid port '70000': write a number from 1 to 65535, or the name of a port.",
        "--output: invalid output 'json=members.json': write the absolute path of the file, beginning with /.",
        "MEMBERSHIP_MIN_MEMBERS: invalid number of members 'few': write a number, 1% to 100%, or replicas.",
        "--settle: invalid duration '2': write a number and a unit, such as 200ms or 5m.",
        "--service is missing: name the Service whose endpoints are the members, or choose pods with --selector.",
    ]


def test_a_required_option_that_is_missing_is_named_by_all_its_names() -> None:
    """Wherever somebody configures, the message says what to write there."""
    (found,) = problems({"service": ["app"]})
    assert found == (
        "--output is required: set --output FORMAT=PATH, the variable MEMBERSHIP_OUTPUT or the key output of the"
        " configuration file."
    )


@pytest.mark.parametrize("command", ["run", "once", "check"])
def test_help_shows_every_option_in_its_section(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With its variable, its default and its whole text."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    shown = unspaced(capsys.readouterr().out)
    at = 0
    for section in SECTIONS:
        at = shown.index(unspaced(f"{section.title}:"), at)
        for option in section.options:
            default = f" Default: {option.default}." if option.default else ""
            manual = f"{option.flag} {option.value} {option.text}{default} ({option.variable})"
            at = shown.index(unspaced(manual), at)


def unspaced(text: str) -> str:
    """The text without any white space, since help is broken into lines."""
    return "".join(text.split())


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_the_text_of_an_option_is_whole_sentences(option: Option) -> None:
    """A line of the manual is understood without the lines around it."""
    assert option.text[0].isupper()
    assert option.text.endswith(".")
    assert len(option.text.split()) >= 7
