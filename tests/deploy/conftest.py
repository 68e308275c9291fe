"""The fixtures of this package."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.deploy.manifests import DATA
from tests.real.sidecar import Sidecar


@pytest.fixture(scope="session")
def cluster(control_plane: ControlPlane, kubectl: Kubectl) -> Kubectl:
    """``kubectl`` as the administrator of the shared cluster, which has the Prometheus operator's kinds."""
    administrator = kubectl.of(control_plane)
    administrator("apply", "--server-side", f"--filename={DATA / 'podmonitors.yaml'}")
    administrator("apply", "--server-side", f"--filename={DATA / 'prometheusrules.yaml'}")
    administrator("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    return administrator


@pytest.fixture
def restricted(cluster: Kubectl, namespace: str) -> str:
    """A new namespace that enforces the Pod Security Standard "restricted"."""
    cluster("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    return namespace


@pytest.fixture(scope="session")
def tool(pytestconfig: pytest.Config) -> Callable[[str, str], str]:
    """Finds a program of a Debian package; without it the test is skipped, or fails under ``--require-cluster``."""

    def find(program: str, package: str) -> str:
        found = shutil.which(program)
        if found is None:
            reason = f"not installed: {program} (Debian's package {package} has it)"
            if pytestconfig.getoption("--require-cluster"):
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)
        return found

    return find


@pytest.fixture
def start_sidecar(tmp_path: Path) -> Iterator[Callable[..., Sidecar]]:
    """Creates a ``Sidecar`` that ends with the test."""
    made: list[Sidecar] = []

    def make(kubeconfig: Path, *options: str) -> Sidecar:
        made.append(Sidecar(tmp_path, kubeconfig, *options))
        return made[-1]

    yield make
    for one in made:
        one.clean_up()
