"""What a run is told, as one frozen value.

Pure. No room below ``daemon`` and ``failover`` knows ``Settings``: the parts take plain arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from sidecar.formats import Format
    from sidecar.membership.policy.guards import MinMembers

DNS_PORT = 53


class Nameserver(NamedTuple):
    """A DNS server to ask."""

    address: str
    port: int = DNS_PORT


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
