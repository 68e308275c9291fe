"""Each kind of failure is reported: /status, /readyz and the log have the same message until the failure is over.

Scope: the daemon; the messages of the connection are in ``test_error_messages``. Failures that the real API server does
not produce on demand come from the simulator. A missing Role is in ``test_role``, an API server that is not running in
``test_start``, one whose packets are dropped in ``test_blackhole``.
"""

from pathlib import Path

import pytest
import yaml

from sidecar.simulator import (
    FOREVER,
    Absent,
    BadGateway,
    Fault,
    InternalError,
    ScriptedService,
    Simulator,
    TooManyRequests,
)
from tests.cluster import objects
from tests.cluster.access import write_kubeconfig
from tests.cluster.api import Api
from tests.cluster.control_plane import ControlPlane
from tests.real import scene
from tests.real.sidecar import PATIENCE, ROLE, Sidecar
from tests.support.builders import certificate


async def reported(one: Sidecar, message: str) -> None:
    """Wait until the message is in the status, the log and the readiness probe, while there is no file."""
    await one.until(lambda: message in one.failing(), PATIENCE)
    await one.until(lambda: any(message in line["reason"] for line in one.logged("source failing")))
    code, body = one.get("/readyz")
    assert code == 503
    assert message in body
    assert one.get("/livez")[0] == 200
    assert one.metric("membership_source_up") == 0
    assert one.stamps() == {}


def to_simulator(simulator: Simulator, file: Path) -> Path:
    """A kubeconfig for the simulator, without TLS and credentials."""
    configuration = {
        "clusters": [{"name": "test", "cluster": {"server": simulator.url}}],
        "users": [{"name": "test", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "default"}}],
        "current-context": "test",
    }
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **configuration}))
    return file


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        pytest.param(
            TooManyRequests(times=FOREVER),
            "The API server is overloaded (429 on list ",
            id="429",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            InternalError(times=FOREVER), "The API server failed (500 on list ", id="500", marks=pytest.mark.slow
        ),
        pytest.param(
            BadGateway(times=FOREVER), "The API server failed (502 on list ", id="502", marks=pytest.mark.slow
        ),
        pytest.param(
            Absent(group=True, times=FOREVER), "The API server has no such resource (404 on list ", id="404-report"
        ),
        pytest.param(
            Absent(times=FOREVER),
            "The API server has no such resource (404 on list ",
            id="404-resource",
            marks=pytest.mark.slow,
        ),
    ],
)
async def test_an_error_response_is_reported(
    tmp_path: Path, sidecar: type[Sidecar], fault: Fault, message: str
) -> None:
    """With the error and the request; the file is written once the error is over."""
    async with Simulator() as simulator:
        ScriptedService(simulator).scale(2)
        simulator.script(fault)
        kubeconfig = to_simulator(simulator, tmp_path / "kubeconfig")
        one = sidecar(tmp_path, kubeconfig, "--service=app", "--source=endpointslice")
        await one.start()
        await reported(one, message)
        assert "/namespaces/default/endpointslices" in one.failing()
        simulator.behave()
        await one.until(lambda: len(one.members()) == 2)
        await one.until(lambda: one.failing() == "" and one.get("/readyz")[0] == 200)
        await one.stop()


async def test_auto_uses_endpoints_in_a_cluster_without_slices(tmp_path: Path, sidecar: type[Sidecar]) -> None:
    """As on Kubernetes before 1.21: 404 is not a failure but a reason to use another source."""
    async with Simulator() as simulator:
        ScriptedService(simulator, write=("services", "endpointslices", "endpoints")).scale(2)
        simulator.script(Absent(group=True, resource="endpointslices", times=FOREVER))
        one = sidecar(tmp_path, to_simulator(simulator, tmp_path / "kubeconfig"), "--service=app")
        await one.start()
        await one.until(lambda: one.source() == "endpoints" and len(one.members()) == 2)
        assert one.status()["fallback_reason"].startswith("The API server has no such resource (404 on list ")
        await one.stop()


async def test_a_rejected_token_is_reported(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """The 401 of the real server; the file is read again until the token is accepted."""
    good = await control_plane.service_account(namespace, scene.ACCOUNT, ROLE)
    access = scene.write_pass(control_plane, namespace, tmp_path, "no-token")
    await admin.create(objects.service("web", namespace, selector=None))
    await scene.write_members(admin, namespace, ["10.1.0.1"])
    one = sidecar(tmp_path, access.kubeconfig, "--service=web", "--source=endpointslice")
    await one.start()
    await reported(one, "The API server does not accept the token (401 on list ")
    assert "no-token" not in one.log.read_text()
    access.token_file.write_text(good)
    await one.until(lambda: one.addresses() == ["10.1.0.1"])


async def test_a_certificate_of_another_authority_is_reported(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """TLS fails before the first request; the message says what to do."""
    other, _ = certificate(tmp_path)
    token = await control_plane.service_account(namespace, scene.ACCOUNT, ROLE)
    kubeconfig = write_kubeconfig(
        tmp_path / "kubeconfig", server=control_plane.url, ca_file=other, token=token, namespace=namespace
    )
    one = sidecar(tmp_path, kubeconfig, "--service=web", "--source=endpointslice")
    await one.start()
    await reported(one, f"TLS to {control_plane.url} failed: ")
    assert "Trust the CA that signed it: check ca.crt of the service account" in one.failing()
    assert token not in one.log.read_text()
