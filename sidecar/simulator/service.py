"""A service whose members come and go on command.

It takes the part of the workload controller, the scheduler, the kubelet and the endpoint-slice controller: each command
changes the members and writes every object that would change. So a demo or a benchmark is a sequence of commands such
as ``scale(3)``, ``lose("app-1")``, ``terminate("app-2")``, and the client sees what a cluster would show it.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from sidecar.simulator import projections, slices
from sidecar.simulator.projections import Identity, ScriptedMember
from sidecar.simulator.resources import Object
from sidecar.simulator.slices import PER_SLICE, Slices

_HOSTS = 254
"""Addresses per /24 of 10.244.0.0/16, filled in order; in a cluster, each node has a /24 of its own."""

_ZONES = ("zone-a", "zone-b", "zone-c")
"""Members are spread over these zones; each zone has one node."""


class Target(Protocol):
    """Where the objects are written: a ``Simulator``, or a ``Store`` without a server."""

    def put(self, resource: str, obj: Object) -> object:
        """Create or replace."""

    def delete(self, resource: str, namespace: str, name: str) -> object:
        """Remove."""


class ScriptedService:
    """One headless service and its pods.

    Args:
        target: Where to write the objects.
        name: The name of the service; its members are name-0, name-1, ...
        namespace: Its namespace.
        ports: The port numbers by name.
        dual_stack: Give each member an IPv6 address as well, in separate slices.
        write: The resources to write; only slices is the cheapest.
        publish_not_ready: The field of the Service: every endpoint is then ``ready``.
        per_slice: Endpoints per slice.
    """

    def __init__(
        self,
        target: Target,
        name: str = "app",
        *,
        namespace: str = "default",
        ports: Mapping[str, int] | None = None,
        dual_stack: bool = False,
        write: Sequence[str] = ("services", "endpointslices"),
        publish_not_ready: bool = False,
        per_slice: int = PER_SLICE,
    ) -> None:
        self._target = target
        self._identity = Identity(
            name=name,
            namespace=namespace,
            uid=str(uuid.uuid5(uuid.NAMESPACE_URL, f"services/{namespace}/{name}")),
            ports=ports or {"http": 8080},
            publish_not_ready=publish_not_ready,
        )
        self._write = write
        self._born = 0
        self._members: dict[str, ScriptedMember] = {}
        families = ("IPv4", "IPv6") if dual_stack else ("IPv4",)
        names = slices.names(name)
        self._slices = {family: Slices(names, per_slice) for family in families}
        if "services" in write:
            target.put("services", projections.service(self._identity, families))
        self._reconcile(())

    @property
    def members(self) -> tuple[ScriptedMember, ...]:
        """All members, in the order in which they were added."""
        return tuple(self._members.values())

    def scale(self, count: int) -> None:
        """Make name-0 to name-(count-1) the members, all at once and without graceful termination."""
        names = {f"{self._identity.name}-{ordinal}": None for ordinal in range(count)}
        gone = [name for name in self._members if name not in names]
        new = [name for name in names if name not in self._members]
        for name in gone:
            del self._members[name]
        self._members |= {name: self._create(name) for name in new}
        self._reconcile((*gone, *new))

    def lose(self, *names: str) -> None:
        """Let the node of a member fail: the member is no longer ready, but not deleted."""
        self._change(names, lambda member: replace(member, ready=False))

    def recover(self, *names: str) -> None:
        """Make a member ready again."""
        self._change(names, lambda member: replace(member, ready=True))

    def terminate(self, *names: str) -> None:
        """Begin the deletion of a member: until ``remove`` it still serves but is not ready."""
        self._change(names, lambda member: replace(member, terminating=True))

    def remove(self, *names: str) -> None:
        """Remove a member."""
        for name in names:
            del self._members[name]
        self._reconcile(names)

    def replace(self, *names: str) -> None:
        """Delete a pod and create one of the same name, with another uid and address, in two steps."""
        self.remove(*names)
        self._members |= {name: self._create(name) for name in names}
        self._reconcile(names)

    def _change(self, names: Iterable[str], become: Callable[[ScriptedMember], ScriptedMember]) -> None:
        for name in names:
            self._members[name] = become(self._members[name])
        self._reconcile(names)

    def _create(self, name: str) -> ScriptedMember:
        born = self._born
        self._born += 1
        third, fourth = divmod(born, _HOSTS)
        addresses = {"IPv4": f"10.244.{third % 256}.{fourth + 1}", "IPv6": f"fd00:10:244::{born + 1:x}"}
        place = born % len(_ZONES)
        return ScriptedMember(
            name=name,
            uid=str(uuid.uuid5(uuid.UUID(self._identity.uid), str(born))),
            addresses={family: addresses[family] for family in self._slices},
            node=f"node-{place}",
            zone=_ZONES[place],
        )

    def _reconcile(self, changed: Iterable[str]) -> None:
        names = tuple(changed)
        if "pods" in self._write:
            self._write_pods(names)
        if "endpointslices" in self._write:
            for family in self._slices:
                self._write_slices(family, names)
        if "endpoints" in self._write:
            self._target.put("endpoints", projections.endpoints(self._identity, self._members.values()))

    def _write_pods(self, names: Iterable[str]) -> None:
        for name in names:
            if name in self._members:
                self._target.put("pods", projections.pod(self._identity, self._members[name]))
            else:
                self._target.delete("pods", self._identity.namespace, name)

    def _write_slices(self, family: str, changed: Iterable[str]) -> None:
        of_family = self._slices[family]
        writes = of_family.reconcile(self._members, changed)
        for name in (*writes.created, *writes.updated):
            members = (self._members[member] for member in of_family.members[name])
            self._target.put("endpointslices", projections.endpoint_slice(self._identity, name, family, members))
        for name in writes.deleted:
            self._target.delete("endpointslices", self._identity.namespace, name)
