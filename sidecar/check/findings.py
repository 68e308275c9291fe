"""What was found, one line each, with the cure. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Level: TypeAlias = Literal["ok", "warning", "error"]
"""``error`` keeps the sidecar from working; ``warning`` may be meant so; what could not be checked is ``ok``."""


class Finding(NamedTuple):
    """One thing that was looked at."""

    level: Level
    subject: str
    """What it is about, for example ``service default/app``."""
    sentence: str
    """What was found, with its full stop."""
    cure: str = ""
    """What to do about it, a sentence; empty if nothing is."""
    manifest: str = ""
    """Objects to apply, as YAML documents; part of the cure."""

    @property
    def line(self) -> str:
        """On a terminal."""
        return " ".join(f"{self.level:<8}{self.subject}: {self.sentence} {self.cure}".rstrip().splitlines())


def not_checked(subject: str, why: str, cure: str = "") -> Finding:
    """Something that cannot be looked at from here."""
    return Finding("ok", subject, f"Not checked, because {why}.", cure)


def in_text(findings: Iterable[Finding]) -> str:
    """A line each, then what is to be applied, ready for ``kubectl apply -f -`` from the first ``---`` on."""
    found = list(findings)
    return "".join(f"{finding.line}\n" for finding in found) + manifests(found)


def manifests(findings: Iterable[Finding]) -> str:
    """Everything that is to be applied, once."""
    return "".join(dict.fromkeys(finding.manifest for finding in findings))


def in_json(findings: Iterable[Finding]) -> str:
    """A list of objects; what is to be applied stands in the cure, after its sentence."""
    rows = [
        {
            "level": finding.level,
            "subject": finding.subject,
            "sentence": finding.sentence,
            "cure": f"{finding.cure}\n{finding.manifest}" if finding.manifest else finding.cure,
        }
        for finding in findings
    ]
    return json.dumps(rows, indent=1) + "\n"


def exit_code(findings: Sequence[Finding]) -> int:
    """1 if any is an error."""
    return int(any(finding.level == "error" for finding in findings))
