"""What can be set: the options as one table, and the frozen value that parsing makes of it.

Pure. Flags, ``MEMBERSHIP_*`` variables, YAML keys, ``--help`` and the README's manual are all made from ``OPTIONS``.
``resolve`` turns the texts that ``cli`` collected into ``Settings`` or into every error at once. No part of the daemon
below ``daemon`` knows ``Settings``: the parts take plain arguments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sidecar.errors import SettingsError
from sidecar.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sidecar.formats import Format

PREFIX = "MEMBERSHIP_"

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Service:
    """A Service to follow; the namespace is empty for the default one."""

    name: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """A file to keep true."""

    form: Format
    path: Path


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to serve HTTP."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that a run is told. Durations are seconds. Each field is the option of its name."""

    service: tuple[Service, ...]
    output: tuple[Output, ...]
    namespace: str
    source: str
    port: str
    address_family: str
    not_ready: str
    min_members: int
    start_timeout: float
    settle: float
    settle_max: float
    fsync: str
    pod_uid: str
    pod_name: str
    kubeconfig: Path | None
    context: str
    listen: Listen | None
    log_level: str
    log_format: str


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
        return self.name.replace("-", "_")

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


def duration(text: str) -> float:
    """Seconds of ``200ms``, ``1m30s``, ``0s``."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is no duration: write a number and a unit, such as 200ms, 5s, 5m, 1h")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def service(text: str) -> Service:
    """``NAME`` or ``NAME.NAMESPACE``."""
    name, dot, namespace = text.partition(".")
    if not _NAME.fullmatch(name) or (dot and not _NAME.fullmatch(namespace)):
        raise ValueError(f"{text!r} is no Service: write NAME or NAME.NAMESPACE")
    return Service(name, namespace)


def output(text: str) -> Output:
    """``FORMAT=PATH``."""
    name, equals, path = text.partition("=")
    form = FORMATS.get(name)
    if not equals or not path or form is None:
        raise ValueError(f"{text!r} is no output: write FORMAT=PATH, where FORMAT is one of {', '.join(FORMATS)}")
    if not Path(path).is_absolute():
        raise ValueError(f"{path!r} is not absolute: name the file by its whole path")
    if form.suffixes and not path.endswith(form.suffixes):
        raise ValueError(f"{path!r} must end in {' or '.join(form.suffixes)}: the reader picks its parser by that")
    return Output(form, Path(path))


def listen(text: str) -> Listen | None:
    """``ADDRESS:PORT``, ``[IPV6]:PORT`` or ``off``."""
    if text == "off":
        return None
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or not _is_port(port) or (":" in host and not bracketed):
        raise ValueError(f"{text!r} is no address: write ADDRESS:PORT, [IPV6]:PORT or off")
    return Listen(host[1:-1] if bracketed else host, int(port))


def member_port(text: str) -> str:
    """A number from 1 to 65535 or a port's name; empty for the sole port."""
    if text.isdecimal() and not (_is_port(text) and int(text)):
        raise ValueError(f"{text!r} is no port: a number from 1 to 65535, or a name")
    return text


def _is_port(text: str) -> bool:
    return text.isdecimal() and int(text) < 2**16


def count(text: str) -> int:
    """A number from 0."""
    if not text.isdecimal():
        raise ValueError(f"{text!r} is no number of members: write 0 or more")
    return int(text)


def one_of(*choices: str) -> Callable[[str], str]:
    """One of *choices*."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is not one of {', '.join(choices)}")
        return text

    return parse


def optional_path(text: str) -> Path | None:
    """A path, or None if empty."""
    return Path(text) if text else None


OPTIONS = (
    Option(
        name="service",
        value="NAME[.NAMESPACE]",
        parse=service,
        default=None,
        separator=",",
        text="Whose endpoints are the members; repeat it or separate several with commas for their union.",
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
        text="The namespace of services that name none; default the pod's own, else the kubeconfig's.",
    ),
    Option(
        name="source",
        value="auto|endpointslice",
        parse=one_of("auto", "endpointslice"),
        default="auto",
        text="Where the members come from; auto is endpointslice.",
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
        name="min-members",
        value="NUMBER",
        parse=count,
        default="1",
        text="How many members the first file must have.",
    ),
    Option(
        name="start-timeout",
        value="DURATION",
        parse=duration,
        default="5m",
        text="How long the first file waits for that; then it is written with those there are. Without a complete"
        " answer by then, the program ends with exit code 1.",
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
    found = []
    for name in ("service", "output"):
        if values.get(name) == ():
            found.append(f"--{name} is empty: give at least one.")
    paths = [str(output.path) for output in values.get("output", ())]
    found += [f"--output names {path} twice: give each output a file of its own." for path in _twice(paths)]
    settle, longest = values.get("settle"), values.get("settle_max")
    if settle is not None and longest is not None and longest < settle:
        found.append("--settle-max is shorter than --settle: make it at least as long.")
    return found


def _twice(texts: Sequence[str]) -> list[str]:
    return sorted({text for text in texts if texts.count(text) > 1})
