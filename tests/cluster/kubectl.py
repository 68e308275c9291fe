"""``kubectl`` as users have it, to render folders and to apply manifests."""

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from tests.cluster.control_plane import ControlPlane

DEADLINE = 60.0
"""Seconds that a call may take."""


class KubectlFailed(Exception):  # noqa: N818 - named like ProgramFailed
    """The command failed; the message is its output."""


@dataclass(frozen=True)
class Kubectl:
    """The program: ``kubectl("kustomize", folder)``; ``kubectl.of(control_plane)("apply", "-f-", given=manifest)``."""

    program: Path
    kubeconfig: Path | None = None

    def of(self, control_plane: ControlPlane) -> "Kubectl":
        """The same program as the administrator of that cluster."""
        return replace(self, kubeconfig=control_plane.kubeconfig(control_plane.directory / "kubectl.kubeconfig"))

    def __call__(self, *arguments: str | Path, given: str = "") -> str:
        """Run it with the arguments and that standard input, and return its output.

        Raises:
            KubectlFailed: with its output.
        """
        # An empty kubeconfig if there is none: never that of the user who runs the tests.
        file = self.kubeconfig or "/dev/null"
        cache = [f"--cache-dir={file.parent / 'kubectl-cache'}"] if isinstance(file, Path) else []
        command = [self.program, f"--kubeconfig={file}", *cache, *arguments]
        ran = subprocess.run(command, check=False, input=given, capture_output=True, text=True, timeout=DEADLINE)
        if ran.returncode:
            raise KubectlFailed(f"kubectl {' '.join(map(str, arguments))}: {ran.stderr.strip()}")
        return ran.stdout
