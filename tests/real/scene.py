"""What the tests of this package set up, and what the files must then contain.

The expected content is computed from what the API server shows to the administrator, with no code of the sidecar.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

from tests.cluster import objects
from tests.cluster.access import rules_of, write_kubeconfig
from tests.cluster.api import Api, Json
from tests.cluster.audit import AuditEvent
from tests.cluster.control_plane import ControlPlane
from tests.cluster.coredns import CoreDns
from tests.real.sidecar import ROLE, ROOT, Sidecar

ACCOUNT = "membership-sidecar"
"""The ServiceAccount of every sidecar here."""

ENDPOINTS_ROLE = ROOT / "deploy" / "rbac" / "endpoints.yaml"
"""The Role for the Endpoints of a Service named ``app`` and of no other."""

PODS_ROLE = ROOT / "deploy" / "rbac" / "pods.yaml"
REPLICAS_ROLE = ROOT / "deploy" / "rbac" / "replicas.yaml"

RBAC = "rbac.authorization.k8s.io"

CONTROLLER = "system:serviceaccount:kube-system:endpointslice-controller"
"""The controller that writes the EndpointSlices of Services with a selector."""


TTL = 1
"""Seconds, of the DNS server's positive and negative responses."""


@dataclass(frozen=True)
class Pass:
    """The files with which a sidecar reaches the cluster."""

    kubeconfig: Path
    token_file: Path


def user(namespace: str) -> str:
    """The user name of that namespace's sidecar in the audit log."""
    return f"system:serviceaccount:{namespace}:{ACCOUNT}"


async def admit(
    control_plane: ControlPlane,
    namespace: str,
    directory: Path,
    *,
    roles: Sequence[Path] = (ROLE,),
    server: str | None = None,
    tls_name: str = "",
) -> Pass:
    """Create a ServiceAccount with the Roles of the project, its token in a file, and a kubeconfig that names the file.

    Args:
        control_plane: the cluster.
        namespace: of the ServiceAccount, and the kubeconfig's default.
        directory: for the files.
        roles: the manifests that are applied.
        server: another address of the API server.
        tls_name: the name in its certificate, if that is not the address.
    """
    rules = [rule for manifest in roles for rule in rules_of(manifest)]
    token = await control_plane.service_account(namespace, ACCOUNT, rules)
    return write_pass(control_plane, namespace, directory, token, server=server, tls_name=tls_name)


def write_pass(
    control_plane: ControlPlane,
    namespace: str,
    directory: Path,
    token: str,
    *,
    server: str | None = None,
    tls_name: str = "",
) -> Pass:
    """The files of ``admit`` for a given token."""
    token_file = directory / "token"
    token_file.write_text(token)
    kubeconfig = write_kubeconfig(
        directory / "kubeconfig",
        server=server or control_plane.url,
        ca_file=control_plane.ca_file,
        token_file=token_file,
        namespace=namespace,
    )
    if tls_name:
        configuration = yaml.safe_load(kubeconfig.read_text())
        configuration["clusters"][0]["cluster"]["tls-server-name"] = tls_name
        kubeconfig.write_text(yaml.safe_dump(configuration))
    return Pass(kubeconfig, token_file)


async def bind(api: Api, namespace: str, name: str, rules: list[Json], *, account: str | None = None) -> None:
    """Grant the ServiceAccount, of the same namespace or of that one, the rules as well."""
    metadata = {"name": name, "namespace": namespace}
    await api.create({"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": rules})
    await api.create(
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": account or namespace}],
        }
    )


def ask_dns(server: CoreDns) -> tuple[str, ...]:
    """The options for a sidecar that queries that server."""
    return (f"--dns-server={server.host}:{server.port}", "--cluster-domain=cluster.local")


async def run_each(
    sidecar: type[Sidecar], directory: Path, access: Pass, every: Mapping[str, Sequence[str]]
) -> dict[str, Sidecar]:
    """Several sidecars of the same Service, by name, each with options of its own."""
    made = {name: sidecar(directory / name, access.kubeconfig, *options) for name, options in every.items()}
    await asyncio.gather(*(one.start() for one in made.values()))
    return made


async def until_each(every: Mapping[str, Sidecar], addresses: Mapping[str, Sequence[str]]) -> None:
    """Wait until the json file of each sidecar, which must exist, has exactly these addresses, in any order."""
    for name, wanted in addresses.items():
        one = every[name]
        await one.until(lambda one=one, wanted=wanted: one.source() != "" and sorted(one.addresses()) == sorted(wanted))  # type: ignore[misc]


async def write_members(api: Api, namespace: str, addresses: Iterable[str], *, service: str = "web") -> int:
    """Make these the endpoints of a Service without a selector, and return the resourceVersion as a number."""
    endpoints = [objects.endpoint(address) for address in addresses]
    body = objects.endpoint_slice(f"{service}-1", namespace, endpoints, service=service)
    written = await objects.write_endpoint_slice(api, body)
    return int(written["metadata"]["resourceVersion"])


async def members_of_pods(api: Api, namespace: str, *, service: str = "web") -> list[Json]:
    """The members that the json file must have for the namespace's running pods, which are all ready, in its order."""
    pods = (await api.list("Pod", namespace))["items"]
    members = [
        {
            "name": pod["metadata"]["name"],
            "namespace": namespace,
            "service": service,
            "uid": pod["metadata"]["uid"],
            "address": pod["status"]["podIP"],
            "addresses": [entry["ip"] for entry in pod["status"]["podIPs"]],
            "port": 8080,
            "hostname": "",
            "node": pod["spec"]["nodeName"],
            "zone": "",
            "ready": True,
            "serving": True,
            "terminating": False,
            "self": False,
        }
        for pod in pods
    ]
    return sorted(members, key=lambda member: str(member["name"]))


def host_ports(members: Iterable[Json]) -> list[str]:
    """The members that every file must have."""
    return [f"{member['address']}:{member['port']}" for member in members]


def seconds_of(event: AuditEvent) -> float:
    """The time of an event, in seconds since the epoch."""
    return datetime.fromisoformat(event.time).timestamp()


def requests(events: Iterable[AuditEvent]) -> list[AuditEvent]:
    """Each request once, in the order of the responses; a watch, which is logged twice, at its beginning."""
    return [event for event in events if event.verb != "watch" or event.stage == "ResponseStarted"]


def figure(text: str) -> None:
    """Print a measurement; ``pytest -rP`` shows it."""
    print(text)  # noqa: T201
