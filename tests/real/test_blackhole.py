"""A connection whose packets are all dropped is detected by the kernel's keepalive.

Scope: an idle watch whose packets are dropped in both directions. The sidecar runs in a network namespace with two
links, one to the API server and one on which the test requests its status.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.sources.kubernetes.transport import KEEPALIVE_COUNT, KEEPALIVE_IDLE, KEEPALIVE_INTERVAL
from tests.cluster import objects
from tests.cluster.api import Api
from tests.cluster.control_plane import ControlPlane
from tests.real import network, scene
from tests.real.network import Wire, ip
from tests.real.relay import Relay
from tests.real.sidecar import FILES, Sidecar

KEEPALIVE_SECONDS = KEEPALIVE_IDLE + KEEPALIVE_INTERVAL * KEEPALIVE_COUNT
"""The bound that the sidecar documents."""

LATE = 1.15
"""Kernel timers of that length are up to an eighth late (kernel/time/timer.c), and the machine may be busy."""

BACK_SECONDS = 25.0
"""After packets get through again: one attempt to connect, which takes 10 s, and the backoff after it."""


@pytest.fixture
def wires(pytestconfig: pytest.Config) -> Iterator[tuple[str, Wire, Wire]]:
    """A network namespace, the link to the API server, and the link for the status."""
    reason = network.missing()
    if reason and pytestconfig.getoption("--require-cluster"):
        pytest.fail(reason, pytrace=False)
    if reason:
        pytest.skip(reason)
    number = os.getpid() % 10000
    namespace = f"sidecar-{number}"
    both = Wire(f"sca{number}", f"10.{200 + number % 50}.1"), Wire(f"scb{number}", f"10.{200 + number % 50}.2")
    ip("netns", "add", namespace)
    try:
        for wire in both:
            wire.lay(namespace)
        yield namespace, *both
    finally:
        ip("netns", "delete", namespace)
        for wire in both:
            wire.remove()


@pytest.mark.timeout(150)
async def test_a_dead_connection_is_detected_and_replaced(
    control_plane: ControlPlane,
    admin: Api,
    namespace: str,
    tmp_path: Path,
    sidecar: type[Sidecar],
    wires: tuple[str, Wire, Wire],
) -> None:
    """Within the keepalive bound it reports the failure and keeps the files; later it catches up."""
    netns, to_api, to_status = wires
    async with Relay(control_plane.port, host=to_api.host) as relay:
        access = await scene.admit(control_plane, namespace, tmp_path, server=relay.url, tls_name="localhost")
        await admin.create(objects.service("web", namespace, selector=None))
        await scene.write_members(admin, namespace, ["10.1.0.1"])
        one = sidecar(
            tmp_path,
            access.kubeconfig,
            "--service=web",
            listen=to_status.inside,
            within=["nsenter", f"--net=/run/netns/{netns}", "--"],
        )
        await one.start()
        await one.until(lambda: one.holds({form: ["10.1.0.1:8080"] for form in FILES}))
        await one.until(lambda: one.metric("membership_api_requests_total", verb="watch", code="200") == 1)
        before = one.stamps()

        silent = time.monotonic()
        to_api.unplug()
        await scene.write_members(admin, namespace, ["10.1.0.2"])
        await one.until(lambda: one.failing() != "", KEEPALIVE_SECONDS * LATE)
        seconds = time.monotonic() - silent
        scene.figure(f"noticed after {seconds:.1f} s: {one.failing()}")
        assert one.stamps() == before
        assert one.metric("membership_source_up") == 0
        assert one.get("/readyz")[0] == 200
        assert one.get("/livez")[0] == 200

        to_api.plug_in()
        seconds = await one.until(lambda: one.addresses() == ["10.1.0.2"], BACK_SECONDS)
        scene.figure(f"true again {seconds:.1f} s after the packets came through")
        assert one.failing() == ""
        await one.stop()
