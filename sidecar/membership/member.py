"""The value: one member, as all rooms know it.

Pure. What may be published of the members is decided in ``policy``; what they look like in a file, in ``formats``.
"""

from __future__ import annotations

import msgspec


class Member(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One member, as it stands in the ``json`` file; the order of the fields is the order there.

    The fields that only some sources know have a default, and stand in the file where they differ from it.

    Conditions mean what the EndpointSlice API says when they are absent (``EndpointConditions`` in discovery/v1):
    ready is true, serving is ready, terminating is false.
    """

    name: str
    """The pod's name; empty where the source knows only an address."""
    namespace: str
    service: str
    uid: str
    """The pod's UID, which is its identity: an address is not one (hostNetwork shares it, a new pod reuses it)."""
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
    """What it was rolled out with, for example the ReplicaSet's ``pod-template-hash``; see ``--split``."""
    created: str = ""
    """When the pod was created, as the API says it (RFC 3339)."""
    cluster: str = ""
    """The value of the label ``--cluster-id``."""
    lost: bool = False
    """Whether its node is lost: the conditions are the last that were heard."""
    seed: bool = False
    """Whether it is the one that may found the cluster."""

    @property
    def key(self) -> str:
        """Identity and canonical order in one string: namespace, service, name or address, then UID.

        NUL sorts before every character of a name, hence strings compare as the tuples would, and faster.
        """
        return f"{self.namespace}\0{self.service}\0{self.name or self.address}\0{self.uid}"
