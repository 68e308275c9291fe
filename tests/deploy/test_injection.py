"""A label is enough: the real API server adds the sidecar to a pod that has it, and leaves every other pod alone.

Scope: the pod that the API server stores. That it runs is shown where pods run.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sidecar.cli import parse
from tests.cluster.api import Json
from tests.cluster.kubectl import Kubectl, KubectlFailed
from tests.deploy.manifests import (
    DEPLOY,
    SIDECAR,
    container,
    dry_run,
    pod,
    pods_of,
    render_app,
    workload,
)

FOLDER = DEPLOY / "injection"
LABEL = "membership-sidecar/service"
ASKS = {"labels": {LABEL: "app"}}
MOUNT = {"name": "membership", "mountPath": "/membership", "readOnly": True}

TRIES = 100
"""A new policy is in force within a second, a try takes 0.1 s, and nothing tells when it is."""


def plain(**spec: object) -> Json:
    """A pod's spec with no list but the one it must have."""
    return {"containers": [{"name": "main", "image": "none"}], **spec}


def asking(spec: Json, **annotations: str) -> Json:
    """A pod that asks for the sidecar, with these options."""
    options = {f"membership-sidecar/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return pod("app", ASKS | ({"annotations": options} if options else {}), spec)


def variables(stored: Json) -> dict[str, str]:
    """Those of the sidecar that have a value."""
    return {one["name"]: one["value"] for one in container(stored["spec"])["env"] if "value" in one}


@pytest.fixture(scope="module")
def injecting(cluster: Kubectl) -> Iterator[Kubectl]:
    """The cluster with the policy in force, until these tests are over."""
    cluster("apply", "--kustomize", FOLDER)
    try:
        for _ in range(TRIES):
            (stored,) = dry_run(cluster, "default", asking(plain()))
            if "initContainers" in stored["spec"]:
                break
        else:
            pytest.fail("the policy is not in force")
        yield cluster
    finally:
        cluster("delete", "--kustomize", FOLDER)


def test_a_labelled_pod_gets_what_the_component_adds(injecting: Kubectl, restricted: str, tmp_path: Path) -> None:
    """The same container but for its variables, the same volumes, the same mount; and "restricted" accepts it."""
    template = workload()["spec"]["template"]
    (injected,) = dry_run(injecting, restricted, asking(template["spec"]))
    (added,) = dry_run(injecting, restricted, *pods_of(render_app(injecting, "component", [workload()], tmp_path)))
    found, expected = (container(stored["spec"]) for stored in (injected, added))
    assert found.keys() ^ expected.keys() == {"envFrom"}
    assert [name for name in found if name != "env" and found[name] != expected[name]] == []
    assert injected["spec"]["volumes"] == added["spec"]["volumes"]
    assert injected["spec"]["containers"] == added["spec"]["containers"]
    assert [one["name"] for one in found["env"] if "valueFrom" in one] == ["MEMBERSHIP_POD_UID", "MEMBERSHIP_POD_NAME"]


def test_an_unlabelled_pod_is_untouched(injecting: Kubectl, namespace: str) -> None:
    """Nothing is added, whatever else it has in common with a labelled one."""
    annotations = {"membership-sidecar/output": "json=/membership/members.json"}
    (stored,) = dry_run(injecting, namespace, pod("app", {"annotations": annotations}, plain()))
    assert "initContainers" not in stored["spec"]
    assert "volumes" not in stored["spec"]
    assert "volumeMounts" not in stored["spec"]["containers"][0]


def test_lists_that_are_not_there_are_made(injecting: Kubectl, namespace: str) -> None:
    """A pod with one container and nothing else."""
    (stored,) = dry_run(injecting, namespace, asking(plain()))
    assert [one["name"] for one in stored["spec"]["initContainers"]] == [SIDECAR]
    assert [one["name"] for one in stored["spec"]["volumes"]] == ["membership", "membership-token"]
    assert stored["spec"]["containers"][0]["volumeMounts"] == [MOUNT]


def test_lists_that_are_there_are_kept(injecting: Kubectl, namespace: str) -> None:
    """The sidecar comes before the pod's init containers, the volumes and the mount after its own."""
    own = plain(
        initContainers=[{"name": "own", "image": "none"}],
        volumes=[{"name": "own", "emptyDir": {}}],
        containers=[
            {"name": "first", "image": "none", "volumeMounts": [{"name": "own", "mountPath": "/own"}]},
            {"name": "second", "image": "none"},
        ],
    )
    (stored,) = dry_run(injecting, namespace, asking(own))
    assert [one["name"] for one in stored["spec"]["initContainers"]] == [SIDECAR, "own"]
    assert [one["name"] for one in stored["spec"]["volumes"]] == ["own", "membership", "membership-token"]
    first, second = stored["spec"]["containers"]
    assert first["volumeMounts"] == [{"name": "own", "mountPath": "/own"}, MOUNT]
    assert "volumeMounts" not in second


def test_a_volume_and_a_mount_of_the_pods_own_are_used(injecting: Kubectl, namespace: str) -> None:
    """They may be in memory, or writable: that is the pod's business."""
    mount = {"name": "membership", "mountPath": "/membership"}
    own = plain(
        volumes=[{"name": "membership", "emptyDir": {"medium": "Memory"}}],
        containers=[{"name": "main", "image": "none", "volumeMounts": [mount]}],
    )
    (stored,) = dry_run(injecting, namespace, asking(own))
    volumes = {volume["name"]: volume for volume in stored["spec"]["volumes"]}
    assert volumes["membership"]["emptyDir"] == {"medium": "Memory"}
    assert stored["spec"]["containers"][0]["volumeMounts"] == [mount]


def test_applying_twice_changes_nothing(injecting: Kubectl, namespace: str) -> None:
    """What came out, put in again, comes out the same."""
    (once,) = dry_run(injecting, namespace, asking(plain(), port="members"))
    again = pod("app", {"labels": once["metadata"]["labels"], "annotations": once["metadata"]["annotations"]}, {})
    (twice,) = dry_run(injecting, namespace, again | {"spec": once["spec"]})
    assert twice["spec"] == once["spec"]


@pytest.mark.parametrize("variant", ["component", "component-classic"])
def test_a_pod_that_has_the_sidecar_already_gets_no_other(
    injecting: Kubectl, namespace: str, tmp_path: Path, variant: str
) -> None:
    """A label beside a component is no mistake."""
    (own,) = pods_of(render_app(injecting, variant, [workload()], tmp_path))
    (unlabelled,) = dry_run(injecting, namespace, own)
    own["metadata"]["labels"][LABEL] = "app"
    (labelled,) = dry_run(injecting, namespace, own)
    assert labelled["spec"] == unlabelled["spec"]


def test_a_policy_that_comes_later_changes_nothing_of_it(injecting: Kubectl, namespace: str) -> None:
    """Whichever comes first: the API server runs ours again after the other, and there is one sidecar all the same."""
    others = [item for name in ("a-other", "z-other") for item in other_policy(name, namespace)]
    injecting("apply", "--filename=-", given=yaml.safe_dump_all(others))
    try:
        for _ in range(TRIES):
            (stored,) = dry_run(injecting, namespace, asking(plain()))
            if {"a-other", "z-other"} <= stored["metadata"].get("annotations", {}).keys():
                break
        else:
            pytest.fail("the other policies are not in force")
    finally:
        injecting("delete", "--filename=-", given=yaml.safe_dump_all(others))
    assert [one["name"] for one in stored["spec"]["initContainers"]] == [SIDECAR]
    assert [one["name"] for one in stored["spec"]["volumes"]] == ["membership", "membership-token"]
    assert stored["spec"]["containers"][0]["volumeMounts"] == [MOUNT]


def test_the_label_names_the_service_and_every_format_is_written(injecting: Kubectl, namespace: str) -> None:
    """With no annotation at all, the sidecar has what it needs."""
    (stored,) = dry_run(injecting, namespace, asking(plain()))
    settings = parse({}, variables(stored))
    assert [service.name for service in settings.service] == ["app"]
    assert {output.form.name for output in settings.output} == {
        "json",
        "hazelcast-xml",
        "hazelcast-yaml",
        "jgroups",
    }


def test_every_option_can_be_an_annotation(injecting: Kubectl, namespace: str) -> None:
    """The Service too, where a label cannot name it."""
    options = {"service": "app,other.elsewhere", "output": "json=/membership/m.json", "not_ready": "exclude"}
    (stored,) = dry_run(injecting, namespace, asking(plain(), **options))
    assert variables(stored) == {
        "MEMBERSHIP_SERVICE": "app,other.elsewhere",
        "MEMBERSHIP_OUTPUT": "json=/membership/m.json",
        "MEMBERSHIP_NOT_READY": "exclude",
    }
    assert parse({}, variables(stored)).not_ready == "exclude"


def test_annotations_of_others_are_not_options(injecting: Kubectl, namespace: str) -> None:
    """Only those with our prefix."""
    metadata = {**ASKS, "annotations": {"example.com/membership-sidecar": "theirs", "membership": "mine"}}
    (stored,) = dry_run(injecting, namespace, pod("app", metadata, plain()))
    assert variables(stored).keys() == {"MEMBERSHIP_SERVICE", "MEMBERSHIP_OUTPUT"}


def test_a_pod_that_the_api_server_refuses_is_refused_for_its_own_fault(injecting: Kubectl, namespace: str) -> None:
    """A label does not hide what is wrong with the pod."""
    with pytest.raises(KubectlFailed, match=r"spec\.containers\[0\]\.image: Required value"):
        dry_run(injecting, namespace, asking({"containers": [{"name": "main"}]}))


def other_policy(name: str, namespace: str) -> list[Json]:
    """Somebody else's policy, which adds an annotation, and its binding to the namespace."""
    version = "admissionregistration.k8s.io/v1"
    expression = f'Object{{metadata: Object.metadata{{annotations: {{"{name}": "was here"}}}}}}'
    return [
        {
            "apiVersion": version,
            "kind": "MutatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "reinvocationPolicy": "IfNeeded",
                "matchConstraints": {
                    "resourceRules": [
                        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                    ]
                },
                "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
            },
        },
        {
            "apiVersion": version,
            "kind": "MutatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {
                "policyName": name,
                "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}},
            },
        },
    ]
