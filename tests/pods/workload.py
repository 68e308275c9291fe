"""Workloads of the tests' own: an application that does what a test needs, to which ``deploy/component`` is added."""

from tests.cluster.api import Json

IMAGE = "membership-sidecar:0.1.0"
"""It has a shell, since its base has; no other image is needed."""

LABELS = {"app": "app"}

WAIT = "trap 'exit 0' TERM; sleep infinity & wait"
"""The application that only is there."""

DRAIN_SECONDS = 3

DRAIN = f"trap 'sleep {DRAIN_SECONDS}; exit 0' TERM; sleep infinity & wait"
"""One that takes its time to end."""


def stateful_set(script: str = WAIT, *, replicas: int = 1, **pod: object) -> Json:
    """A StatefulSet ``app`` that starts all its pods at once.

    Args:
        script: Of the container ``main``, for sh.
        replicas: How many.
        pod: Fields of the pod's spec.
    """
    main = {
        "name": "main",
        "image": IMAGE,
        "command": ["sh", "-c", script],
        "securityContext": {"runAsUser": 10001, "readOnlyRootFilesystem": True},
    }
    spec = {"terminationGracePeriodSeconds": 10, "containers": [main]} | pod
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "app"},
        "spec": {
            "replicas": replicas,
            "serviceName": "app",
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": spec},
        },
    }
