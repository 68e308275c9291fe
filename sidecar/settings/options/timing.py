"""When a file is published: what the first one waits for, and how changes after it are paced."""

from __future__ import annotations

from sidecar.membership.policy.guards import MinMembers
from sidecar.settings.options.option import Option, Section
from sidecar.settings.parsing import duration, one_of, share

TIMING = Section(
    "When files are published",
    (
        Option(
            name="min-members",
            value="NUMBER|PERCENT|replicas",
            parse=MinMembers.parse,
            default="1",
            text="How many members the first file must have: a number, or a percentage of the replicas that the"
            " controller of the sidecar's own pod wants, or replicas for all of them (both need --pod-name)."
            " --min-members 0 is the only way to publish an empty first file.",
        ),
        Option(
            name="stable-for",
            value="DURATION",
            parse=duration,
            default="0s",
            text="How long no member may join or leave before the first file is published, such as 10s; useful where"
            " the number of members is not known beforehand.",
        ),
        Option(
            name="start-timeout",
            value="DURATION",
            parse=duration,
            default="5m",
            text="How long the first file waits for a complete answer from the source, for --min-members, --stable-for"
            " and --self require. If there is no complete answer by then, the program ends with exit code 1; otherwise"
            " --start-outcome decides.",
        ),
        Option(
            name="start-outcome",
            value="publish|wait|exit",
            parse=one_of("publish", "wait", "exit"),
            default="publish",
            text="What happens when --start-timeout has passed and the first file is still waiting: publish writes it"
            " with the members there are (if there are none, the program ends with exit code 1), wait keeps waiting,"
            " and exit ends the program with exit code 1.",
        ),
        Option(
            name="settle",
            value="DURATION",
            parse=duration,
            default="200ms",
            text="How long the members must stay unchanged before a leave, or a change soon after another one, is"
            " written. A single join or update is written at once.",
        ),
        Option(
            name="settle-max",
            value="DURATION",
            parse=duration,
            default="1s",
            text="The longest time that --settle may delay a change, however often members change.",
        ),
        Option(
            name="hold-down",
            value="DURATION",
            parse=duration,
            default="0s",
            text="How long a member that left stays in the files, for members that go away and come back.",
        ),
        Option(
            name="max-shrink",
            value="PERCENT|off",
            parse=share,
            default="off",
            text="The largest share of the members that may leave at once, such as 50%. If more leave, they stay in the"
            " files until a new complete list confirms it, or until --shrink-hold has passed. off sets no limit.",
        ),
        Option(
            name="shrink-hold",
            value="DURATION",
            parse=duration,
            default="30s",
            text="With --max-shrink: the longest time that members which left stay in the files without confirmation.",
        ),
    ),
)
"""In the order of the manual."""
