"""The README shows what the code does: the samples, the tables of options and metrics, the command that CI runs.

``python -m tests.test_readme`` regenerates the tables.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.check.findings import dns
from sidecar.formats import samples
from sidecar.observability.metrics import Metrics
from sidecar.settings.options import SECTIONS
from sidecar.sources.dns.records import Absent

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


def options() -> str:
    """The table of the options, section by section."""
    rows = ["| option | meaning |", "|---|---|"]
    for section in SECTIONS:
        rows.append(f"| **{section.title}** | |")
        for option in section.options:
            default = f" Default: `{option.default}`." if option.default else ""
            flag = f"{option.flag} {option.value}".replace("|", "\\|")
            rows.append(f"| `{flag}` | {option.text}{default} |")
    return "\n".join(rows)


def metrics() -> str:
    """The table of the metrics."""
    rows = ["| metric | labels | meaning |", "|---|---|---|"]
    made = Metrics(["/x"])
    made.expect("x")
    made.expect_dns(["A"], ["NOERROR"])
    made.requests.labels("list", "200")
    made.source_active.labels("x")
    made.write_errors.labels("/x", "ENOSPC")
    for family in made.registry.collect():
        if not family.name.startswith("membership_"):
            continue
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        rows.append(f"| `{name}` | {', '.join(labels)} | {family.documentation} |")
    rows.append("| `process_*` | | From the Prometheus client library. |")
    return "\n".join(rows)


def generated(text: str) -> str:
    """*text*, which is the README, with its tables regenerated."""
    for name, part in (("options", options()), ("metrics", metrics())):
        head, tail = rf"(<!-- {name}: [^\n]*? -->\n)", rf"(<!-- /{name} -->)"
        before, start, _, end, after = re.split(f"{head}(.*?){tail}", text, flags=re.DOTALL)
        text = f"{before}{start}{part}\n{end}{after}"
    return text


def test_the_generated_parts_are_up_to_date() -> None:
    """If this fails, run ``python -m tests.test_readme``."""
    text = README.read_text(encoding="utf-8")
    assert generated(text) == text


@pytest.mark.parametrize(
    ("language", "form"), [("json", "json"), ("xml", "hazelcast-xml"), ("yaml", "hazelcast-yaml"), ("text", "jgroups")]
)
def test_the_samples_are_what_the_formats_write(language: str, form: str) -> None:
    """Each block is a part of the sample of its format."""
    (block,) = re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert block in samples.sample(form)
    assert len(block.splitlines()) <= 8


def test_the_report_of_check_is_what_is_printed() -> None:
    """The sample, but for what a DNS server says."""
    text = README.read_text(encoding="utf-8")
    (block,) = re.findall(r"^    (\$ membership-sidecar check .*(?:\n    .*)*)", text, re.MULTILINE)
    command, *sample = block.splitlines()
    words = [sys.executable, "-m", "sidecar", *command.split()[2:]]
    environment = {"PATH": os.environ["PATH"], "HOME": "/home/me"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    printed = done.stdout.splitlines()
    assert [line.strip() for line in sample[:3]] == printed[:3]
    unresolved = dns.judge("default/app", {"A": Absent(name="app", code="NXDOMAIN", ttl=5)}, source="auto")
    assert sample[3].strip() == unresolved.line


def test_ci_runs_the_same_test_command() -> None:
    """The README's command for the tests is the one that CI runs."""
    command = next(line.strip() for line in README.read_text(encoding="utf-8").splitlines() if "-m pytest" in line)
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_contract_is_the_second_heading() -> None:
    """A reader first learns what may be relied on."""
    headings = [line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith("## ")]
    assert headings[0] == "## The contract"


if __name__ == "__main__":
    README.write_text(generated(README.read_text(encoding="utf-8")), encoding="utf-8")
