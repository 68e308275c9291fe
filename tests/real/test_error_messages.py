"""The messages for refusals of the real API server, from whose text the advice is derived.

Scope: the connection alone. 429, 5xx and time-outs, which the server does not produce on demand, are in
``test_refusals``; a network that drops all packets is in ``test_blackhole``.
"""

from pathlib import Path

import pytest

from sidecar.errors import SourceError
from sidecar.sources.kubernetes.connection import Connection
from tests.cluster.api import path_of
from tests.cluster.control_plane import ControlPlane
from tests.real import scene
from tests.support.builders import certificate, connected, credentials_for, encoded


async def ask(connection: Connection, path: str, verb: str) -> None:
    """Send a request and ignore the response."""
    match verb:
        case "get":
            await connection.read(path)
        case "list":
            await connection.list(path, {})
        case "watch":
            async with connection.watch(path, {"watch": "1"}):
                pass
        case "create":
            await connection.create(path, encoded({"metadata": {"name": "x"}}))


async def refusal(control_plane: ControlPlane, token: str, path: str, verb: str = "get") -> SourceError:
    """The error of a request."""
    async with connected(credentials_for(control_plane.url, token=token, ca=control_plane.ca_file)) as connection:
        with pytest.raises(SourceError) as raised:
            await ask(connection, path, verb)
    assert token not in raised.value.message
    return raised.value


@pytest.mark.parametrize(
    ("verb", "kind", "name", "remedy"),
    [
        (
            "list",
            "EndpointSlice",
            None,
            "Grant get, list and watch on endpointslices.discovery.k8s.io in namespace {0}",
        ),
        ("watch", "Pod", None, "Grant get, list and watch on pods in namespace {0}"),
        ("get", "Pod", "web-0", "Grant get on pods in namespace {0}"),
        ("get", "StatefulSet", "web", "Grant get on statefulsets.apps in namespace {0}"),
        ("create", "ConfigMap", None, "Grant create on configmaps in namespace {0}"),
    ],
)
async def test_403_names_account_verb_and_resource(
    control_plane: ControlPlane, namespace: str, verb: str, kind: str, name: str | None, remedy: str
) -> None:
    """The message has everything that is needed to write the Role."""
    token = await control_plane.service_account(namespace, scene.ACCOUNT, [])
    error = await refusal(control_plane, token, path_of(kind, namespace, name), verb)
    assert error.reason == "forbidden"
    account = f"the service account {scene.ACCOUNT} of namespace {namespace}"
    assert error.message.endswith(f" {remedy.format(namespace)} to {account} with a Role and a RoleBinding.")


async def test_403_in_all_namespaces_needs_a_cluster_role(control_plane: ControlPlane, namespace: str) -> None:
    """Because a Role covers one namespace."""
    token = await control_plane.service_account(namespace, scene.ACCOUNT, [])
    error = await refusal(control_plane, token, path_of("Pod"), "list")
    assert " Grant get, list and watch on pods in all namespaces to the service account " in error.message
    assert error.message.endswith(" with a ClusterRole and a ClusterRoleBinding.")


async def test_401(control_plane: ControlPlane, namespace: str) -> None:
    """The server gives no further reason."""
    error = await refusal(control_plane, "no-token", path_of("Pod", namespace), "list")
    assert error.reason == "unauthorized"
    assert error.message.startswith("The API server does not accept the token (401 on list /api/v1/namespaces/")


async def test_403_without_credentials(control_plane: ControlPlane, namespace: str) -> None:
    """The server sees an anonymous user, to whom no Role should be bound."""
    async with connected(credentials_for(control_plane.url, ca=control_plane.ca_file)) as connection:
        with pytest.raises(SourceError) as raised:
            await connection.list(path_of("Pod", namespace), {})
    assert "The request had no credentials: mount the service account's token" in raised.value.message


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/api/v1/namespaces/{0}/services/web", "There is no such object (404 on get "),
        (
            "/apis/discovery.k8s.io/v1alpha1/namespaces/{0}/endpointslices",
            "The API server has no such resource (404 on ",
        ),
        ("/apis/nobody.example/v1/namespaces/{0}/things/x", "The API server has no such resource (404 on get "),
    ],
    ids=["object", "version", "report"],
)
async def test_404_distinguishes_an_object_from_a_resource(
    control_plane: ControlPlane, namespace: str, path: str, message: str
) -> None:
    """A user can create an object; a resource needs a newer cluster."""
    error = await refusal(control_plane, control_plane.admin_token, path.format(namespace))
    assert error.reason == "not_found"
    assert error.message.startswith(message)


async def test_a_certificate_of_another_ca(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    """As of another cluster."""
    other, _ = certificate(tmp_path)
    async with connected(credentials_for(control_plane.url, token=control_plane.admin_token, ca=other)) as connection:
        with pytest.raises(SourceError) as raised:
            await connection.list(path_of("Pod", namespace), {})
    assert raised.value.reason == "tls"
    assert " Trust the CA that signed it: check ca.crt of the service account" in raised.value.message
