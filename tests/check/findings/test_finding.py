"""How findings are printed, counted, and turned into an exit code."""

from __future__ import annotations

import json

from sidecar.check.findings.finding import Finding, exit_code, in_json, in_text, not_checked, summary

FOUND = [
    Finding("ok", "api", "It is reachable."),
    Finding("error", "permissions x", "Not granted.", "Apply it.", "---\na: 1\n"),
    Finding("error", "permissions y", "Not granted.", "Apply it.", "---\na: 1\n"),
    Finding("warning", "dns", "In two\nlines."),
    not_checked("service x", "it is hidden", "Grant get."),
]


def test_a_finding_is_one_line_and_what_to_apply_comes_last() -> None:
    """From the first ``---`` on it can be given to kubectl; the same document is printed once."""
    assert in_text(FOUND) == (
        "ok      api: It is reachable.\n"
        "error   permissions x: Not granted. Apply it.\n"
        "error   permissions y: Not granted. Apply it.\n"
        "warning dns: In two lines.\n"
        "skipped service x: Not checked, because it is hidden. Grant get.\n"
        "1 ok, 1 skipped, 1 warning, 2 errors\n"
        "---\na: 1\n"
    )


def test_what_could_not_be_checked_does_not_count_as_ok() -> None:
    """Nor as an error."""
    skipped = [not_checked("service x", "it is hidden")] * 3
    assert summary(skipped) == "0 ok, 3 skipped, 0 warnings, 0 errors"
    assert exit_code(skipped) == 0


def test_json_has_level_subject_message_and_remedy() -> None:
    """What to apply is part of the remedy."""
    assert json.loads(in_json(FOUND))[:2] == [
        {"level": "ok", "subject": "api", "message": "It is reachable.", "remedy": ""},
        {
            "level": "error",
            "subject": "permissions x",
            "message": "Not granted.",
            "remedy": "Apply it.\n---\na: 1\n",
        },
    ]


def test_only_an_error_is_a_failure() -> None:
    """A warning may be intended."""
    assert exit_code(FOUND) == 1
    assert exit_code([FOUND[0], FOUND[3], FOUND[4]]) == 0
