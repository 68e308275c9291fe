"""Which of an object's ports is the member port: one rule for every kind of object.

Pure. A number is taken as it is. A name is looked up; an object without it contributes no members, which deserves a
warning but holds nothing up: a rollout that adds the port passes through that state. Without a choice, the sole port
is taken. There, a number with several names (one for TCP, one for UDP) is one port, and an object without ports has
members without a port, as a headless Service may. Only an ambiguity is a problem, because a guess would be published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sidecar.sources.kubernetes.objects import Wire

if TYPE_CHECKING:
    from collections.abc import Sequence


class Port(Wire, frozen=True, gc=False):
    """EndpointPort; a nil number means that the port is not restricted."""

    name: str | None = None
    port: int | None = None
    protocol: str | None = None

    def __str__(self) -> str:
        protocol = "" if self.protocol in {None, "TCP"} else f"/{self.protocol}"
        return f"{self.name or 'unnamed'} ({self.port}{protocol})"


class Chosen(NamedTuple):
    """The member port, or why there is none."""

    number: int | None = None
    """None if the members have no port, or any."""
    missing: str = ""
    """A message if there is no port of that name."""
    ambiguous: str = ""
    """A message if there are several ports to choose from."""


def choose_port(ports: Sequence[Port], wanted: str, origin: str) -> Chosen:
    """Choose the member port.

    Args:
        ports: those of the object.
        wanted: a number, a name, or empty for the sole port.
        origin: the object, for messages.
    """
    if wanted.isdecimal():
        return Chosen(int(wanted))
    candidates = [port for port in ports if (port.name or "") == wanted] if wanted else ports
    numbers = {port.port for port in candidates}
    if len(numbers) == 1:
        return Chosen(numbers.pop())
    if numbers:
        return Chosen(ambiguous=several_ports(candidates, origin))
    return Chosen(missing=no_such_port(ports, wanted, origin)) if wanted else Chosen()


def several_ports(ports: Sequence[Port], origin: str) -> str:
    """The message for an ambiguity."""
    return f"{origin} has several ports: {_listed(ports)}. Choose one with --port NAME or --port NUMBER."


def no_such_port(ports: Sequence[Port], wanted: str, origin: str) -> str:
    """The message for members that lack the wanted port."""
    return f"{origin} has no port named {wanted!r}; it has: {_listed(ports)}. Correct --port."


def _listed(ports: Sequence[Port]) -> str:
    return ", ".join(dict.fromkeys(map(str, ports))) or "none"
