"""One member of the cluster: the value that all packages share.

Pure. Which members may be published is decided in ``policy``; how they are written, in ``formats``.
"""

from __future__ import annotations

import msgspec


class Member(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One member, as it is written to the ``json`` file; its fields are written in this order.

    The fields that only some sources know have a default, and are written only where they differ from it.

    Absent conditions mean what the EndpointSlice API says (``EndpointConditions`` in discovery/v1): ready is true,
    serving is the same as ready, terminating is false.
    """

    name: str
    """The pod's name; empty where the source knows only an address."""
    namespace: str
    service: str
    uid: str
    """The pod's UID, which identifies it. An address does not: pods of the host network share it, and it is reused."""
    address: str
    """The address to use, of the chosen family; empty if the member has none of that family."""
    addresses: tuple[str, ...]
    """The addresses of both families, IPv4 first."""
    port: int | None
    hostname: str
    node: str
    zone: str
    ready: bool
    serving: bool
    terminating: bool
    is_self: bool = msgspec.field(name="self")
    """Whether this is the pod that the sidecar runs in."""
    rollout: str = msgspec.field(name="group", default="")
    """Which rollout it belongs to, for example the ReplicaSet's ``pod-template-hash``; see ``--split``."""
    created: str = ""
    """When the pod was created, as the API writes it (RFC 3339)."""
    cluster: str = ""
    """The value of the label ``--cluster-id``."""
    lost: bool = False
    """Whether its node is lost: its conditions are then the last that the node reported."""
    seed: bool = False
    """Whether it is the member that may found the cluster."""

    @property
    def pod(self) -> str:
        """Which pod it is, whichever Service reports it: the UID, or the address where the source knows no UID."""
        return self.uid or self.address

    @property
    def key(self) -> str:
        """What one Service reports of one pod, and its canonical order: namespace, service, name or address, UID.

        NUL sorts before every character of a name, so these strings compare as the tuples would, and faster.
        """
        return f"{self.namespace}\0{self.service}\0{self.name or self.address}\0{self.uid}"
