"""Names in a cluster's DNS, to its specification (kubernetes/dns, docs/specification.md, version 1.1.0).

Pure. A name without a final dot is relative to the cluster's zone, which only the resolver knows; whatever is asked on
the wire is absolute, since under a pod's ``ndots:5`` a relative name costs up to eight queries for one.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_ZONE = "cluster.local"
"""What kubeadm and all big providers call the zone, where nothing says otherwise."""


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
