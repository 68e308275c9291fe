"""What was found, one line each, with the remedy. Pure."""

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
    message: str
    """What was found, with its full stop."""
    remedy: str = ""
    """What to do about it, a message; empty if nothing is."""
    manifest: str = ""
    """Objects to apply, as YAML documents; part of the remedy."""

    @property
    def line(self) -> str:
        """On a terminal."""
        return " ".join(f"{self.level:<8}{self.subject}: {self.message} {self.remedy}".rstrip().splitlines())


def not_checked(subject: str, why: str, remedy: str = "") -> Finding:
    """Something that cannot be looked at from here."""
    return Finding("ok", subject, f"Not checked, because {why}.", remedy)


def in_text(findings: Iterable[Finding]) -> str:
    """A line each, then what is to be applied, ready for ``kubectl apply -f -`` from the first ``---`` on."""
    found = list(findings)
    return "".join(f"{finding.line}\n" for finding in found) + manifests(found)


def manifests(findings: Iterable[Finding]) -> str:
    """Everything that is to be applied, once."""
    return "".join(dict.fromkeys(finding.manifest for finding in findings))


def in_json(findings: Iterable[Finding]) -> str:
    """A list of objects; what is to be applied stands in the remedy, after its message."""
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
    """1 if any is an error."""
    return int(any(finding.level == "error" for finding in findings))
