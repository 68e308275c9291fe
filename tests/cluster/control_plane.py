"""A Kubernetes control plane: etcd, the API server and the controllers, ready in seconds.

There is no kubelet unless one is added (``node``): a test writes the state of a pod through the status subresource
(``objects.py``). The controllers are the real ones, so the EndpointSlices of a Service are those of Kubernetes.

Everything about the programs is synchronous, because they outlive the event loop of a test; only access to the API is
asynchronous.
"""

import functools
import json
import secrets
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.cluster import access, binaries, certificates
from tests.cluster.api import Api, Json, path_of
from tests.cluster.audit import POLICY, AuditEvent, AuditLog
from tests.cluster.etcd import Etcd
from tests.cluster.programs import Program, answers, free_port

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")

CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "daemonset-controller",
    "deployment-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "endpointslice-mirroring-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
)
"""All but the node-lifecycle controller: without a kubelet that renews its lease, it would declare every node dead
after 50 s, and its pods not ready."""

SERVICE_RANGES = "10.0.0.0/16,fd00:10::/112"
"""Dual-stack, so that Services can have IPv6 EndpointSlices."""

OWN_SERVICE = "10.0.0.1"
"""The address of the Service ``kubernetes``: the first of the range."""

WITH_KUBELETS = ("--kubelet-preferred-address-types=InternalIP",)  # the names of nodes are not in DNS
WITHOUT_KUBELETS = (
    "--endpoint-reconciler-type=none",  # nothing could reach the Service `kubernetes`
    "--disable-admission-plugins=ServiceAccount",  # pods need not wait for the controller that creates `default`
)


class ControlPlane:
    """One cluster, in a directory of its own; ``start`` and ``stop`` are its life."""

    def __init__(
        self, *, host: str = "127.0.0.1", controllers: Sequence[str] = CONTROLLERS, kubelets: bool = False
    ) -> None:
        """Configure a cluster without starting it.

        Args:
            host: The address where the API server listens.
            controllers: The names for ``kube-controller-manager --controllers``.
            kubelets: Whether pods run, so that they must reach the API server and authenticate to it.
        """
        self.host = host
        self.port = free_port(host)
        self.admin_token = secrets.token_hex(16)
        self._controllers = controllers
        self._kubelets = kubelets
        self._temporary = tempfile.TemporaryDirectory(prefix="control-plane-")
        self.directory = Path(self._temporary.name)
        self._certificates = certificates.create(self.directory, [self.host, OWN_SERVICE])
        self._audit = AuditLog(self.directory / "audit.log")
        self.etcd = Etcd(self.directory)
        self.api_server = self._api_server()
        self.controller_manager = self._controller_manager()

    @property
    def url(self) -> str:
        """Where the API server listens."""
        return f"https://{self.host}:{self.port}"

    @property
    def ca_file(self) -> Path:
        """The authority that signed the API server's certificate."""
        return self._certificates.authority

    def start(self) -> None:
        """Start everything in order, and return when the cluster is ready."""
        try:
            self.etcd.start()
            self.start_api_server()
            self.controller_manager.start()
            # Not its /healthz, which responds before the controllers are created; without an API server at that moment
            # it would give up. Once the certificate of the authority is published, all controllers run.
            published = path_of("ConfigMap", "default", "kube-root-ca.crt")
            self.controller_manager.wait_until(self._answers(published))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill every process, since their data is not needed any more, and remove the directory."""
        self.controller_manager.kill()
        self.api_server.kill()
        self.etcd.kill()
        self._temporary.cleanup()

    def start_api_server(self) -> None:
        """Start the API server (again) on the same port with the same data, and return when it is ready."""
        self.api_server.start()
        self.api_server.wait_until(self._answers("/readyz"))

    def kill_api_server(self) -> None:
        """``kill -9`` the API server: its connections are reset, and its port refuses new ones."""
        self.api_server.kill()

    def compact(self) -> None:
        """Forget the history: watches and lists at any earlier resourceVersion get 410 Expired.

        Compacting etcd is not enough, because the API server would still serve the history from its watch cache. So it
        is killed in the meantime, which also ends every watch.
        """
        self.kill_api_server()
        self.etcd.compact()
        self.start_api_server()

    def admin(self) -> Api:
        """A session of the cluster's administrator: ``async with control_plane.admin() as api: ...``."""
        return self.api(self.admin_token)

    def api(self, token: str | None) -> Api:
        """A session with that token."""
        return Api(self.url, token=token, ca_file=self.ca_file)

    async def service_account(
        self, namespace: str, name: str, role: Path | Sequence[Json], *, seconds: int = 3600
    ) -> str:
        """The token of a ServiceAccount with the permissions of the role (a manifest, or a list of rules)."""
        async with self.admin() as api:
            await access.create_service_account(api, namespace, name, role)
            return await api.token(name, namespace, seconds=seconds)

    def kubeconfig(
        self, path: Path, *, token: str | None = None, token_file: Path | None = None, namespace: str = "default"
    ) -> Path:
        """Write a kubeconfig for this cluster, of the administrator unless a token or its file is given."""
        if token is None and token_file is None:
            token = self.admin_token
        return access.write_kubeconfig(
            path, server=self.url, ca_file=self.ca_file, token=token, token_file=token_file, namespace=namespace
        )

    def audit_mark(self) -> int:
        """The current position, for ``audit(since=...)``."""
        return self._audit.mark()

    def audit(self, *, since: int = 0, user: str | None = None) -> list[AuditEvent]:
        """The requests to which the API server has begun to respond, oldest first."""
        return self._audit.events(since=since, user=user)

    def _api_server(self) -> Program:
        tokens = self.directory / "tokens.csv"
        tokens.write_text(f"{self.admin_token},admin,admin,system:masters\n")
        policy = self.directory / "audit-policy.json"
        policy.write_text(json.dumps(POLICY))
        return self._program(
            "kube-apiserver",
            f"--etcd-servers={self.etcd.url}",
            "--etcd-compaction-interval=0",  # history is compacted only by a test
            f"--bind-address={self.host}",
            f"--advertise-address={self.host}",
            f"--secure-port={self.port}",
            f"--tls-cert-file={self._certificates.server}",
            f"--tls-private-key-file={self._certificates.server_key}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={self._certificates.service_account_key}",
            f"--service-account-key-file={self._certificates.service_account_key}",
            f"--service-cluster-ip-range={SERVICE_RANGES}",
            *(WITH_KUBELETS if self._kubelets else WITHOUT_KUBELETS),
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self._audit.file}",
            "--audit-log-maxsize=10000",  # MiB: no rotation, which would move the marks
        )

    def _controller_manager(self) -> Program:
        return self._program(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig(self.directory / 'controllers.kubeconfig')}",
            f"--controllers={','.join(self._controllers)}",
            "--secure-port=0",  # it is not needed
            f"--root-ca-file={self.ca_file}",
            f"--service-account-private-key-file={self._certificates.service_account_key}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        )

    def _answers(self, path: str) -> Callable[[], bool]:
        return functools.partial(answers, self.url + path, token=self.admin_token, ca_file=self.ca_file)

    def _program(self, name: str, *arguments: str) -> Program:
        return Program([binaries.path(name), *arguments], log=self.directory / f"{name}.log")
