"""``check`` against the real API server: every finding is true, and the printed Role, applied as it is, is enough.

Scope: the command as it is shipped, in a process of its own. Which facts lead to which finding is in
``tests/check/findings``; volumes are in ``tests/check/probes``.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.cluster import objects
from tests.cluster.access import rules_of
from tests.cluster.api import Api, Json
from tests.cluster.control_plane import ControlPlane
from tests.cluster.coredns import CoreDns
from tests.real import scene
from tests.real.sidecar import ROLE, ROOT

SERVICES = [{"apiGroups": [""], "resources": ["services"], "verbs": ["get"]}]
"""What the sidecar does not need, and ``check`` may have."""


class Checked(NamedTuple):
    """The result of a run of the command."""

    code: int
    out: str

    def of(self, subject: str) -> list[tuple[str, str]]:
        """Level and message of the findings about it."""
        return [(row["level"], row["message"]) for row in self.rows if row["subject"] == subject]

    @property
    def rows(self) -> list[dict[str, str]]:
        """All findings of ``--output-format json``."""
        rows: list[dict[str, str]] = json.loads(self.out)
        return rows

    @property
    def errors(self) -> list[str]:
        """The subjects of the errors."""
        return [row["subject"] for row in self.rows if row["level"] == "error"]


async def check(kubeconfig: Path, directory: Path, *options: str, form: str = "json") -> Checked:
    """Run it, as the ServiceAccount of the kubeconfig."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sidecar", "check", f"--kubeconfig={kubeconfig}", f"--output-format={form}"),
        *(f"--output=json={directory / 'members.json'}", *options),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(directory)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, complaints = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert complaints == b""
    assert process.returncode is not None
    return Checked(process.returncode, out.decode())


async def admit(control_plane: ControlPlane, namespace: str, directory: Path, rules: list[Json]) -> Path:
    """The kubeconfig of a ServiceAccount that may do what the rules say."""
    token = await control_plane.service_account(namespace, scene.ACCOUNT, rules)
    return scene.write_pass(control_plane, namespace, directory, token).kubeconfig


def who(namespace: str) -> str:
    """The ServiceAccount, as messages name it."""
    return f"The service account {scene.ACCOUNT} of namespace {namespace}"


PERMISSIONS = "permissions endpointslices.discovery.k8s.io in {}"


async def test_where_everything_is_right_there_is_no_error(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path
) -> None:
    """With a headless Service, running pods, the Role that ships and a look at the Service, there is no error."""
    kubeconfig = await admit(control_plane, namespace, tmp_path, rules_of(ROLE) + SERVICES)
    await admin.create(objects.service("web", namespace))
    await objects.run_pods(admin, namespace, {"web-0": "10.1.0.1", "web-1": "10.1.0.2"})
    await objects.set_ready(admin, namespace, "web-1", ready=False)
    about = f"members {namespace}/web"
    async with asyncio.timeout(20):
        while "2 members, 1 of them ready" not in str(
            (checked := await check(kubeconfig, tmp_path, "--service=web")).of(about)
        ):
            pass  # the controller has not seen them yet
    assert checked.code == 0
    assert checked.errors == []
    assert checked.of("api")[0] == (
        "ok",
        f"{control_plane.url} is reachable; the identity that it sees is t{who(namespace)[1:]}.",
    )
    assert checked.of(PERMISSIONS.format(namespace)) == [("ok", f"{who(namespace)} may list and watch endpointslices.")]
    assert checked.of(f"service {namespace}/web") == [
        ("ok", "It is headless."),
        ("ok", "It selects the pods with app=web."),
    ]
    assert checked.of(about) == [("ok", "2 members, 1 of them ready, on port 8080.")]


async def test_it_needs_no_more_permissions_than_the_sidecar(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path
) -> None:
    """With the Role that ships, the Service is skipped, which is not an error."""
    kubeconfig = await admit(control_plane, namespace, tmp_path, rules_of(ROLE))
    await admin.create(objects.service("web", namespace, selector=None))
    await scene.write_members(admin, namespace, ["10.1.0.1"])
    checked = await check(kubeconfig, tmp_path, "--service=web")
    account = f"the service account {scene.ACCOUNT} of namespace {namespace}"
    assert checked.of(f"service {namespace}/web") == [
        ("skipped", f"Not checked, because {account} may not get services.")
    ]
    assert checked.of(f"members {namespace}/web") == [("ok", "1 member, 1 of them ready, on port 8080.")]
    assert checked.code == 0


@pytest.mark.parametrize(
    ("verbs", "missing"), [((), "list and watch"), (("get", "list"), "watch"), (("watch",), "list")], ids=str
)
async def test_the_printed_role_is_enough(
    control_plane: ControlPlane,
    admin: Api,
    namespace: str,
    tmp_path: Path,
    verbs: tuple[str, ...],
    missing: str,
) -> None:
    """What is missing is named; the documents that are printed, applied as they are, leave nothing missing."""
    rules = [rule | {"verbs": list(verbs)} for rule in rules_of(ROLE)] if verbs else []
    kubeconfig = await admit(control_plane, namespace, tmp_path, rules)
    await admin.create(objects.service("web", namespace, selector=None))
    await scene.write_members(admin, namespace, ["10.1.0.1"])
    before = await check(kubeconfig, tmp_path, "--service=web")
    assert before.code == 1
    assert before.errors == [PERMISSIONS.format(namespace)]
    assert before.of(PERMISSIONS.format(namespace)) == [
        ("error", f"{who(namespace)} may not {missing} endpointslices.")
    ]
    printed = (await check(kubeconfig, tmp_path, "--service=web", form="text")).out
    documents = list(yaml.safe_load_all(printed[printed.index("---\n") :]))
    assert [document["kind"] for document in documents] == ["Role", "RoleBinding"]
    for document in documents:
        await admin.create(document)
    async with asyncio.timeout(20):
        while (after := await check(kubeconfig, tmp_path, "--service=web")).code:
            pass  # the API server has not seen them yet
    assert after.of(PERMISSIONS.format(namespace)) == [("ok", f"{who(namespace)} may list and watch endpointslices.")]


async def test_the_printed_role_is_the_one_that_ships(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    """The two cannot drift apart."""
    kubeconfig = await admit(control_plane, namespace, tmp_path, [])
    printed = (await check(kubeconfig, tmp_path, "--service=web", form="text")).out
    role, binding = yaml.safe_load_all(printed[printed.index("---\n") :])
    assert role["rules"] == rules_of(ROLE)
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": scene.ACCOUNT, "namespace": namespace}]


@pytest.mark.parametrize(
    ("service", "options", "finding"),
    [
        pytest.param(None, (), ("error", "service", "The Service does not exist."), id="missing"),
        pytest.param(
            {"clusterIP": None}, (), ("warning", "service", "It is not headless: its cluster IP is 10."), id="VIP"
        ),
        pytest.param(
            {"selector": None},
            (),
            ("error", "service", "It has no selector and no endpoints, so it will never have a member."),
            id="no selector",
        ),
        pytest.param(
            {},
            ("--port=clustr",),
            ("error", "port", "Service {} has no port named 'clustr'; it has: http (8080)."),
            id="port",
        ),
        pytest.param(
            {"ports": {"http": 80, "cluster": 7800}},
            (),
            ("error", "port", "Service {} has several ports: http (80), cluster (7800)."),
            id="ports",
        ),
        pytest.param(
            {}, (), ("warning", "members", "There are no members yet, so there is nothing to publish."), id="no pods"
        ),
        pytest.param(
            {"publish_not_ready": True},
            ("--not-ready=exclude",),
            ("warning", "service", "publishNotReadyAddresses is set, so every member counts as ready"),
            id="always ready",
        ),
        pytest.param(
            {"type": "ExternalName", "externalName": "example.org", "clusterIP": "", "selector": None},
            (),
            ("error", "service", "It is an alias for a DNS name (ExternalName) and has no endpoints."),
            id="alias",
        ),
    ],
)
async def test_a_problem_of_a_service_is_found(
    control_plane: ControlPlane,
    admin: Api,
    namespace: str,
    tmp_path: Path,
    service: Json | None,
    options: tuple[str, ...],
    finding: tuple[str, str, str],
) -> None:
    """Each of these stops the sidecar, or may not be intended."""
    kubeconfig = await admit(control_plane, namespace, tmp_path, rules_of(ROLE) + SERVICES)
    if service is not None:
        await admin.create(objects.service("web", namespace, **service))
    checked = await check(kubeconfig, tmp_path, "--service=web", *options)
    level, about, message = finding
    found = checked.of(f"{about} {namespace}/web")
    assert [one for one in found if one[0] == level and one[1].startswith(message.format(f"{namespace}/web"))], found
    assert checked.code == (level == "error")


async def test_an_invalid_token_is_one_finding(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    """Not one for everything that could not be asked."""
    kubeconfig = scene.write_pass(control_plane, namespace, tmp_path, "no-token").kubeconfig
    checked = await check(kubeconfig, tmp_path, "--service=web")
    assert checked.errors == ["api"]
    assert "The API server does not accept the token (401 on create" in checked.of("api")[0][1]
    assert checked.code == 1


async def test_an_administrator_gets_the_role_of_the_pods(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    """An administrator's permissions say nothing about theirs."""
    kubeconfig = control_plane.kubeconfig(tmp_path / "admin", namespace=namespace)
    checked = await check(kubeconfig, tmp_path, "--service=web", form="text")
    assert f"warning api: {control_plane.url} is reachable; the identity that it sees is the user admin." in checked.out
    role, binding = yaml.safe_load_all(checked.out[checked.out.index("---\n") :])
    assert role["rules"] == rules_of(ROLE)
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}]


@pytest.mark.parametrize(
    ("options", "manifest", "subject"),
    [
        (("--source=endpoints", "--service=app"), "endpoints.yaml", "permissions endpoints in {}"),
        (("--source=pods", "--selector=app=web"), "pods.yaml", "permissions pods in {}"),
    ],
    ids=["endpoints", "pods"],
)
async def test_each_source_has_its_role(
    control_plane: ControlPlane,
    admin: Api,
    namespace: str,
    tmp_path: Path,
    options: tuple[str, ...],
    manifest: str,
    subject: str,
) -> None:
    """It is the one that ships, it is for one object where one is enough, and it is enough."""
    kubeconfig = await admit(control_plane, namespace, tmp_path, [])
    printed = await check(kubeconfig, tmp_path, *options, form="text")
    assert printed.code == 1
    role, binding = yaml.safe_load_all(printed.out[printed.out.index("---\n") :])
    assert role["rules"] == rules_of(ROLE.with_name(manifest))
    for document in (role, binding):
        await admin.create(document)
    about = subject.format(namespace)
    async with asyncio.timeout(30):
        while (after := await check(kubeconfig, tmp_path, *options)).of(about)[0][0] != "ok":
            pass  # the API server has not seen them yet
    assert [message for level, message in after.of(about)] == [
        f"{who(namespace)} may list and watch {subject.split()[1]}."
    ]
    assert [subject for subject in after.errors if subject.startswith("members")] == []


async def test_pods_are_counted(control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path) -> None:
    """As the source would see them, by their selector; no Service is looked for."""
    kubeconfig = await admit(control_plane, namespace, tmp_path, rules_of(ROLE.with_name("pods.yaml")))
    await objects.run_pods(admin, namespace, {"web-0": "10.1.0.1", "web-1": "10.1.0.2"})
    checked = await check(kubeconfig, tmp_path, "--selector=app=web", "--port=admin")
    assert checked.errors == [f"port {namespace}/app=web"] * len(checked.of(f"port {namespace}/app=web"))
    assert "has no port named 'admin'; it has: http (8080)." in checked.of(f"port {namespace}/app=web")[0][1]
    checked = await check(kubeconfig, tmp_path, "--selector=app=web")
    assert checked.of(f"members {namespace}/app=web") == [("ok", "2 members, 2 of them ready, on port 8080.")]
    assert checked.code == 0
    assert not [row for row in checked.rows if row["subject"].startswith(("service", "dns"))]


async def test_dns_with_the_real_coredns(
    control_plane: ControlPlane, coredns: CoreDns, admin: Api, namespace: str, tmp_path: Path
) -> None:
    """Whether it answers, and with what."""
    kubeconfig = await admit(control_plane, namespace, tmp_path, SERVICES)
    await admin.create(objects.service("web", namespace))
    await admin.create(objects.service("vip", namespace, clusterIP=None))
    await objects.run_pods(admin, namespace, {"web-0": "10.1.0.1", "web-1": "10.1.0.2"})
    options = ("--source=dns", f"--dns-server={coredns.host}:{coredns.port}", f"--namespace={namespace}")
    about = f"dns {namespace}/web"
    both = [("ok", "DNS returns 2 records.")]
    async with asyncio.timeout(30):
        while (checked := await check(kubeconfig, tmp_path, *options, "--service=web")).of(about) != both:
            pass  # CoreDNS has not seen them yet
    assert checked.code == 0
    assert not [row for row in checked.rows if row["subject"].startswith("permissions")]
    for service, message in (
        ("vip", f"vip.{namespace}.svc.cluster.local. has the Service's own address (10."),
        ("wbe", "DNS has no address for it (NXDOMAIN)."),
    ):
        checked = await check(kubeconfig, tmp_path, *options, f"--service={service}")
        ((level, said),) = checked.of(f"dns {namespace}/{service}")
        assert level == "error"
        assert said.startswith(message)
        assert checked.code == 1
