"""The options: one table that flags, variables, YAML keys, ``--help`` and the README's manual are all made from.

Pure. ``resolve`` turns the texts that ``cli`` collected into ``Settings``, or into every mistake at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sidecar.errors import SettingsError
from sidecar.policy.guards import Least
from sidecar.settings import (
    Settings,
    count,
    duration,
    listen,
    member_port,
    one_of,
    optional_duration,
    optional_path,
    output,
    service,
    share,
)
from sidecar.sources.names import cluster_domain, nameserver

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PREFIX = "MEMBERSHIP_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One thing that can be set.

    Args:
        name: as a YAML key; with ``--`` before it, a flag; in capitals, a variable.
        value: what stands for its value in the manual.
        parse: makes the value of a text, or raises ``ValueError`` with the rest of a sentence.
        default: the text that stands for it when it is not set; None if it must be.
        text: for the manual.
        separator: splits a text into several; None if it takes one. ``" "`` is any white space.
    """

    name: str
    value: str
    parse: Callable[[str], Any]
    default: str | None
    text: str
    separator: str | None = None

    @property
    def flag(self) -> str:
        """As a flag."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """As a variable."""
        return PREFIX + self.name.replace("-", "_").upper()

    @property
    def field(self) -> str:
        """As a field of ``Settings``."""
        return {"self": "own_pod"}.get(self.name) or self.name.replace("-", "_")

    def of(self, texts: Sequence[str]) -> Any:  # noqa: ANN401 - each option has a type of its own
        """The value of what was given.

        Raises:
            ValueError: with the rest of a sentence.
        """
        if self.separator is None:
            return self.parse(texts[-1])
        return tuple(self.parse(part.strip()) for text in texts for part in self._split(text) if part.strip())

    def _split(self, text: str) -> list[str]:
        return text.split() if self.separator == " " else text.split(self.separator)


OPTIONS = (
    Option(
        name="service",
        value="NAME[.NAMESPACE]",
        parse=service,
        default="",
        separator=",",
        text="Whose endpoints are the members; repeat it or separate several with commas for their union."
        " The namespace * stands for all of them.",
    ),
    Option(
        name="selector",
        value="SELECTOR",
        parse=str,
        default="",
        text="Pods instead of a Service: a label selector in kubectl's syntax, such as app=web,tier!=test.",
    ),
    Option(
        name="field-selector",
        value="SELECTOR",
        parse=str,
        default="",
        text="Of these, the pods with such fields, for example spec.nodeName=node-1.",
    ),
    Option(
        name="output",
        value="FORMAT=PATH",
        parse=output,
        default=None,
        separator=" ",
        text="A file to keep true; repeat it for more, in the variable separated by white space.",
    ),
    Option(
        name="namespace",
        value="NAME",
        parse=str,
        default="",
        text="The namespace of services that name none, and of pods; default the pod's own, else the kubeconfig's;"
        " * is all of them.",
    ),
    Option(
        name="source",
        value="auto|endpointslice|endpoints|pods|dns",
        parse=one_of("auto", "endpointslice", "endpoints", "pods", "dns"),
        default="auto",
        text="Where the members come from; auto: pods with --selector, else endpointslice; endpoints where these may"
        " not be read or do not exist, and dns where neither may.",
    ),
    Option(
        name="fallback-after",
        value="DURATION|off",
        parse=optional_duration,
        default="5m",
        text="With --source auto: how long the API server is away before DNS takes over, until it is back.",
    ),
    Option(
        name="port",
        value="NUMBER|NAME",
        parse=member_port,
        default="",
        text="The member port; default the Service's sole port. Several and no choice is an error that lists them.",
    ),
    Option(
        name="address-family",
        value="auto|ipv4|ipv6",
        parse=one_of("auto", "ipv4", "ipv6"),
        default="auto",
        text="The family of the addresses; auto is ipv4 if any member has it. The json file has both.",
    ),
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
        parse=Least.parse,
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
    Option(
        name="pod-uid",
        value="UID",
        parse=str,
        default="",
        text="The UID of the sidecar's own pod, from the downward API; it marks the member that is self.",
    ),
    Option(
        name="pod-name",
        value="NAME",
        parse=str,
        default="",
        text="Its name, used where the UID is not known.",
    ),
    Option(
        name="pod-ip",
        value="ADDRESS",
        parse=str,
        default="",
        separator=",",
        text="Its addresses, by which it is recognized in DNS.",
    ),
    Option(
        name="cluster-domain",
        value="DOMAIN",
        parse=cluster_domain,
        default="",
        text="The DNS zone of the cluster; default the one in the pod's resolv.conf, else cluster.local.",
    ),
    Option(
        name="dns-server",
        value="ADDRESS[:PORT]",
        parse=nameserver,
        default="",
        separator=",",
        text="Whom to ask; repeat it for more; default those of resolv.conf.",
    ),
    Option(
        name="split",
        value="off|auto|owner|LABEL",
        parse=str,
        default="off",
        text="With pods: only those rolled out together with the sidecar's own. auto tells rollouts apart by the labels"
        " pod-template-hash, deployment or controller-revision-hash, owner by the controller; or name a label.",
    ),
    Option(
        name="split-unknown",
        value="open|closed",
        parse=one_of("open", "closed"),
        default="closed",
        text="What is published after the start timeout if the own rollout is not known: all, or nothing.",
    ),
    Option(
        name="cluster-id",
        value="LABEL",
        parse=str,
        default="",
        text="With pods: the label that names a pod's cluster; pods of another one than the own are never members.",
    ),
    Option(
        name="kubeconfig",
        value="FILE",
        parse=optional_path,
        default="",
        text="How to reach the API server; default the pod's service account, else the default kubeconfig.",
    ),
    Option(
        name="context",
        value="NAME",
        parse=str,
        default="",
        text="The context in it; default its current one.",
    ),
    Option(
        name="listen",
        value="ADDRESS:PORT|off",
        parse=listen,
        default="[::]:9466",
        text="Where to serve /metrics, /livez, /readyz, /startupz and /status; [::] takes IPv4 too.",
    ),
    Option(
        name="log-level",
        value="debug|info|warning|error",
        parse=one_of("debug", "info", "warning", "error"),
        default="info",
        text="The lowest level that is logged.",
    ),
    Option(
        name="log-format",
        value="json|console",
        parse=one_of("json", "console"),
        default="json",
        text="How.",
    ),
)
"""Every option, in the order of the manual."""


def resolve(texts: Mapping[str, tuple[str, Sequence[str]]], problems: Sequence[str] = ()) -> Settings:
    """The settings.

    Args:
        texts: for each option's name, where its texts come from (for sentences) and the texts.
        problems: what was wrong already when they were collected.

    Raises:
        SettingsError: with all problems.
    """
    found = list(problems)
    values: dict[str, Any] = {}
    for option in OPTIONS:
        origin, given = texts.get(option.name, ("its default", None if option.default is None else [option.default]))
        if given is None:
            found.append(f"{option.flag} is missing: {option.text}")
            continue
        try:
            values[option.field] = option.of(given)
        except ValueError as error:
            found.append(f"{origin}: {error}.")
    found += _conflicts(values)
    if found:
        raise SettingsError(found)
    return Settings(**values)


def _conflicts(values: Mapping[str, Any]) -> list[str]:
    found = ["--output is empty: give at least one."] if values.get("output") == () else []
    found += _whose(values)
    if values.get("seed") == "oldest" and values.get("own_pod") == "exclude":
        found.append("--seed cannot be told with --self exclude: a server could not see that it is the one.")
    if (least := values.get("min_members")) and least.relative and not values.get("pod_name"):
        found.append(f"--min-members {least} needs --pod-name from the downward API: whose replicas?")
    if not values.get("selector"):
        unknown = [name for name in ("split", "cluster_id") if values.get(name, "") not in {"", "off"}]
        found += [f"--{name.replace('_', '-')} needs --selector: only pods have labels." for name in unknown]
    paths = [str(output.path) for output in values.get("output", ())]
    found += [f"--output names {path} twice: give each output a file of its own." for path in _twice(paths)]
    settle, longest = values.get("settle"), values.get("settle_max")
    if settle is not None and longest is not None and longest < settle:
        found.append("--settle-max is shorter than --settle: make it at least as long.")
    return found


def _whose(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with the choice of whose members."""
    services, selector, source = values.get("service"), values.get("selector"), values.get("source")
    if services is None or source is None:
        return []
    mistakes = {
        "--source pods needs --selector: which pods?": source == "pods" and not selector,
        "--service and --selector exclude each other: a Service's endpoints, or pods?": services and selector,
        f"--source {source} does not know pods: leave it out, or --selector.": selector
        and source not in {"auto", "pods"},
        "--service is missing: whose endpoints are the members? Or choose pods with --selector.": source != "pods"
        and not services
        and not selector,
        "--field-selector needs --selector: it chooses among those pods.": values.get("field_selector")
        and not selector,
    }
    return [sentence for sentence, made in mistakes.items() if made]


def _twice(texts: Sequence[str]) -> list[str]:
    return sorted({text for text in texts if texts.count(text) > 1})
