"""CoreDNS, which serves the names of the cluster's Services as in most clusters."""

import socket

from tests.cluster import binaries
from tests.cluster.control_plane import ControlPlane
from tests.cluster.programs import Program, answers, free_port

COREFILE = """
cluster.local:{port} in-addr.arpa:{port} ip6.arpa:{port} {{
    bind {host}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        ttl {ttl}
    }}
    ready {host}:{ready_port}
    errors
}}
"""


QUERY = bytes.fromhex("0001 0000 0001 0000 0000 0000") + b"\7cluster\5local\0" + bytes.fromhex("0006 0001")
"""Who has the authority for cluster.local (SOA)?"""


class CoreDns:
    """A DNS server for ``cluster.local``, over UDP and TCP, fed by the control plane's API."""

    def __init__(self, control_plane: ControlPlane, *, ttl: int = 5) -> None:
        self.host = control_plane.host
        self.port = free_port()
        self._ready = f"{self.host}:{(ready_port := free_port())}"
        directory = control_plane.directory
        corefile = directory / f"Corefile.{self.port}"
        corefile.write_text(
            COREFILE.format(
                host=self.host,
                port=self.port,
                ready_port=ready_port,
                ttl=ttl,
                kubeconfig=control_plane.kubeconfig(directory / "coredns.kubeconfig"),
            )
        )
        log = directory / f"coredns.{self.port}.log"
        self.program = Program([binaries.path("coredns"), f"-conf={corefile}"], log=log)

    def start(self) -> None:
        """Start it, and return when it has every Service and endpoint."""
        self.program.start()
        self.program.wait_until(lambda: answers(f"http://{self._ready}/ready") and self._resolves())

    def stop(self) -> None:
        """End it."""
        self.program.kill()

    def _resolves(self) -> bool:
        """Whether it responds, which is a moment after it reports to be ready."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.1)
            client.connect((self.host, self.port))
            try:
                client.send(QUERY)
                return bool(client.recv(512))
            except OSError:
                return False
