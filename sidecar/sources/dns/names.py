"""Names in a cluster's DNS, to its specification (kubernetes/dns, docs/specification.md, version 1.1.0).

Pure. A name without a final dot is relative to the cluster's zone, which only the resolver knows; whatever is asked on
the wire is absolute, since under a pod's ``ndots:5`` a relative name costs up to eight queries for one.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_ZONE = "cluster.local"
"""What kubeadm and all big providers call the zone, where nothing says otherwise."""

DNS_PORT = 53

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_DOMAIN = rf"{_LABEL}(\.{_LABEL})*"


class Nameserver(NamedTuple):
    """Where to ask."""

    address: str
    port: int = DNS_PORT

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def service_name(service: str, namespace: str) -> str:
    """Whose A and AAAA records are the addresses of a headless Service's ready endpoints (2.4.1)."""
    return f"{service}.{namespace}.svc"


def port_name(port: str, service: str, namespace: str) -> str:
    """Whose SRV records are the targets and the port of a *named* port (2.4.2); others have none."""
    return f"_{port}._tcp.{service_name(service, namespace)}"


def zone_of(search: Iterable[str]) -> str:
    """The zone that a pod's search list names, as the rest of its ``svc.ZONE``; the default if it names none."""
    for suffix in search:
        head, _, zone = suffix.rstrip(".").lower().partition(".")
        if head == "svc" and zone:
            return zone
    return DEFAULT_ZONE


def host_of(target: str, addresses: Iterable[str]) -> str:
    """The hostname of the endpoint that an SRV record points to; empty if it has none of its own.

    The first label of the target is the endpoint's hostname, or else made of its address (2.4.2: any label will do;
    CoreDNS and kube-dns write dashes for its dots and colons).
    """
    label = target.partition(".")[0]
    return "" if any(label == dashed(address) for address in addresses) else label


def dashed(address: str) -> str:
    """The label that CoreDNS makes of an address."""
    return address.replace(".", "-").replace(":", "-")


def reverse_name(address: str) -> str:
    """Whose PTR records are the names of an address; absolute."""
    return f"{ip_address(address).reverse_pointer}."


def cluster_domain(text: str) -> str:
    """The zone as ``--cluster-domain`` takes it, without the final dot; empty for the one that resolv.conf tells.

    Raises:
        ValueError: with the rest of a message.
    """
    zone = text.rstrip(".").lower()
    if text and not re.fullmatch(_DOMAIN, zone):
        raise ValueError(f"{text!r} is no domain: write the cluster's, such as {DEFAULT_ZONE}")
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
