"""What a run is told, as one frozen value, and how each kind of value is written.

Pure. The table of options is in ``options``. No part of the daemon below ``daemon`` knows ``Settings``: the parts take
plain arguments.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sidecar.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sidecar.formats import Format
    from sidecar.membership.policy.guards import MinMembers
    from sidecar.sources.dns.names import Nameserver

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_PERCENT = re.compile(r"\d{1,3}%")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


class Service(msgspec.Struct, frozen=True):
    """A Service to follow; the namespace is empty for the default one."""

    name: str
    namespace: str = ""


class Output(msgspec.Struct, frozen=True):
    """A file to keep true."""

    form: Format
    path: Path


class Listen(msgspec.Struct, frozen=True):
    """Where to serve HTTP."""

    host: str
    port: int


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a run is told. Durations are seconds. Each field is the option of its name."""

    service: tuple[Service, ...]
    selector: str
    field_selector: str
    output: tuple[Output, ...]
    namespace: str
    source: str
    fallback_after: float
    port: str
    address_family: str
    not_ready: str
    terminating: str
    own_pod: str
    seed: str
    port_range: int
    min_members: MinMembers
    stable_for: float
    start_timeout: float
    start_outcome: str
    settle: float
    settle_max: float
    hold_down: float
    max_shrink: float
    shrink_hold: float
    fsync: str
    pod_uid: str
    pod_name: str
    pod_ip: tuple[str, ...]
    cluster_domain: str
    dns_server: tuple[Nameserver, ...]
    split: str
    split_unknown: str
    cluster_id: str
    kubeconfig: Path | None
    context: str
    listen: Listen | None
    log_level: str
    log_format: str


def duration(text: str) -> float:
    """Seconds of ``200ms``, ``1m30s``, ``0s``."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is no duration: write a number and a unit, such as 200ms, 5s, 5m, 1h")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def optional_duration(text: str) -> float:
    """Seconds; infinitely many of ``off``."""
    return math.inf if text == "off" else duration(text)


def service(text: str) -> Service:
    """``NAME`` or ``NAME.NAMESPACE``."""
    name, dot, namespace = text.partition(".")
    if not _NAME.fullmatch(name) or (dot and namespace != "*" and not _NAME.fullmatch(namespace)):
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
        raise ValueError(f"{text!r} is no number: write 0 or more")
    return int(text)


def share(text: str) -> float:
    """A part of 1 from ``1%`` to ``100%``; ``off`` is all."""
    if text == "off":
        return 1.0
    if not _PERCENT.fullmatch(text) or not 0 < int(text[:-1]) <= 100:  # noqa: PLR2004 - percent
        raise ValueError(f"{text!r} is no share: write 1% to 100%, or off")
    return int(text[:-1]) / 100


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
