"""Which of the members that were found are published."""

from __future__ import annotations

from sidecar.settings.options.option import Option, Section
from sidecar.settings.parsing import one_of

SELECTION = Section(
    "Which members are published",
    (
        Option(
            name="not-ready",
            value="include|exclude|prefer-ready",
            parse=one_of("include", "exclude", "prefer-ready"),
            default="prefer-ready",
            text="Whether members that are not ready are published. prefer-ready publishes the ready members if there"
            " are any, otherwise all of them.",
        ),
        Option(
            name="terminating",
            value="exclude|while-serving|include",
            parse=one_of("exclude", "while-serving", "include"),
            default="exclude",
            text="Whether terminating members are published. while-serving publishes them for as long as they serve;"
            " include treats them like all others and applies --not-ready, with serving in place of ready.",
        ),
        Option(
            name="self",
            value="include|exclude|require",
            parse=one_of("include", "exclude", "require"),
            default="include",
            text="Whether the sidecar's own pod is published. With require, the first file also waits for it, which"
            " needs --pod-uid or --pod-name, or --pod-ip with --source dns.",
        ),
        Option(
            name="split",
            value="off|auto|owner|LABEL",
            parse=str,
            default="off",
            text="With --selector: publish only the pods that were rolled out together with the sidecar's own pod, so"
            " that the old and the new version never join each other. auto compares the labels pod-template-hash,"
            " deployment or controller-revision-hash, owner compares the controllers, and any other word is the label"
            " to compare. Needs --pod-uid or --pod-name.",
        ),
        Option(
            name="split-unknown",
            value="open|closed",
            parse=one_of("open", "closed"),
            default="closed",
            text="With --split: what is published if the rollout of the sidecar's own pod is still unknown after"
            " --start-timeout. open publishes all pods, closed publishes none.",
        ),
        Option(
            name="cluster-id",
            value="LABEL",
            parse=str,
            default="",
            text="With --selector: the label that says which cluster a pod belongs to, for several clusters that share"
            " a selector. Pods of another cluster than the sidecar's own pod are never published. Needs --pod-uid or"
            " --pod-name.",
        ),
        Option(
            name="seed",
            value="off|oldest",
            parse=one_of("off", "oldest"),
            default="off",
            text="With oldest, the json format marks the oldest member as the one that may found the cluster if no"
            " other member answers. It is advice to the readers, not an election.",
        ),
    ),
)
"""In the order of the manual."""
