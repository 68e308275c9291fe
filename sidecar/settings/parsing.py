"""How each kind of value is written: a text in, a value out, or ``ValueError`` with the rest of a sentence.

Pure.
"""

from __future__ import annotations

import math
import re
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from sidecar.formats import FORMATS
from sidecar.settings.values import DNS_PORT, Listen, Nameserver, Output, Service

if TYPE_CHECKING:
    from collections.abc import Callable

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_PERCENT = re.compile(r"\d{1,3}%")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")


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


def cluster_domain(text: str) -> str:
    """The zone as ``--cluster-domain`` takes it, without the final dot; empty for the one that resolv.conf tells.

    Raises:
        ValueError: with the rest of a message.
    """
    zone = text.rstrip(".").lower()
    if text and not _DOMAIN.fullmatch(zone):
        raise ValueError(f"{text!r} is no domain: write the cluster's, such as cluster.local")
    return zone


def nameserver(text: str) -> Nameserver:
    """``ADDRESS``, ``ADDRESS:PORT``, ``[IPV6]`` or ``[IPV6]:PORT``, as ``--dns-server`` takes it.

    Raises:
        ValueError: with the rest of a message.
    """
    host, port = text, str(DNS_PORT)
    if text.count(":") == 1 or "]:" in text:
        host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    problem = f"{text!r} is no DNS server: write ADDRESS:PORT or [IPV6]:PORT with an IP address, not a name"
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 2**16:
        raise ValueError(problem)
    try:
        return Nameserver(str(ip_address(host)), int(port))
    except ValueError as error:
        raise ValueError(problem) from error
