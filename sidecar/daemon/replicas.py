"""How many replicas the workload of the sidecar's own pod should have, according to its controller.

The number is that of the topmost controller, since during a rollout each ReplicaSet wants only its part of what the
Deployment wants. This needs the verb ``get`` on pods and on every controller above the pod, and it is read when needed
rather than watched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from sidecar.errors import SourceError
from sidecar.sources.kubernetes.objects import Wire, decoder
from sidecar.sources.kubernetes.pod_objects import PodMetadata  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from sidecar.sources.kubernetes.pod_objects import Owner

LONGEST_CHAIN = 4
"""Controllers above each other; usually there are two, and owner references could form a cycle."""

ALTERNATIVE = "Or set --min-members to a number."
"""The other remedy for everything that can go wrong here."""


class Reader(Protocol):
    """What is needed of a connection."""

    async def read(self, path: str) -> bytes:
        """The body of a GET of one object, or a SourceError."""


class Kind(NamedTuple):
    """A supported kind of controller, and where its objects are."""

    root: str
    plural: str
    api_group: str

    @property
    def resource(self) -> str:
        """Its name in a Role, as kubectl knows it."""
        return f"{self.plural}.{self.api_group}" if self.api_group else self.plural


POD = Kind("/api/v1", "pods", "")

KINDS = {
    ("apps", "Deployment"): Kind("/apis/apps/v1", "deployments", "apps"),
    ("apps", "ReplicaSet"): Kind("/apis/apps/v1", "replicasets", "apps"),
    ("apps", "StatefulSet"): Kind("/apis/apps/v1", "statefulsets", "apps"),
    ("apps", "DaemonSet"): Kind("/apis/apps/v1", "daemonsets", "apps"),
    ("", "ReplicationController"): Kind("/api/v1", "replicationcontrollers", ""),
    ("apps.openshift.io", "DeploymentConfig"): Kind(
        "/apis/apps.openshift.io/v1", "deploymentconfigs", "apps.openshift.io"
    ),
}
"""By API group and kind."""


class Spec(Wire, frozen=True, gc=False):
    """The spec of any of them; a DaemonSet has no ``replicas``."""

    replicas: int | None = None


class ControllerStatus(Wire, frozen=True, gc=False):
    """The status of a DaemonSet."""

    desired_number_scheduled: int | None = None


class Workload(Wire, frozen=True, gc=False):
    """A pod or any of its controllers, as far as they are read."""

    metadata: PodMetadata
    spec: Spec = Spec()
    status: ControllerStatus = ControllerStatus()


_decode_workload = decoder(Workload)


async def desired_replicas(connection: Reader, namespace: str, pod_name: str) -> int:
    """The desired number of replicas of the workload that the pod *pod_name* belongs to.

    That is ``spec.replicas`` (1 if it is absent, as in apps/v1), or ``status.desiredNumberScheduled`` of a DaemonSet.

    Raises:
        SourceError: if it is unknown; the message names the verb and the resource to grant, or another reason.
    """
    found = await _read(connection, POD, namespace, pod_name)
    owner = found.metadata.controller
    if owner is None:
        raise _unknown("not_found", f"the pod {namespace}/{pod_name} has no controller.")
    for _ in range(LONGEST_CHAIN):
        found = await _read(connection, _kind(owner, namespace), namespace, owner.name)
        above = found.metadata.controller
        if above is None:
            return _number(found, owner, namespace)
        owner = above
    raise _unknown("malformed", f"the owner references of the pod {namespace}/{pod_name} form a cycle.")


def _kind(owner: Owner, namespace: str) -> Kind:
    api_group = owner.api_version.rpartition("/")[0]
    try:
        return KINDS[api_group, owner.kind]
    except KeyError:
        whose = f"the controller is the {owner.kind} {namespace}/{owner.name} of {owner.api_version or 'no API'}"
        raise _unknown("not_found", f"{whose}, which is not a supported kind.") from None


def _number(found: Workload, owner: Owner, namespace: str) -> int:
    if owner.kind != "DaemonSet":
        return 1 if found.spec.replicas is None else found.spec.replicas
    if found.status.desired_number_scheduled is None:
        raise _unknown("not_found", f"the DaemonSet {namespace}/{owner.name} has no status yet.")
    return found.status.desired_number_scheduled


async def _read(connection: Reader, kind: Kind, namespace: str, name: str) -> Workload:
    try:
        return _decode_workload(await connection.read(f"{kind.root}/namespaces/{namespace}/{kind.plural}/{name}"))
    except msgspec.MsgspecError as error:
        raise _unknown("malformed", f"{kind.plural}/{namespace}/{name} is malformed: {error}.") from error
    except SourceError as error:
        needs = f"it needs the verb get on {kind.resource} in namespace {namespace}. "
        raise _unknown(
            error.reason, (needs if error.reason == "forbidden" else "") + error.message, error.retry_after
        ) from error


def _unknown(reason: str, why: str, retry_after: float = 0.0) -> SourceError:
    return SourceError(reason, f"The desired number of replicas is unknown: {why} {ALTERNATIVE}", retry_after)
