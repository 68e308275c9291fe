"""Workloads of the tests' own: an application that does what a test needs, to which ``deploy/component`` is added."""

from collections.abc import Mapping

from tests.cluster.api import Json

IMAGE = "membership-sidecar:0.1.0"
"""It has a shell, since its base has; no other image is needed."""

LABELS = {"app": "app"}

WAIT = "trap 'exit 0' TERM; sleep infinity & wait"
"""The application that only is there."""

DRAIN_SECONDS = 3

DRAIN = f"trap 'sleep {DRAIN_SECONDS}; exit 0' TERM; sleep infinity & wait"
"""One that takes its time to end."""


READ_FIRST = f"cat /membership/members.json || exit 1; {WAIT}"
"""One that cannot do without the file."""

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What the Pod Security Standard "restricted" asks of a container, and a read-only root file system."""


def container(script: str = WAIT, name: str = "main", **fields: object) -> Json:
    """A container that is not of the sidecar's user.

    Args:
        script: For sh.
        name: What it is called.
        fields: Further ones, or others.
    """
    security = RESTRICTED | {"runAsUser": 10001}
    return {"name": name, "image": IMAGE, "command": ["sh", "-c", script], "securityContext": security} | fields


def bare_pod(name: str, namespace: str, *, labels: Mapping[str, str], **spec: object) -> Json:
    """A pod that nobody has made but the test; without further fields, it has no list but that of its container."""
    fields = {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0, "containers": [container()]}
    metadata = {"name": name, "namespace": namespace, "labels": dict(labels)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": fields | spec}


def stateful_set(script: str = WAIT, *, replicas: int = 1, labels: Mapping[str, str] = LABELS, **pod: object) -> Json:
    """A StatefulSet ``app`` that starts all its pods at once.

    Args:
        script: Of the container ``main``, for sh.
        replicas: How many.
        labels: The pods', which ``LABELS`` must be among.
        pod: Fields of the pod's spec.
    """
    spec = {"terminationGracePeriodSeconds": 10, "containers": [container(script)]} | pod
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "app"},
        "spec": {
            "replicas": replicas,
            "serviceName": "app",
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": dict(labels)}, "spec": spec},
        },
    }
