"""Names in a cluster's DNS, to its specification (kubernetes/dns, docs/specification.md, version 1.1.0).

Pure. A name without a final dot is relative to the cluster's zone, which only the resolver knows. What goes over the
wire is absolute, because under a pod's ``ndots:5`` a relative name costs up to eight queries.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_ZONE = "cluster.local"
"""The zone of kubeadm and of all big providers, unless somebody changed it."""


def service_name(service: str, namespace: str) -> str:
    """The name whose A and AAAA records are the addresses of a headless Service's ready endpoints (2.4.1)."""
    return f"{service}.{namespace}.svc"


def port_name(port: str, service: str, namespace: str) -> str:
    """The name whose SRV records have the targets and the number of a *named* port (2.4.2); other ports have none."""
    return f"_{port}._tcp.{service_name(service, namespace)}"


def zone_of(search: Iterable[str]) -> str:
    """The zone in a pod's search list, which has ``svc.ZONE``; the default if there is none."""
    for suffix in search:
        head, _, zone = suffix.rstrip(".").lower().partition(".")
        if head == "svc" and zone:
            return zone
    return DEFAULT_ZONE


def host_of(target: str, addresses: Iterable[str]) -> str:
    """The hostname of the endpoint that an SRV record points to; empty if it has none of its own.

    The first label of the target is the endpoint's hostname, or is made from its address (2.4.2 allows any label;
    CoreDNS and kube-dns replace its dots and colons by dashes).
    """
    label = target.partition(".")[0]
    return "" if any(label == dashed(address) for address in addresses) else label


def dashed(address: str) -> str:
    """The label that CoreDNS makes from an address."""
    return address.replace(".", "-").replace(":", "-")


def reverse_name(address: str) -> str:
    """The name whose PTR records are the names of an address; absolute."""
    return f"{ip_address(address).reverse_pointer}."
