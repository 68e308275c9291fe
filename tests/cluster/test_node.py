"""The node of the tests is a real one, and leaves nothing behind.

Scope: its start and end. Pods on it are in ``tests/pods``.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.fixtures import require_node, unless
from tests.cluster.node import obstacle, running
from tests.cluster.node.configuration import PAUSE
from tests.cluster.node.machine import Machine, hierarchies
from tests.images import catalogue

POD = f"""
apiVersion: v1
kind: Pod
metadata: {{name: quiet}}
spec:
  containers:
    - {{name: main, image: "{PAUSE}", imagePullPolicy: Never, volumeMounts: [{{name: empty, mountPath: /empty}}]}}
  volumes: [{{name: empty, emptyDir: {{medium: Memory}}}}]
"""

PLACES = ("/run", "/run/netns", "/var/lib", "/var/log", "/etc/cni", "/opt/cni")
"""The default directories of the programs."""


def traces() -> set[str]:
    """Everything on this machine that a node could leave behind, except processes."""
    found = Path("/proc/self/mounts").read_text().splitlines()
    found += subprocess.run(["ip", "-brief", "link"], check=True, capture_output=True, text=True).stdout.splitlines()
    found += subprocess.run(["ip", "route"], check=True, capture_output=True, text=True).stdout.splitlines()
    directories = [*hierarchies(), *map(Path, PLACES)]
    found += [str(entry) for directory in directories if directory.exists() for entry in directory.iterdir()]
    return set(found)


def test_a_pod_runs_and_leaves_nothing_behind(pytestconfig: pytest.Config) -> None:
    """A pod is scheduled and started within seconds; afterwards no process, mount, device or control group is left."""
    require_node(pytestconfig)
    before = traces()
    started = time.monotonic()
    with running(catalogue.pause()) as node:
        ready = time.monotonic()
        node.kubectl("create", "--filename=-", given=POD)
        node.kubectl("wait", "--for=condition=Ready", "pod/quiet", "--timeout=30s")
        run = time.monotonic()
        processes = {Path(f"/proc/{process}/comm").read_text().strip() for process in node.machine.processes()}
        assert processes >= {"containerd", "containerd-shim", "kubelet", "kube-proxy", "kube-scheduler", "pause"}
        assert len(list((hierarchies()[0] / node.machine.cgroup).rglob("pod*"))) == 1
        ending = time.monotonic()
    print(  # noqa: T201 - figures to see and not to assert
        f"node ready after {ready - started:.1f} s, pod {run - ready:.1f} s later, "
        f"stopped within {time.monotonic() - ending:.1f} s"
    )
    assert node.machine.processes() == []
    assert not node.machine.directory.exists()
    assert not node.control_plane.directory.exists()
    assert traces() - before == set()


@pytest.mark.slow
def test_the_machine_ends_with_a_killed_pytest(pytestconfig: pytest.Config) -> None:
    """Although it cannot clean up, no process and no device of the machine is left."""
    unless(pytestconfig, obstacle())
    script = """
import time
from tests.cluster.node.machine import Machine
machine = Machine()
machine.start()
print(machine.directory, machine.addresses.device, *machine.processes(), flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        directory, device, *processes = starter.stdout.readline().split()
        assert len(processes) > 1
        starter.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{process}").exists() for process in processes) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(Path(f"/proc/{process}").exists() for process in processes)
    assert not Path(f"/sys/class/net/{device}").exists()
    Machine.clear(Path(directory))  # a killed process cannot have removed its files
    assert not any((hierarchy / Path(directory).name).exists() for hierarchy in hierarchies())


def test_without_root_there_is_a_message() -> None:
    """It says what the node is for and what to do."""
    script = "import os; os.setuid(65534); from tests.cluster.node import obstacle; print(obstacle())"
    code = f"import tests.cluster.node; {script}"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout == "a node needs root, for namespaces and control groups: run pytest as root\n"
