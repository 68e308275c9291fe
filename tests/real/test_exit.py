"""The sidecar stops on a signal, whatever it is doing; ``once`` ends by itself.

Scope: signals, exit codes, and what is left behind. The tests wait for the end of the process and do not judge how long
it takes on a busy machine; the time is printed.
"""

import asyncio
import re
import signal
from pathlib import Path

import pytest

from tests.cluster import objects
from tests.cluster.access import write_kubeconfig
from tests.cluster.api import Api
from tests.cluster.control_plane import ControlPlane
from tests.cluster.programs import free_port
from tests.real import scene
from tests.real.sidecar import FILES, Sidecar

SIGNALS = (signal.SIGTERM, signal.SIGINT)

STARTUP_MS = (0, 50, 100, 200, 300, 400, 500, 600, 800)
"""Moments of the startup at which the signal is sent; the startup takes half a second."""


def has_all_signals_in(pid: int, mask: str) -> bool:
    """Whether all of ``SIGNALS`` are in this mask of the process, such as SigCgt or SigBlk (proc_pid_status(5))."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
    found = int(re.findall(rf"^{mask}:\s*(\w+)$", status, re.MULTILINE)[0], 16)
    return all(found >> (number - 1) & 1 for number in SIGNALS)


def kubeconfig_to_nowhere(directory: Path) -> Path:
    """A kubeconfig of an API server that is not running."""
    (directory / "token").write_text("token")
    (directory / "ca.crt").touch()
    return write_kubeconfig(
        directory / "kubeconfig",
        server=f"http://127.0.0.1:{free_port()}",
        ca_file=directory / "ca.crt",
        token_file=directory / "token",
    )


async def publishing(
    control_plane: ControlPlane, admin: Api, namespace: str, directory: Path, sidecar: type[Sidecar]
) -> Sidecar:
    """A sidecar that follows a Service with one member, not started yet."""
    access = await scene.admit(control_plane, namespace, directory)
    await admin.create(objects.service("web", namespace, selector=None))
    await scene.write_members(admin, namespace, ["10.1.0.1"])
    return sidecar(directory, access.kubeconfig, "--service=web")


@pytest.mark.parametrize("number", SIGNALS)
async def test_a_signal_stops_the_sidecar(
    control_plane: ControlPlane,
    admin: Api,
    namespace: str,
    tmp_path: Path,
    sidecar: type[Sidecar],
    number: signal.Signals,
) -> None:
    """With exit code 0. The files stay, and no process and no temporary file is left."""
    one = await publishing(control_plane, admin, namespace, tmp_path, sidecar)
    await one.start()
    await one.until(lambda: one.addresses() == ["10.1.0.1"] and one.status()["published"])
    before = one.stamps()
    seconds = await one.stop(number)
    scene.figure(f"{number.name}: ended after {seconds * 1000:.0f} ms")
    assert one.logged("stopping")
    assert one.stamps() == before
    assert set(before) == {*FILES.values(), one.state_file.name}
    assert not one.left_processes
    assert one.stderr.read_text() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
async def test_a_signal_stops_the_sidecar_while_the_api_server_is_away(
    tmp_path: Path, sidecar: type[Sidecar], number: signal.Signals
) -> None:
    """It does not wait for the next attempt, which would fail as well."""
    one = sidecar(tmp_path, kubeconfig_to_nowhere(tmp_path), "--service=web")
    await one.start()
    await one.until(lambda: bool(one.logged("source failing")))
    await one.stop(number)
    assert len(one.logged("source failing")) == 1
    assert one.stamps() == {}
    assert one.stderr.read_text() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
async def test_a_signal_stops_the_sidecar_while_it_starts(
    pytestconfig: pytest.Config, tmp_path: Path, sidecar: type[Sidecar], number: signal.Signals
) -> None:
    """At any moment of its startup, with exit code 0 and without a message."""
    kubeconfig = kubeconfig_to_nowhere(tmp_path)
    moments = STARTUP_MS if pytestconfig.getoption("--slow") else STARTUP_MS[::8]
    for delay in moments:
        one = sidecar(tmp_path / str(delay), kubeconfig, "--service=web")
        one.spawn()
        await one.until(lambda one=one: has_all_signals_in(one.pid, "SigCgt"))  # type: ignore[misc]
        await asyncio.sleep(delay / 1000)  # the moment of the startup to try
        await one.stop(number)
        assert one.stderr.read_text() == ""


@pytest.mark.parametrize("number", SIGNALS)
async def test_a_signal_before_the_first_line_is_not_lost(
    tmp_path: Path, sidecar: type[Sidecar], number: signal.Signals
) -> None:
    """The image starts the program with the signals blocked: one that comes too early is handled a moment later."""
    blocking = ("env", "--block-signal=TERM,INT")
    one = sidecar(tmp_path, kubeconfig_to_nowhere(tmp_path), "--service=web", within=blocking)
    one.spawn()
    await one.until(lambda: has_all_signals_in(one.pid, "SigBlk"))
    await one.stop(number)
    assert one.stderr.read_text() == ""


async def test_a_second_signal_stops_the_sidecar_at_once(tmp_path: Path, sidecar: type[Sidecar]) -> None:
    """It does not wait for the orderly shutdown that the first signal began; the exit code names the signal."""
    one = sidecar(tmp_path, kubeconfig_to_nowhere(tmp_path), "--service=web")
    await one.start()
    one.send(signal.SIGSTOP)  # so that it receives both together
    for number in SIGNALS:
        one.send(number)
    one.send(signal.SIGCONT)
    assert await one.wait() in {128 + number for number in SIGNALS}


async def test_once_writes_a_complete_set_and_ends(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """With exit code 0 when every file has been written, and without leaving a process."""
    one = await publishing(control_plane, admin, namespace, tmp_path, sidecar)
    one.spawn("once")
    assert await one.wait() == 0
    assert one.read() == {form: ["10.1.0.1:8080"] for form in FILES}
    assert not one.left_processes
    assert one.stderr.read_text() == ""


@pytest.mark.parametrize("command", ["run", "once"])
async def test_without_credentials_for_the_api_server_it_is_a_configuration_error(
    tmp_path: Path, sidecar: type[Sidecar], command: str
) -> None:
    """Outside a pod and without a kubeconfig: exit code 2 and a message."""
    one = sidecar(tmp_path, None, "--service=web")
    one.spawn(command)
    assert await one.wait() == 2
    assert one.stderr.read_text().startswith("membership-sidecar: ")
    scene.figure(one.stderr.read_text())
    assert one.stamps() == {}
