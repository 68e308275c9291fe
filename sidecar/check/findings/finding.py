"""A finding, and all of them as text or JSON. Pure."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Level: TypeAlias = Literal["ok", "skipped", "warning", "error"]
"""``skipped`` could not be checked; ``warning`` may be intended; ``error`` keeps the sidecar from working."""

LEVELS: tuple[Level, ...] = get_args(Level)


class Finding(NamedTuple):
    """The result of one check."""

    level: Level
    subject: str
    """What it is about, for example ``service default/app``."""
    message: str
    """What was found, in whole sentences."""
    remedy: str = ""
    """What to do about it; empty if there is nothing to do."""
    manifest: str = ""
    """Objects to apply, as YAML documents; part of the remedy."""

    @property
    def line(self) -> str:
        """The finding on a terminal."""
        return " ".join(f"{self.level:<8}{self.subject}: {self.message} {self.remedy}".rstrip().splitlines())


def not_checked(subject: str, why: str, remedy: str = "") -> Finding:
    """Something that cannot be checked from here."""
    return Finding("skipped", subject, f"Not checked, because {why}.", remedy)


def in_text(findings: Iterable[Finding]) -> str:
    """One line per finding, their number, then what to apply: ready for ``kubectl apply`` from the first ``---`` on."""
    found = list(findings)
    return "".join(f"{finding.line}\n" for finding in found) + f"{summary(found)}\n" + manifests(found)


def summary(findings: Iterable[Finding]) -> str:
    """How many findings there are of each level."""
    counts = Counter(finding.level for finding in findings)
    names = {"warning": "warnings", "error": "errors"}
    return ", ".join(f"{counts[level]} {level if counts[level] == 1 else names.get(level, level)}" for level in LEVELS)


def manifests(findings: Iterable[Finding]) -> str:
    """Everything to apply, each document once."""
    return "".join(dict.fromkeys(finding.manifest for finding in findings))


def in_json(findings: Iterable[Finding]) -> str:
    """A list of objects with level, subject, message and remedy; what to apply is in the remedy, after its text."""
    rows = [
        {
            "level": finding.level,
            "subject": finding.subject,
            "message": finding.message,
            "remedy": f"{finding.remedy}\n{finding.manifest}" if finding.manifest else finding.remedy,
        }
        for finding in findings
    ]
    return json.dumps(rows, indent=1) + "\n"


def exit_code(findings: Sequence[Finding]) -> int:
    """1 if any finding is an error, otherwise 0."""
    return int(any(finding.level == "error" for finding in findings))
