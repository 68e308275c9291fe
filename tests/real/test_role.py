"""The Role of the project is sufficient and minimal, and the sidecar reports a missing one.

Scope: the sidecar's requests in the API server's audit log, and 403. Tokens are in ``test_token``.
"""

from pathlib import Path

import pytest

from sidecar import __version__
from tests.cluster import objects
from tests.cluster.access import rules_of
from tests.cluster.api import Api, Json
from tests.cluster.control_plane import ControlPlane
from tests.real import scene
from tests.real.sidecar import ROLE, Sidecar


async def make_account(api: Api, namespace: str) -> None:
    """A ServiceAccount without permissions."""
    metadata = {"name": scene.ACCOUNT, "namespace": namespace}
    await api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})


def slices(*verbs: str) -> list[Json]:
    """A Role's rules for EndpointSlices."""
    return [{"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": list(verbs)}]


def test_the_role_allows_only_reading_slices() -> None:
    """The manifest allows get, list and watch on EndpointSlices and nothing else."""
    assert rules_of(ROLE) == slices("get", "list", "watch")


async def test_the_sidecar_only_lists_and_watches_slices(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """From start through a change to the end, the audit log has one LIST and one WATCH of the sidecar, and no more."""
    access = await scene.admit(control_plane, namespace, tmp_path)
    await admin.create(objects.service("web", namespace, selector=None))
    await scene.write_members(admin, namespace, ["10.1.0.1"])
    one = sidecar(tmp_path, access.kubeconfig, "--service=web")
    await one.start()
    await one.until(lambda: one.addresses() == ["10.1.0.1"])
    await scene.write_members(admin, namespace, ["10.1.0.1", "10.1.0.2"])
    await one.until(lambda: one.addresses() == ["10.1.0.1", "10.1.0.2"])
    await one.stop()
    seen = scene.requests(control_plane.audit(user=scene.user(namespace)))
    assert [(event.verb, event.resource, event.subresource, event.namespace, event.code) for event in seen] == [
        ("list", "endpointslices", "", namespace, 200),
        ("watch", "endpointslices", "", namespace, 200),
    ]
    assert {event.user_agent for event in seen} == {f"membership-sidecar/{__version__}"}


async def test_a_missing_role_is_reported_until_it_is_bound(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """The 403 is in /status and the log, with what to do; once the Role is bound, the file is written."""
    await make_account(admin, namespace)
    access = scene.write_pass(control_plane, namespace, tmp_path, await admin.token(scene.ACCOUNT, namespace))
    await admin.create(objects.service("web", namespace, selector=None))
    await scene.write_members(admin, namespace, ["10.1.0.1"])
    one = sidecar(tmp_path, access.kubeconfig, "--service=web")
    await one.start()
    await one.until(lambda: "403" in one.failing())
    for message in (one.failing(), str(one.logged("source failing")[0]["reason"])):
        assert 'cannot list resource "endpointslices" in API group "discovery.k8s.io"' in message
        remedy = (
            "Grant get, list and watch on endpointslices.discovery.k8s.io in namespace {0} to the service account {1}"
        )
        assert remedy.format(namespace, scene.ACCOUNT) in message
    assert one.stamps() == {}
    assert one.get("/readyz")[0] == 503
    await scene.bind(admin, namespace, "late", rules_of(ROLE))
    seconds = await one.until(lambda: one.addresses() == ["10.1.0.1"])
    scene.figure(f"published {seconds:.1f} s after the Role was bound")
    assert one.failing() == ""
    await one.until(lambda: one.get("/readyz")[0] == 200)


@pytest.mark.parametrize("missing", ["list", "watch"])
async def test_neither_list_nor_watch_is_enough(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar], missing: str
) -> None:
    """With only one of the verbs, the sidecar names the other; with both, it follows the Service."""
    await make_account(admin, namespace)
    access = scene.write_pass(control_plane, namespace, tmp_path, await admin.token(scene.ACCOUNT, namespace))
    await scene.bind(admin, namespace, "first", slices(*{"list", "watch"} - {missing}))
    await admin.create(objects.service("web", namespace, selector=None))
    await scene.write_members(admin, namespace, ["10.1.0.1"])
    one = sidecar(tmp_path, access.kubeconfig, "--service=web")
    await one.start()
    await one.until(lambda: f'cannot {missing} resource "endpointslices"' in one.failing())
    await one.until(lambda: one.addresses() == ([] if missing == "list" else ["10.1.0.1"]))
    await scene.write_members(admin, namespace, ["10.1.0.2"])
    await scene.bind(admin, namespace, "second", slices(missing))
    await one.until(lambda: one.addresses() == ["10.1.0.2"])
    await one.until(lambda: one.failing() == "")
