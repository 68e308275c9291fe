"""The settings of a run, as one frozen value.

Pure. No room below ``failover`` and ``daemon`` knows ``Settings``: the parts take plain arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from sidecar.formats import Format
    from sidecar.membership.policy.guards import MinMembers

DNS_PORT = 53

ALL_NAMESPACES = "*"
"""How all namespaces are written."""


class Nameserver(NamedTuple):
    """A DNS server to query."""

    address: str
    port: int = DNS_PORT


class Service(msgspec.Struct, frozen=True):
    """A Service to follow; an empty namespace is the default one."""

    name: str
    namespace: str = ""


class Output(msgspec.Struct, frozen=True):
    """A file to keep up to date."""

    form: Format
    path: Path


class Listen(msgspec.Struct, frozen=True):
    """The address to serve HTTP on."""

    host: str
    port: int

    def __str__(self) -> str:
        """As it is written in ``--listen``: an IPv6 address stands in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The value of every option, each under the option's name. Durations are in seconds."""

    service: tuple[Service, ...]
    selector: str
    field_selector: str
    namespace: str
    source: str
    fallback_after: float
    port: str
    address_family: str

    output: tuple[Output, ...]
    port_range: int
    fsync: str

    not_ready: str
    terminating: str
    own_pod: str
    split: str
    split_unknown: str
    cluster_id: str
    seed: str

    min_members: MinMembers
    stable_for: float
    start_timeout: float
    start_outcome: str
    settle: float
    settle_max: float
    hold_down: float
    max_shrink: float
    shrink_hold: float

    pod_uid: str
    pod_name: str
    pod_ip: tuple[str, ...]
    kubeconfig: Path | None
    context: str
    cluster_domain: str
    dns_server: tuple[Nameserver, ...]

    listen: Listen | None
    log_level: str
    log_format: str
