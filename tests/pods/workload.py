"""Workloads for the tests: applications that do what a test needs, to which ``deploy/component`` is added."""

from collections.abc import Mapping

from tests.cluster.api import Json

IMAGE = "membership-sidecar:0.1.0"
"""It has the shell of its base image, so that no other image is needed."""

LABELS = {"app": "app"}

WAIT = "trap 'exit 0' TERM; sleep infinity & wait"
"""An application that does nothing."""

DRAIN_SECONDS = 3

DRAIN = f"trap 'sleep {DRAIN_SECONDS}; exit 0' TERM; sleep infinity & wait"
"""One that takes a few seconds to end."""


READ_FIRST = f"cat /membership/members.json || exit 1; {WAIT}"
"""One that fails without the file."""

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What the Pod Security Standard "restricted" requires of a container, and a read-only root file system."""


def container(script: str = WAIT, name: str = "main", **fields: object) -> Json:
    """A container that runs as another user than the sidecar.

    Args:
        script: The script for sh.
        name: The name of the container.
        fields: Fields to add or to replace.
    """
    security = RESTRICTED | {"runAsUser": 10001}
    return {"name": name, "image": IMAGE, "command": ["sh", "-c", script], "securityContext": security} | fields


def bare_pod(name: str, namespace: str, *, labels: Mapping[str, str], **spec: object) -> Json:
    """A pod without a controller; without further fields, its only list is that of its container."""
    fields = {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0, "containers": [container()]}
    metadata = {"name": name, "namespace": namespace, "labels": dict(labels)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": fields | spec}


def stateful_set(script: str = WAIT, *, replicas: int = 1, labels: Mapping[str, str] = LABELS, **pod: object) -> Json:
    """A StatefulSet ``app`` that starts all its pods at once.

    Args:
        script: The script of the container ``main``, for sh.
        replicas: The number of pods.
        labels: The labels of the pods, which must include ``LABELS``.
        pod: Fields of the pod spec.
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
