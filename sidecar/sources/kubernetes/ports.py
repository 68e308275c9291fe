"""Which of an object's ports is the member port.

Pure.
"""

from __future__ import annotations

from sidecar.sources.kubernetes.objects import Wire


class Port(Wire, frozen=True, gc=False):
    """EndpointPort; a nil number means that the port is not restricted."""

    name: str | None = None
    port: int | None = None


def choose_port(ports: list[Port], wanted: str, origin: str) -> tuple[int | None, str]:
    """The member port and an empty string, or None and the message that says why there is none.

    A number is taken as it is; a name must be among *ports*; without either the sole port is taken, and none if there
    are none (a headless Service may have no ports).
    """
    if wanted.isdecimal():
        return int(wanted), ""
    named = [port for port in ports if (port.name or "") == wanted] if wanted else ports
    listed = ", ".join(f"{port.name or 'unnamed'} ({port.port})" for port in ports) or "none"
    if len(named) == 1:
        return named[0].port, ""
    if not named and not wanted:
        return None, ""
    if wanted:
        return None, f"{origin} has no port named {wanted!r}; it has: {listed}. Correct --port."
    return None, f"{origin} has several ports: {listed}. Choose one with --port NAME or --port NUMBER."
