"""What was given and where: unknown names, variables of others, and YAML as it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sidecar.cli import parse
from sidecar.settings.inputs import Given, from_yaml, unknown_arguments
from tests.settings.given import MINIMAL, problems

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--sevice", "app"], ["unknown argument --sevice; did you mean --service?"]),
        (["--sevice=app"], ["unknown argument --sevice; did you mean --service?"]),
        (["app"], ["unknown argument app."]),
        (["service"], ["unknown argument service; did you mean --service?"]),
        (["--a"], ["unknown argument --a."]),
        (["a=b"], ["unknown argument a=b."]),
        (["--x", "--y", "z"], ["unknown argument --x.", "unknown argument --y."]),
        (["--x", "a", "b"], ["unknown argument --x.", "unknown argument b."]),
    ],
)
def test_an_unknown_argument_is_an_error_with_a_suggestion(words: list[str], expected: list[str]) -> None:
    """Its value is not another one."""
    assert unknown_arguments(words, ["--service", "--output"]) == expected


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
def test_what_the_kubelet_injects_for_a_service_is_not_an_error(name: str, text: str) -> None:
    """A Service may be called membership, and enableServiceLinks is on by default."""
    assert parse(MINIMAL, {name: text}) == parse(MINIMAL, {})


def test_only_variables_with_the_prefix_are_read() -> None:
    """And of these, an empty one is not set."""
    environ = {"HOME": "/", "KUBERNETES_SERVICE_HOST": "10.0.0.1", "SERVICE": "x", "MEMBERSHIP_SERVICE": ""}
    assert parse(MINIMAL, environ) == parse(MINIMAL, {})


def test_unknown_variables_are_reported_in_the_order_of_their_names() -> None:
    """Whatever the order of the environment."""
    found = problems(environ={"MEMBERSHIP_Z": "1", "MEMBERSHIP_CONFGI": "1", "MEMBERSHIP_A": "1"})
    assert found == [
        "unknown variable MEMBERSHIP_A.",
        "unknown variable MEMBERSHIP_CONFGI; did you mean MEMBERSHIP_CONFIG?",
        "unknown variable MEMBERSHIP_Z.",
    ]


@pytest.mark.parametrize("text", ["off", "on", "no", "1e3", "010", "0x10", "2026-11-21", "1:30", "1_000", ".5", "NaN"])
def test_a_yaml_scalar_is_read_as_it_is_written(text: str) -> None:
    """YAML alone would make booleans, numbers and dates of these."""
    assert from_yaml("f", f"split: {text}\npod-ip: [{text}, '{text}']\n") == (
        {"split": Given("f: split", [text]), "pod-ip": Given("f: pod-ip", [text, text])},
        [],
    )


def test_what_yaml_takes_for_booleans_are_values_of_options(tmp_path: Path) -> None:
    """The values that can be switched off."""
    config = tmp_path / "config.yaml"
    lines = ("service: app", "output: json=/m/a", *(f"{name}: off" for name in ("listen", "seed", "split")))
    config.write_text("\n".join((*lines, "max-shrink: off", "fallback-after: off", "pod-name: no", "port: 010", "")))
    settings = parse({"config": str(config)}, {})
    assert (settings.listen, settings.seed, settings.split) == (None, "off", "off")
    assert (settings.max_shrink, settings.fallback_after) == (1.0, float("inf"))
    assert (settings.pod_name, settings.port) == ("no", "010")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("servces: x\n", "f: unknown key servces; did you mean service?"),
        ("[a]: x\n", "f: unknown key "),
        ("- a\n", "f must be a mapping of options to values, such as service: app."),
        ("", "f must be a mapping of options to values, such as service: app."),
        ("service: {a: b}\n", "f: the value of service must be a text or a non-empty list of texts."),
        ("service: [[a]]\n", "f: the value of service must be a text or a non-empty list of texts."),
        ("service: []\n", "f: the value of service must be a text or a non-empty list of texts."),
        ("service:\n", "f: the value of service must be a text or a non-empty list of texts."),
        ("service: [a, null]\n", "f: the value of service must be a text or a non-empty list of texts."),
        ("service: a\nservice: b\n", "f: service is given twice; for several values, write a list."),
        ("a: [", "f is not valid YAML: while parsing"),
        ("a: b\n---\na: b\n", "f is not valid YAML: expected a single document"),
    ],
)
def test_an_error_in_the_file_names_the_file_and_the_key(text: str, message: str) -> None:
    """What is wrong, and what would be right."""
    _, found = from_yaml("f", text)
    assert len(found) == 1
    assert found[0].startswith(message)


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file or directory"), (b"\xff", "it is not UTF-8 text")]
)
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """Whatever else is right."""
    config = tmp_path / "config.yaml"
    if content is not None:
        config.write_bytes(content)
    expected = [f"--config {config} cannot be read: {reason}."]
    assert problems(MINIMAL | {"config": str(config)}) == expected
    assert problems(environ={"MEMBERSHIP_CONFIG": str(config)}) == expected
