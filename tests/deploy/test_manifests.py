"""Every folder can be rendered, and the real API server accepts the result, even in a "restricted" namespace.

Scope: what can be tested without pods. The injection is in ``test_injection``, the alerts in ``test_monitoring``.
"""

import re
from pathlib import Path

import pytest

from sidecar import __version__
from sidecar.cli import parse
from sidecar.settings.options import OPTIONS
from sidecar.settings.parsing import duration
from tests.cluster.api import Json
from tests.cluster.kubectl import Kubectl, KubectlFailed
from tests.deploy.manifests import (
    DEPLOY,
    ROOT,
    SIDECAR,
    ask,
    container,
    dry_run,
    folders,
    pod,
    pods_of,
    read,
    render,
    render_app,
    workload,
)

VARIANTS = ["component", "component-classic"]
KINDS = ["DaemonSet", "Deployment", "StatefulSet"]

START_TIMEOUT = next(option for option in OPTIONS if option.name == "start-timeout")


def sidecar_of(variant: str) -> Json:
    """The container that runs beside the application, as in the manifest."""
    if variant == "component":
        return container(read(DEPLOY / variant / "sidecar.yaml")[0]["spec"]["template"]["spec"] | {"containers": []})
    operations: list[Json] = read(DEPLOY / variant / "run.yaml")[0]  # type: ignore[assignment]  # the file is a list
    return dict(operations[0]["value"])


@pytest.mark.parametrize("folder", folders("Kustomization"))
def test_the_api_server_accepts_every_folder(cluster: Kubectl, namespace: str, folder: str) -> None:
    """As ``kubectl apply -k`` sends it, without unknown fields."""
    rendered = render(cluster, DEPLOY / folder)
    stored = dry_run(cluster, namespace, *rendered)
    assert [item["kind"] for item in stored] == [item["kind"] for item in rendered]


@pytest.mark.parametrize("file", sorted((DEPLOY / "rbac").glob("*.yaml")), ids=lambda file: file.stem)
def test_the_api_server_accepts_the_role_of_every_source(cluster: Kubectl, namespace: str, file: Path) -> None:
    """As ``kubectl apply -f`` sends it, even those that are in no folder."""
    if file.stem != "kustomization":
        assert [item["kind"] for item in dry_run(cluster, namespace, *read(file))] == ["Role", "RoleBinding"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_component_fits_every_workload(
    cluster: Kubectl, restricted: str, tmp_path: Path, variant: str, kind: str
) -> None:
    """Three lines add the sidecar, give the first container the files, and "restricted" accepts workload and pod."""
    rendered = render_app(cluster, variant, [workload(kind)], tmp_path)
    dry_run(cluster, restricted, *rendered)
    (stored,) = dry_run(cluster, restricted, *pods_of(rendered))
    spec = stored["spec"]
    assert container(spec)["args"] == ["run"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["containers"][0]["name"] == "main"
    assert spec["containers"][0]["volumeMounts"] == [
        {"name": "membership", "mountPath": "/membership", "readOnly": True}
    ]
    gate = container(spec) if variant == "component" else container(spec, "membership-once")
    assert spec["initContainers"] == [gate]
    assert gate.get("restartPolicy") == ("Always" if variant == "component" else None)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_component_keeps_what_the_application_has(
    cluster: Kubectl, namespace: str, tmp_path: Path, variant: str
) -> None:
    """Its own volumes, mounts, containers and init containers, which come after the gate."""
    own = workload(
        initContainers=[{"name": "own-init", "image": "none"}],
        volumes=[{"name": "own", "emptyDir": {}}],
        containers=[
            {"name": "first", "image": "none", "volumeMounts": [{"name": "own", "mountPath": "/own"}]},
            {"name": "second", "image": "none"},
        ],
    )
    (stored,) = dry_run(cluster, namespace, *pods_of(render_app(cluster, variant, [own], tmp_path)))
    spec = stored["spec"]
    assert [one["name"] for one in spec["containers"]][:2] == ["first", "second"]
    assert spec["initContainers"][-1]["name"] == "own-init"
    assert [one["mountPath"] for one in spec["containers"][0]["volumeMounts"]] == ["/own", "/membership"]
    assert "volumeMounts" not in spec["containers"][1]
    assert {"own", "membership", "membership-token"} == {volume["name"] for volume in spec["volumes"]}


def test_only_the_sidecar_gets_the_token(cluster: Kubectl, namespace: str, tmp_path: Path) -> None:
    """No other container of the pod mounts its volume."""
    (stored,) = dry_run(cluster, namespace, *pods_of(render_app(cluster, "component", [workload()], tmp_path)))
    spec = stored["spec"]
    mounting = [
        one["name"]
        for one in [*spec["initContainers"], *spec["containers"]]
        if any(mount["name"] == "membership-token" for mount in one["volumeMounts"])
    ]
    assert mounting == [SIDECAR]


@pytest.mark.parametrize("example", [folder for folder in folders("Kustomization") if folder.startswith("examples/")])
def test_restricted_accepts_the_pods_of_every_example(cluster: Kubectl, restricted: str, example: str) -> None:
    """So that the controllers can create them."""
    (stored,) = dry_run(cluster, restricted, *pods_of(render(cluster, DEPLOY / example)))
    assert container(stored["spec"])["args"] == ["run"]


def test_the_namespace_of_these_tests_is_restricted(cluster: Kubectl, restricted: str) -> None:
    """A pod without a security context is refused there, so that the tests above can fail."""
    with pytest.raises(KubectlFailed, match="violates PodSecurity"):
        dry_run(cluster, restricted, pod("careless", {}, {"containers": [{"name": "main", "image": "none"}]}))


@pytest.mark.parametrize("example", [folder for folder in folders("Kustomization") if folder.startswith("examples/")])
def test_the_sidecar_understands_the_configuration_of_every_example(kubectl: Kubectl, example: str) -> None:
    """It would not end with exit code 2."""
    maps = [item for item in render(kubectl, DEPLOY / example) if item["kind"] == "ConfigMap"]
    (data,) = [item["data"] for item in maps if item["metadata"]["name"].startswith(SIDECAR)]
    assert [str(service) for service in parse({}, data).service]


def test_both_components_add_the_same_container() -> None:
    """Except for the restart policy, which makes one of them a native sidecar."""
    native = sidecar_of("component")
    assert native.pop("restartPolicy") == "Always"
    assert sidecar_of("component-classic") == native


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_sidecar_that_fails_says_why_in_the_status_of_its_pod(kubectl: Kubectl, tmp_path: Path, variant: str) -> None:
    """The kubelet takes the end of its log for the termination message; the app's containers stay as they are."""
    (rendered,) = pods_of(render_app(kubectl, variant, [workload()], tmp_path))
    spec = rendered["spec"]
    policies = {
        one["name"]: one.get("terminationMessagePolicy") for one in [*spec["initContainers"], *spec["containers"]]
    }
    assert policies.pop("main") is None
    assert SIDECAR in policies
    assert set(policies.values()) == {"FallbackToLogsOnError"}


@pytest.mark.parametrize("example", [folder for folder in folders("Kustomization") if folder.startswith("examples/")])
def test_every_container_of_an_example_says_why_it_failed(kubectl: Kubectl, example: str) -> None:
    """Its server's, too: an example that does not start should be easy to understand."""
    for one in pods_of(render(kubectl, DEPLOY / example)):
        containers = [*one["spec"]["initContainers"], *one["spec"]["containers"]]
        assert {each.get("terminationMessagePolicy") for each in containers} == {"FallbackToLogsOnError"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_startup_probe_outlasts_the_start_timeout(variant: str) -> None:
    """The sidecar ends its wait by itself; the kubelet does not kill it before."""
    probe = sidecar_of(variant)["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] > duration(str(START_TIMEOUT.default))


def test_every_manifest_has_the_image_of_this_version() -> None:
    """And the image says so."""
    files = [file for file in DEPLOY.rglob("*.yaml") if "image: membership-sidecar" in file.read_text()]
    files += [DEPLOY / "injection" / "policy.yaml", ROOT / "Dockerfile"]
    assert len(files) == 5
    tags = {tag for file in files for tag in re.findall(r"membership-sidecar:(\d\S*?)[\"\s]", file.read_text())}
    assert tags == {__version__}
    assert f'org.opencontainers.image.version="{__version__}"' in (ROOT / "Dockerfile").read_text()


EVERYTHING = [
    ("discovery.k8s.io", "endpointslices", ""),
    ("", "endpoints", ""),
    ("", "endpoints", "app"),
    ("", "pods", ""),
    ("apps", "deployments", "app"),
    ("", "secrets", ""),
]
"""Group, resource, name."""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("endpointslice", {("discovery.k8s.io", "endpointslices", "")}, id="endpointslice"),
        pytest.param("endpoints", {("", "endpoints", "app")}, id="endpoints"),
        pytest.param("pods", {("", "pods", "")}, id="pods"),
    ],
)
def test_a_role_allows_the_source_to_list_and_watch_its_objects_and_nothing_else(
    cluster: Kubectl, namespace: str, source: str, expected: set[tuple[str, str, str]]
) -> None:
    """According to the real authorizer."""
    cluster("apply", f"--namespace={namespace}", f"--filename={DEPLOY / 'rbac' / source}.yaml")
    for verb in ("list", "watch"):
        assert {what for what in EVERYTHING if allowed(cluster, namespace, verb, *what)} == expected
    for verb in ("create", "update", "patch", "delete"):
        assert not [what for what in EVERYTHING if allowed(cluster, namespace, verb, *what)]


def test_the_role_for_the_replicas_allows_only_reading(cluster: Kubectl, namespace: str) -> None:
    """Of a pod and its controllers, one object at a time."""
    cluster("apply", f"--namespace={namespace}", f"--filename={DEPLOY / 'rbac' / 'replicas.yaml'}")
    assert allowed(cluster, namespace, "get", "apps", "deployments", "app")
    assert not allowed(cluster, namespace, "list", "apps", "deployments", "")
    assert not allowed(cluster, namespace, "list", "", "pods", "")


def allowed(cluster: Kubectl, namespace: str, verb: str, group: str, resource: str, name: str) -> bool:
    """Whether the namespace's default service account may do it."""
    attributes = {"namespace": namespace, "verb": verb, "group": group, "resource": resource, "name": name}
    review: Json = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "metadata": {},
        "spec": {"user": f"system:serviceaccount:{namespace}:default", "resourceAttributes": attributes},
    }
    return bool(ask(cluster, review)["status"]["allowed"])
