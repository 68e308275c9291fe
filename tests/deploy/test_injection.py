"""The real API server adds the sidecar to a pod that has the label, and changes no other pod.

Scope: the pod that the API server stores. That it runs is tested with pods.
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
"""A new policy is in force within a second, which can only be seen by trying; a try takes 0.1 s."""


def plain(**spec: object) -> Json:
    """A pod's spec with only the required list."""
    return {"containers": [{"name": "main", "image": "none"}], **spec}


def asking(spec: Json, **annotations: str) -> Json:
    """A pod with the label for the sidecar, and these options."""
    options = {f"membership-sidecar/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return pod("app", ASKS | ({"annotations": options} if options else {}), spec)


def variables(stored: Json) -> dict[str, str]:
    """The variables of the sidecar that have a value."""
    return {one["name"]: one["value"] for one in container(stored["spec"])["env"] if "value" in one}


@pytest.fixture(scope="module")
def injecting(cluster: Kubectl) -> Iterator[Kubectl]:
    """The cluster with the policy in force until the end of these tests."""
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
    """The same container except for its variables, the same volumes and mount; and "restricted" accepts it."""
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


def test_missing_lists_are_created(injecting: Kubectl, namespace: str) -> None:
    """A pod with one container and nothing else."""
    (stored,) = dry_run(injecting, namespace, asking(plain()))
    assert [one["name"] for one in stored["spec"]["initContainers"]] == [SIDECAR]
    assert [one["name"] for one in stored["spec"]["volumes"]] == ["membership", "membership-token"]
    assert stored["spec"]["containers"][0]["volumeMounts"] == [MOUNT]


def test_existing_lists_are_kept(injecting: Kubectl, namespace: str) -> None:
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
    """The pod may choose that they are in memory, or writable."""
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
    """The result, applied again, stays the same."""
    (once,) = dry_run(injecting, namespace, asking(plain(), port="members"))
    again = pod("app", {"labels": once["metadata"]["labels"], "annotations": once["metadata"]["annotations"]}, {})
    (twice,) = dry_run(injecting, namespace, again | {"spec": once["spec"]})
    assert twice["spec"] == once["spec"]


@pytest.mark.parametrize("variant", ["component", "component-classic"])
def test_a_pod_that_has_the_sidecar_gets_no_second_one(
    injecting: Kubectl, namespace: str, tmp_path: Path, variant: str
) -> None:
    """A label beside a component is not an error."""
    (own,) = pods_of(render_app(injecting, variant, [workload()], tmp_path))
    (unlabelled,) = dry_run(injecting, namespace, own)
    own["metadata"]["labels"][LABEL] = "app"
    (labelled,) = dry_run(injecting, namespace, own)
    assert labelled["spec"] == unlabelled["spec"]


def test_the_order_of_policies_does_not_matter(injecting: Kubectl, namespace: str) -> None:
    """The API server runs our policy again after another one, and there is still only one sidecar."""
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


def test_the_label_names_the_service_and_all_formats_are_written(injecting: Kubectl, namespace: str) -> None:
    """Without any annotation, the sidecar has what it needs."""
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
    """Even the Service, where a label cannot name it."""
    options = {"service": "app,other.elsewhere", "output": "json=/membership/m.json", "not_ready": "exclude"}
    (stored,) = dry_run(injecting, namespace, asking(plain(), **options))
    assert variables(stored) == {
        "MEMBERSHIP_SERVICE": "app,other.elsewhere",
        "MEMBERSHIP_OUTPUT": "json=/membership/m.json",
        "MEMBERSHIP_NOT_READY": "exclude",
    }
    assert parse({}, variables(stored)).not_ready == "exclude"


def test_annotations_of_others_are_not_options(injecting: Kubectl, namespace: str) -> None:
    """Only annotations with our prefix are."""
    metadata = {**ASKS, "annotations": {"example.com/membership-sidecar": "theirs", "membership": "mine"}}
    (stored,) = dry_run(injecting, namespace, pod("app", metadata, plain()))
    assert variables(stored).keys() == {"MEMBERSHIP_SERVICE", "MEMBERSHIP_OUTPUT"}


def test_an_invalid_pod_is_refused_for_its_own_error(injecting: Kubectl, namespace: str) -> None:
    """The label does not hide what is wrong with the pod."""
    with pytest.raises(KubectlFailed, match=r"spec\.containers\[0\]\.image: Required value"):
        dry_run(injecting, namespace, asking({"containers": [{"name": "main"}]}))


def other_policy(name: str, namespace: str) -> list[Json]:
    """Another policy, which adds an annotation, and its binding to the namespace."""
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
