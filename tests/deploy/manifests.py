"""The paths of the manifests, and the objects that kubectl renders from them."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import yaml

from tests.cluster.api import Json
from tests.cluster.kubectl import Kubectl

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
DATA = Path(__file__).with_name("data")

SIDECAR = "membership-sidecar"
"""The name of the container, of the ConfigMap and of the policy."""

APP = """\
resources: [app.yaml]
components: [{component}]
configMapGenerator:
  - name: membership-sidecar
    literals: [MEMBERSHIP_SERVICE=app, MEMBERSHIP_OUTPUT=json=/membership/members.json]
"""
"""A user's kustomization: three lines, and whom to follow."""


def folders(kind: str) -> list[str]:
    """Those of our folders that are a ``Kustomization`` or a ``Component``."""
    files = sorted(DEPLOY.rglob("kustomization.yaml"))
    return [str(file.parent.relative_to(DEPLOY)) for file in files if read(file)[0]["kind"] == kind]


def read(file: Path) -> list[Json]:
    """The objects in a file."""
    return [item for item in yaml.safe_load_all(file.read_text()) if item]


def render(kubectl: Kubectl, folder: Path) -> list[Json]:
    """The objects that ``kubectl kustomize`` renders from the folder."""
    return [item for item in yaml.safe_load_all(kubectl("kustomize", folder)) if item]


def render_app(kubectl: Kubectl, component: str, workloads: Iterable[Json], directory: Path) -> list[Json]:
    """The objects that it renders from a user's workloads with one of our components.

    Args:
        kubectl: the program.
        component: the folder's name.
        workloads: the user's own.
        directory: for the user's files, outside of ours.
    """
    (directory / "app.yaml").write_text(yaml.safe_dump_all(workloads))
    path = os.path.relpath(DEPLOY / component, directory.resolve())
    (directory / "kustomization.yaml").write_text(APP.format(component=path))
    return render(kubectl, directory)


def workload(kind: str = "Deployment", **spec: object) -> Json:
    """A user's workload called ``app``, which the Pod Security Standard "restricted" accepts; ``spec`` is the pod's."""
    container = {
        "name": "main",
        "image": "none",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    labels = {"app": "app"}
    fields: Json = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container], **spec}},
    }
    if kind == "StatefulSet":
        fields["serviceName"] = "app"
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "app"}, "spec": fields}


def pods_of(items: Iterable[Json]) -> list[Json]:
    """The pods that the controllers would create for the workloads among the objects."""
    return [
        pod(item["metadata"]["name"], template.get("metadata", {}), template["spec"])
        for item in items
        if (template := item.get("spec", {}).get("template"))
    ]


def pod(name: str, metadata: Json, spec: Json) -> Json:
    """A pod. It names its service account, because the admission plug-in that adds it does not run in these tests."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **metadata},
        "spec": {"serviceAccountName": "default", **spec},
    }


def dry_run(cluster: Kubectl, namespace: str, *items: Json) -> list[Json]:
    """The objects as the API server would store them now; an unknown field is an error.

    Raises:
        KubectlFailed: with the reasons.
    """
    given = yaml.safe_dump_all(items)
    options = ("--dry-run=server", "--validate=strict", "--output=yaml", f"--namespace={namespace}")
    return list(yaml.safe_load_all(cluster("create", *options, "--filename=-", given=given)))


def ask(cluster: Kubectl, review: Json) -> Json:
    """The response to a review, which is an object that is created and never stored."""
    answer: Json = json.loads(cluster("create", "--output=json", "--filename=-", given=json.dumps(review)))
    return answer


def container(spec: Json, name: str = SIDECAR) -> Json:
    """The pod's container of that name, which must exist exactly once."""
    found = [one for one in [*spec.get("initContainers", []), *spec["containers"]] if one["name"] == name]
    assert len(found) == 1
    return dict(found[0])
