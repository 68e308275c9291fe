"""README, CONTRIBUTING and SECURITY name only what exists: links, files, options, metrics, commands and rooms.

Scope: names. The generated tables and the samples of the README are in ``test_readme``.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from sidecar import __version__
from sidecar.cli import main, parse
from sidecar.observability.metrics import Metrics
from sidecar.observability.status import Status
from sidecar.settings.options import OPTIONS

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "deploy").rglob("*.md")])
TEXTS = {str(document.relative_to(ROOT)): document.read_text(encoding="utf-8") for document in DOCUMENTS}
README, CONTRIBUTING = TEXTS["README.md"], TEXTS["CONTRIBUTING.md"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HOME = PROJECT["project"]["urls"]["Homepage"]
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

OTHER_FLAGS = {"--config", "--help", "--output-format", "--replicas", "--slow", "--no-index", "--check", "--node"}
"""Flags in the documents that are no options: of the other commands, and of other programs."""

documents = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


def commands(text: str) -> list[str]:
    """The indented lines that start a program of the virtual environment, without their comments."""
    found = re.findall(r"^ {4}(\.venv/bin/.*?)(?: +#.*)?$", text, re.MULTILINE)
    return [part for line in found for part in line.split(" && ")]


@documents
def test_every_link_to_this_project_leads_to_a_file_or_directory(text: str) -> None:
    """Links are absolute, so that they also work on a package index."""
    assert re.findall(r"\]\((?!https://)", text) == []
    for kind, path in re.findall(rf"{HOME}/(blob|tree)/main/([^\s)>]+)", text):
        assert (ROOT / path).is_file() if kind == "blob" else (ROOT / path).is_dir(), path


@documents
def test_every_reference_of_a_link_is_defined_once_and_used(text: str) -> None:
    """A reference without a definition would be shown as it is written."""
    defined = re.findall(r"^\[([^\]]+)\]: \S+$", text, re.MULTILINE)
    assert len(set(defined)) == len(defined)
    assert set(re.findall(r"\]\[([^\]]+)\]", text)) <= set(defined)
    assert [label for label in defined if text.count(f"[{label}]") < 2] == []


@documents
def test_every_option_exists(text: str) -> None:
    """A renamed option is renamed in the documents."""
    known = {option.flag for option in OPTIONS} | OTHER_FLAGS
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= known


@documents
def test_every_variable_exists(text: str) -> None:
    """Likewise."""
    known = {option.variable for option in OPTIONS} | {"MEMBERSHIP_CONFIG"}
    assert set(re.findall(r"MEMBERSHIP_[A-Z_]*[A-Z]", text)) <= known


@documents
def test_every_field_of_the_status_exists(text: str) -> None:
    """Likewise."""
    named = re.findall(r"((?:`\w+`(?:, | and | or )?)+)\s+in\s+`/status`", " ".join(text.split()))
    assert {field for names in named for field in re.findall(r"\w+", names)} - {"and", "or"} <= {
        *Status.__struct_fields__
    }


@documents
def test_every_metric_exists(text: str) -> None:
    """Likewise."""
    known = {name for family in Metrics([]).registry.collect() for name in (family.name, f"{family.name}_total")}
    assert set(re.findall(r"\bmembership_\w+", text)) <= known


def test_the_commands_are_those_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    """The README has a row for each, and no other."""
    with pytest.raises(SystemExit):
        main(["--help"])
    offered = re.findall(r"^ {4}(\w+) ", capsys.readouterr().out, re.MULTILINE)
    assert re.findall(r"^\| `membership-sidecar (\w+)`", README, re.MULTILINE) == offered


def test_the_three_ways_to_configure_do_the_same(tmp_path: Path) -> None:
    """The README shows flags, variables and a file."""
    either = r"^    (?=.*membership-sidecar run)(?=.*(?:min-members|MIN_MEMBERS))(.+)$"
    flags, variables, file = re.findall(either, README, re.MULTILINE)
    output: dict[str, object] = {"output": ["json=/m"]}
    words = shlex.split(flags)[2:]
    by_flags = {name[2:].replace("-", "_"): [value] for name, value in zip(words[::2], words[1::2], strict=True)}
    by_variables = dict(word.split("=") for word in shlex.split(variables) if "=" in word)
    config = tmp_path / "sidecar.yaml"
    config.write_text(shlex.split(file)[1].replace("\\n", "\n"))
    expected = parse({**output, **by_flags}, {})
    assert parse(output, by_variables) == expected
    assert parse({**output, "config": str(config)}, {}) == expected


def test_the_kustomization_in_the_readme_configures_the_sidecar() -> None:
    """It would not end with exit code 2."""
    (block,) = re.findall(r"^    (components: .*)\n    (configMapGenerator: .*)$", README, re.MULTILINE)
    (generator,) = yaml.safe_load("\n".join(block))["configMapGenerator"]
    settings = parse({}, dict(literal.split("=", 1) for literal in generator["literals"]))
    assert [service.name for service in settings.service] == ["app"]


def test_the_map_of_rooms_is_the_order_of_the_imports() -> None:
    """Every room is on it, and each above those that it may import."""
    (contract,) = [one for one in PROJECT["tool"]["importlinter"]["contracts"] if one["name"] == "Imports point down"]
    depth = {room: at for at, layer in enumerate(contract["layers"]) for room in layer.split(" | ")}
    design = README.partition("## Design")[2].partition("## Development")[0]
    rooms = re.findall(r"^    (\w+)(?:/|\.py) ", design, re.MULTILINE)
    packages = {path.parent.name for path in (ROOT / "sidecar").glob("*/__init__.py")}
    assert {"cli", *packages} == {*rooms}
    assert [depth[room] for room in rooms] == sorted(depth[room] for room in rooms)


@documents
def test_every_path_exists(text: str) -> None:
    """But for placeholders, which are in capitals."""
    named = re.findall(r"`((?:sidecar|tests|deploy|\.ci)/[^`\s]*)`", text)
    assert [path for path in named if not re.search(r"[A-Z]{4}", path) and not (ROOT / path).exists()] == []


def test_every_command_for_developers_can_be_run() -> None:
    """Modules and test directories exist, and the checks are those of CI."""
    for command in (*commands(CONTRIBUTING), *commands(README)):
        program, *words = shlex.split(command)
        if program != ".venv/bin/python":
            assert command in CI
        elif words[1] != "sidecar":
            assert find_spec(words[1]) is not None, command
            assert [word for word in words[2:] if "/" in word and not (ROOT / word).exists()] == []


def test_ci_runs_every_check_before_a_commit() -> None:
    """CONTRIBUTING does not forget one."""
    (step,) = re.findall(r'^step "style.*?\n(.*?)\n\n', CI, re.MULTILINE | re.DOTALL)
    assert set(step.splitlines()) <= set(commands(CONTRIBUTING))


def test_the_version_is_the_same_everywhere() -> None:
    """In the package, the image's tag, the manifests and the examples."""
    assert PROJECT["project"]["version"] == __version__
    files = [ROOT / "Dockerfile", *(path for path in (ROOT / "deploy").rglob("*.*") if path.is_file()), *DOCUMENTS]
    tags = {tag for file in files for tag in re.findall(r"membership-sidecar:(\d[\w.]*)", file.read_text())}
    assert tags == {__version__}
