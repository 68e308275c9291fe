"""The node: what runs on the machine, in which order, and how a test uses it."""

import functools
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.api import path_of
from tests.cluster.control_plane import CONTROLLERS, ControlPlane
from tests.cluster.coredns import CoreDns
from tests.cluster.kubectl import Kubectl
from tests.cluster.node import configuration
from tests.cluster.node.machine import TOOLS, Machine
from tests.cluster.programs import Program, answer, answers

NODE_PROGRAMS = (
    *("containerd", "containerd-shim-runc-v2", "ctr"),
    *("bridge", "host-local", "loopback", "portmap"),
    *("kube-proxy", "kube-scheduler", "kubelet", "kubectl", "coredns"),
)
"""The required programs besides those of the control plane."""

NODE_CONTROLLERS = (*CONTROLLERS, "node-lifecycle-controller", "pod-garbage-collector-controller")
"""Without node-lifecycle the taint not-ready would never be removed."""


def obstacle() -> str | None:
    """Why a node cannot run here, and what to do; None if it can."""
    if os.geteuid() != 0:
        return "a node needs root, for namespaces and control groups: run pytest as root"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (Debian: apt-get install iproute2 mount nftables runc util-linux)"
    return None


@contextmanager
def running(*images: Path) -> Iterator["Node"]:
    """A node that is ready for pods, and has the images, until the end of the block: see ``Node.start``."""
    node = Node()
    node.start(*images)
    try:
        yield node
    finally:
        node.stop()


class Node:
    """One node with a control plane and a DNS server, all of its own; ``start`` and ``stop`` are its life."""

    def __init__(self) -> None:
        self.name = "node"
        self.machine = Machine()
        self._control_plane: ControlPlane | None = None
        self._dns: CoreDns | None = None
        self._programs: dict[str, Program] = {}

    @property
    def control_plane(self) -> ControlPlane:
        """It runs outside the machine, as if on another."""
        if self._control_plane is None:
            raise RuntimeError("the node has not been started")
        return self._control_plane

    @property
    def kubectl(self) -> Kubectl:
        """``kubectl`` as the administrator."""
        return Kubectl(binaries.path("kubectl")).of(self.control_plane)

    def start(self, *images: Path) -> None:
        """Start everything; the node is ready for pods, and has the images, when this returns.

        Args:
            images: Archives of images; that of the sandbox's must be among them.
        """
        try:
            self.machine.start()
            self._start_containerd(images)
            self._control_plane = ControlPlane(
                host=self.machine.addresses.outside, controllers=NODE_CONTROLLERS, kubelets=True
            )
            self._control_plane.start()
            self._start_dns()
            self._start_kubernetes()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill everything and remove every trace."""
        for program in reversed(self._programs.values()):
            program.kill()
        self.machine.stop()
        if self._dns is not None:
            self._dns.stop()
        if self._control_plane is not None:
            self._control_plane.stop()

    def ctr(self, *arguments: str | Path) -> str:
        """Run containerd's client on the containers and images of Kubernetes, and return its output."""
        return self.machine.run(*self._ctr, *arguments)

    def events(self, log: Path) -> Program:
        """A program, not started yet, that records the events of containers with nanoseconds."""
        return Program([*self._ctr, "events"], log=log, within=self.machine.within)

    def load(self, archive: Path, name: str = "", *more: str) -> None:
        """Import the archive of an image, and give the image the further names."""
        self.ctr("images", "import", "--local", archive)
        if more:
            self.ctr("images", "tag", "--force", "--local", name, *more)

    def log(self, name: str) -> Path:
        """The log of the program of that name."""
        return self.machine.directory / f"{name}.log"

    @property
    def _ctr(self) -> list[str | Path]:
        return [binaries.path("ctr"), f"--address={configuration.CONTAINERD_SOCKET}", "--namespace=k8s.io"]

    def _start_containerd(self, images: tuple[Path, ...]) -> None:
        directory = self.machine.directory
        file = directory / "containerd.toml"
        file.write_text(configuration.containerd(binaries.path("bridge").parent))
        networks = directory / "lib" / Path(configuration.NETWORKS).name
        networks.mkdir()
        (networks / "10-pods.conflist").write_text(configuration.network(self.machine.addresses))
        self._start("containerd", f"--config={file}").wait_until(self._containerd_answers)
        for image in images:
            self.load(image)

    def _start_dns(self) -> None:
        self._dns = CoreDns(self.control_plane)
        self._dns.start()
        objects = configuration.dns_service(self._dns.host, self._dns.port)
        manifest = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.kubectl("create", "--filename=-", given=json.dumps(manifest))

    def _start_kubernetes(self) -> None:
        directory, addresses = self.machine.directory, self.machine.addresses
        kubeconfig = self.control_plane.kubeconfig(directory / "node.kubeconfig")
        resolv_conf = directory / "resolv.conf"
        resolv_conf.write_text("# pods know no name outside the cluster\n")
        settings = directory / "kubelet.json"
        settings.write_text(configuration.kubelet(addresses, self.machine.cgroup, resolv_conf))
        kubelet = self._start(
            "kubelet",
            f"--config={settings}",
            f"--kubeconfig={kubeconfig}",
            f"--hostname-override={self.name}",
            f"--node-ip={addresses.inside}",
        )
        settings = directory / "kube-proxy.json"
        settings.write_text(configuration.kube_proxy(addresses, self.name, kubeconfig))
        proxy = self._start("kube-proxy", f"--config={settings}")
        self._start("kube-scheduler", f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0")
        kubelet.wait_until(self._is_ready, seconds=60)
        proxy.wait_until(functools.partial(answers, f"http://{addresses.inside}:10256/healthz"))

    def _start(self, name: str, *arguments: str) -> Program:
        program = Program([binaries.path(name), *arguments], log=self.log(name), within=self.machine.within)
        self._programs[name] = program
        program.start()
        return program

    def _containerd_answers(self) -> bool:
        try:
            self.ctr("version")
        except RuntimeError:
            return False
        return True

    def _is_ready(self) -> bool:
        """Whether the scheduler may send pods."""
        plane = self.control_plane
        body = answer(plane.url + path_of("Node", None, self.name), token=plane.admin_token, ca_file=plane.ca_file)
        if body is None:
            return False
        node = json.loads(body)
        ready = {item["type"]: item["status"] for item in node["status"].get("conditions", [])}.get("Ready")
        return ready == "True" and not node["spec"].get("taints")
