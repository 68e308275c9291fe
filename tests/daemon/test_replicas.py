"""The desired number of replicas: from a pod up to its topmost controller.

Against scripted objects, for every kind and everything that can go wrong; against real controllers in
``real/test_pods``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sidecar.daemon.replicas import desired_replicas
from sidecar.errors import SourceError
from tests.support.builders import Json, encoded

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMESPACE = "default"
APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}"
CORE = f"/api/v1/namespaces/{NAMESPACE}"
POD = f"{CORE}/pods/app-0"
ENDING = "Or set --min-members to a number."


class Objects:
    """A server that has these objects, by path; in the place of an object, an error."""

    def __init__(self, objects: Mapping[str, Json | bytes | SourceError]) -> None:
        self.objects = objects
        self.read_paths: list[str] = []

    async def read(self, path: str) -> bytes:
        """The object, or what an API server says if there is none."""
        self.read_paths.append(path)
        match self.objects.get(path):
            case None:
                raise SourceError("not_found", f"There is no such object (404 on get {path}).")
            case SourceError() as error:
                raise error
            case bytes() as body:
                return body
            case found:
                return encoded(found)


def owner(kind: str, name: str, api: str = "apps/v1", *, controller: bool = True) -> Json:
    """An ownerReference."""
    return {"apiVersion": api, "kind": kind, "name": name, "uid": f"uid-{name}", "controller": controller}


def an_object(*owners: Json, spec: Json | None = None, status: Json | None = None) -> Json:
    """Anything that is owned."""
    return {"metadata": {"name": "x", "ownerReferences": list(owners)}, "spec": spec or {}, "status": status or {}}


def replicas(number: int) -> Json:
    """The spec that wants so many."""
    return {"replicas": number}


REPLICA_SET, DEPLOYMENT = owner("ReplicaSet", "app-5d4f"), owner("Deployment", "app")
CONTROLLER = owner("ReplicationController", "app-3", "v1")
CONFIG = owner("DeploymentConfig", "app", "apps.openshift.io/v1")


@pytest.mark.parametrize(
    ("controllers", "number"),
    [
        pytest.param(
            {
                POD: an_object(REPLICA_SET),
                f"{APPS}/replicasets/app-5d4f": an_object(DEPLOYMENT, spec=replicas(2)),
                f"{APPS}/deployments/app": an_object(spec=replicas(5)),
            },
            5,
            id="Deployment, not its ReplicaSet in the middle of a rollout",
        ),
        pytest.param(
            {POD: an_object(REPLICA_SET), f"{APPS}/replicasets/app-5d4f": an_object(spec=replicas(2))},
            2,
            id="ReplicaSet",
        ),
        pytest.param(
            {POD: an_object(owner("StatefulSet", "app")), f"{APPS}/statefulsets/app": an_object(spec=replicas(3))},
            3,
            id="StatefulSet",
        ),
        pytest.param(
            {POD: an_object(owner("StatefulSet", "app")), f"{APPS}/statefulsets/app": an_object()}, 1, id="not said"
        ),
        pytest.param(
            {POD: an_object(owner("StatefulSet", "app")), f"{APPS}/statefulsets/app": an_object(spec=replicas(0))},
            0,
            id="scaled to nothing",
        ),
        pytest.param(
            {
                POD: an_object(owner("DaemonSet", "app")),
                f"{APPS}/daemonsets/app": an_object(status={"desiredNumberScheduled": 7}),
            },
            7,
            id="DaemonSet",
        ),
        pytest.param(
            {
                POD: an_object(CONTROLLER),
                f"{CORE}/replicationcontrollers/app-3": an_object(CONFIG, spec=replicas(1)),
                f"/apis/apps.openshift.io/v1/namespaces/{NAMESPACE}/deploymentconfigs/app": an_object(spec=replicas(4)),
            },
            4,
            id="OpenShift",
        ),
        pytest.param(
            {
                POD: an_object(owner("Ledger", "other", "x/v1", controller=False), owner("StatefulSet", "app")),
                f"{APPS}/statefulsets/app": an_object(owner("Ledger", "x", "x/v1", controller=False), spec=replicas(3)),
            },
            3,
            id="owners that are no controllers",
        ),
    ],
)
async def test_the_topmost_controller_decides(controllers: dict[str, Json], number: int) -> None:
    """Nothing else is read but the chain to it, because each object needs a permission."""
    server = Objects(controllers)
    assert await desired_replicas(server, NAMESPACE, "app-0") == number
    assert server.read_paths == list(controllers)


SETS = f"{APPS}/replicasets/app-5d4f"


@pytest.mark.parametrize(
    ("objects", "reason", "message"),
    [
        pytest.param({}, "not_found", f"There is no such object (404 on get {POD}).", id="no pod"),
        pytest.param({POD: an_object()}, "not_found", "the pod default/app-0 has no controller.", id="a bare pod"),
        pytest.param(
            {POD: an_object(owner("Database", "app", "db.example/v1"))},
            "not_found",
            "the controller is the Database default/app of db.example/v1, which is not a supported kind.",
            id="an operator's kind",
        ),
        pytest.param(
            {POD: an_object(owner("Deployment", "app", "db.example/v1"))},
            "not_found",
            "the controller is the Deployment default/app of db.example/v1, which is not a supported kind.",
            id="a namesake of another group",
        ),
        pytest.param(
            {POD: an_object(owner("DaemonSet", "app")), f"{APPS}/daemonsets/app": an_object()},
            "not_found",
            "the DaemonSet default/app has no status yet.",
            id="a DaemonSet that nobody has seen",
        ),
        pytest.param(
            {POD: an_object(REPLICA_SET), SETS: an_object(REPLICA_SET)},
            "malformed",
            "the owner references of the pod default/app-0 form a cycle.",
            id="a ring",
        ),
        pytest.param(
            {POD: an_object(REPLICA_SET), SETS: SourceError("forbidden", "No.")},
            "forbidden",
            "it needs the verb get on replicasets.apps in namespace default. No.",
            id="forbidden",
        ),
        pytest.param(
            {POD: SourceError("forbidden", "No.")},
            "forbidden",
            "it needs the verb get on pods in namespace default. No.",
            id="even the pod",
        ),
        pytest.param({POD: SourceError("timeout", "It is slow.")}, "timeout", "It is slow.", id="any other failure"),
    ],
)
async def test_an_unknown_number_is_reported(objects: dict[str, Json], reason: str, message: str) -> None:
    """With the verb and the resource to grant if that is the remedy, and with the other remedy in any case."""
    with pytest.raises(SourceError) as caught:
        await desired_replicas(Objects(objects), NAMESPACE, "app-0")
    assert caught.value.reason == reason
    assert caught.value.message == f"The desired number of replicas is unknown: {message} {ENDING}"


async def test_a_retry_after_is_passed_on() -> None:
    """The caller waits as long."""
    with pytest.raises(SourceError) as caught:
        await desired_replicas(Objects({POD: SourceError("too_many_requests", "Later.", 7)}), NAMESPACE, "app-0")
    assert caught.value.retry_after == 7


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", encoded(an_object(spec={"replicas": "3"}))])
async def test_a_response_that_is_not_an_object_is_malformed(body: bytes) -> None:
    """A proxy may answer anything with 200."""
    with pytest.raises(SourceError) as caught:
        await desired_replicas(Objects({POD: body}), NAMESPACE, "app-0")
    assert caught.value.reason == "malformed"
    assert "pods/default/app-0 is malformed" in caught.value.message
