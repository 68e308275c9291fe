"""How each kind of value is written: a text in, a value out, or ``ValueError`` with what to write instead.

Pure. The message has no full stop: whoever reports it says before it where the text was given.
"""

from __future__ import annotations

import math
import re
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from sidecar.formats import FORMATS
from sidecar.settings.values import ALL_NAMESPACES, DNS_PORT, Listen, Nameserver, Output, Service

if TYPE_CHECKING:
    from collections.abc import Callable

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_PERCENT = re.compile(r"\d{1,3}%")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_ADDRESS = re.compile(r"(?:\[(?P<ipv6>[^]\[]+)\]|(?P<host>[^]\[:]+)):(?P<port>\d+)")
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")


def duration(text: str) -> float:
    """Seconds: ``200ms``, ``1m30s``, ``0s``."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"invalid duration {text!r}: write a number and a unit, such as 200ms or 5m")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def optional_duration(text: str) -> float:
    """Seconds, infinitely many for ``off``."""
    if text == "off":
        return math.inf
    try:
        return duration(text)
    except ValueError as error:
        raise ValueError(f"{error}, or off") from error


def service(text: str) -> Service:
    """``NAME`` or ``NAME.NAMESPACE``."""
    name, dot, namespace = text.partition(".")
    if not _NAME.fullmatch(name) or (dot and namespace != ALL_NAMESPACES and not _NAME.fullmatch(namespace)):
        raise ValueError(f"invalid Service {text!r}: write NAME or NAME.NAMESPACE, such as app or app.default")
    return Service(name, namespace)


def output(text: str) -> Output:
    """``FORMAT=PATH``."""
    name, _, path = text.partition("=")
    form = FORMATS.get(name)
    if not path or form is None:
        raise ValueError(f"invalid output {text!r}: write FORMAT=PATH, where FORMAT is one of {', '.join(FORMATS)}")
    if "," in path:
        raise ValueError(
            f"invalid output {text!r}: a path has no comma; for several files, repeat --output, or separate them with"
            " spaces in the variable"
        )
    if not Path(path).is_absolute():
        raise ValueError(f"invalid output {text!r}: write the absolute path of the file, beginning with /")
    if form.suffixes and not path.endswith(form.suffixes):
        raise ValueError(
            f"invalid output {text!r}: the path must end in {' or '.join(form.suffixes)}, by which the reader chooses"
            " its parser"
        )
    return Output(form, Path(path))


def listen(text: str) -> Listen | None:
    """``ADDRESS:PORT`` or ``[IPV6]:PORT``; None for ``off``."""
    if text == "off":
        return None
    found = _ADDRESS.fullmatch(text)
    if not found or not _is_port(found["port"]):
        raise ValueError(f"invalid address {text!r}: write ADDRESS:PORT or [IPV6]:PORT, such as [::]:9466, or off")
    return Listen(found["ipv6"] or found["host"], int(found["port"]))


def member_port(text: str) -> str:
    """A number from 1 to 65535 or the name of a port; empty for the only port."""
    if text.isdecimal() and not (_is_port(text) and int(text)):
        raise ValueError(f"invalid port {text!r}: write a number from 1 to 65535, or the name of a port")
    return text


def _is_port(text: str) -> bool:
    return text.isdecimal() and int(text) < 2**16


def count(text: str) -> int:
    """A whole number from 0."""
    if not text.isdecimal():
        raise ValueError(f"invalid number {text!r}: write a whole number, 0 or more")
    return int(text)


def share(text: str) -> float:
    """A fraction, from ``1%`` to ``100%``; 1 for ``off``."""
    if text == "off":
        return 1.0
    if not _PERCENT.fullmatch(text) or not 0 < int(text[:-1]) <= 100:  # noqa: PLR2004 - percent
        raise ValueError(f"invalid percentage {text!r}: write 1% to 100%, or off")
    return int(text[:-1]) / 100


def one_of(*choices: str) -> Callable[[str], str]:
    """One of *choices*."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"invalid value {text!r}: write one of {', '.join(choices)}")
        return text

    return parse


def optional_path(text: str) -> Path | None:
    """A path; None for an empty text."""
    return Path(text) if text else None


def cluster_domain(text: str) -> str:
    """A DNS domain in lower case without the final dot; empty for the one in resolv.conf."""
    domain = text.rstrip(".").lower()
    if text and not _DOMAIN.fullmatch(domain):
        raise ValueError(f"invalid domain {text!r}: write the cluster's DNS domain, such as cluster.local")
    return domain


def nameserver(text: str) -> Nameserver:
    """``ADDRESS``, ``ADDRESS:PORT``, ``[IPV6]`` or ``[IPV6]:PORT``."""
    host, port = text, str(DNS_PORT)
    if text.count(":") == 1 or "]:" in text:
        host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    problem = f"invalid DNS server {text!r}: write an IP address, not a name, as ADDRESS:PORT or [IPV6]:PORT"
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 2**16:
        raise ValueError(problem)
    try:
        return Nameserver(str(ip_address(host)), int(port))
    except ValueError as error:
        raise ValueError(problem) from error
