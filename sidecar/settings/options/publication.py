"""Which of the members are published, and when."""

from __future__ import annotations

from sidecar.membership.policy.guards import MinMembers
from sidecar.settings.options.option import Option
from sidecar.settings.parsing import count, duration, one_of, share

PUBLICATION = (
    Option(
        name="not-ready",
        value="include|exclude|prefer-ready",
        parse=one_of("include", "exclude", "prefer-ready"),
        default="prefer-ready",
        text="What becomes of members that are not ready; prefer-ready: ready ones if there are any, else all.",
    ),
    Option(
        name="terminating",
        value="exclude|while-serving|include",
        parse=one_of("exclude", "while-serving", "include"),
        default="exclude",
        text="What becomes of members on their way out; include judges them like the others, by whether they serve.",
    ),
    Option(
        name="self",
        value="include|exclude|require",
        parse=one_of("include", "exclude", "require"),
        default="include",
        text="Whether the sidecar's own pod is in the file; require: the first file waits for it.",
    ),
    Option(
        name="seed",
        value="off|oldest",
        parse=one_of("off", "oldest"),
        default="off",
        text="Whether the json file marks the member that may found the cluster if nobody answers: advice only.",
    ),
    Option(
        name="port-range",
        value="NUMBER",
        parse=count,
        default="0",
        text="How many ports after a member's own are listed, too; not in json.",
    ),
    Option(
        name="min-members",
        value="NUMBER|PERCENT|replicas",
        parse=MinMembers.parse,
        default="1",
        text="How many members the first file must have; a part, or all, of the replicas that the pod's controller"
        " should have.",
    ),
    Option(
        name="stable-for",
        value="DURATION",
        parse=duration,
        default="0s",
        text="How long nobody must have come or gone before the first file.",
    ),
    Option(
        name="start-timeout",
        value="DURATION",
        parse=duration,
        default="5m",
        text="How long the first file waits for all that. Without a complete answer by then, the program ends with"
        " exit code 1.",
    ),
    Option(
        name="start-outcome",
        value="publish|wait|exit",
        parse=one_of("publish", "wait", "exit"),
        default="publish",
        text="What happens then: it is written with those there are, waits on, or the program ends with exit code 1.",
    ),
    Option(
        name="settle",
        value="DURATION",
        parse=duration,
        default="200ms",
        text="How long it must be quiet before a leave, or a change soon after another, is written.",
    ),
    Option(
        name="settle-max",
        value="DURATION",
        parse=duration,
        default="1s",
        text="How long a change waits for that at most.",
    ),
    Option(
        name="hold-down",
        value="DURATION",
        parse=duration,
        default="0s",
        text="How long a member that left stays in the files, unless it comes back.",
    ),
    Option(
        name="max-shrink",
        value="PERCENT|off",
        parse=share,
        default="off",
        text="How many of the members may leave at once; more stay until a complete list confirms it.",
    ),
    Option(
        name="shrink-hold",
        value="DURATION",
        parse=duration,
        default="30s",
        text="Or until so much time has passed.",
    ),
    Option(
        name="fsync",
        value="auto|always|never",
        parse=one_of("auto", "always", "never"),
        default="auto",
        text="Whether a file is on the disk before it is renamed; auto: unless the volume is in memory.",
    ),
)
"""In the order of the manual."""
