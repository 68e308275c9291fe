"""The images, and what each is built from."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.node.configuration import PAUSE
from tests.images import ENABLE, debian, store
from tests.readers import jars

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent

SIDECAR = "docker.io/library/membership-sidecar:0.1.0"
READERS = {
    "docker.io/hazelcast/hazelcast:5.6.0": "hazelcast-5.6.0.jar",
    "docker.io/library/jgroups-chat:5.5.6": "jgroups-5.5.6.Final.jar",
}
"""One image with all of them, under the names that the examples use. A jar is in ``/opt/NAME/lib``."""

INSTALLED = ("Dockerfile", ".dockerignore", "LICENSE", "requirements.txt", "deploy/image", "sidecar")
"""What the project's image is built from."""

READERS_DOCKERFILE = f"""
FROM {debian.JAVA.image}
COPY opt /opt
USER 65534:65534
"""

TOOLS = ("buildah", "debootstrap", "go")


def obstacle() -> str | None:
    """Why the images are not available, and what to do; None if they are, or can be built quickly."""
    if os.geteuid() != 0:
        return "images are made by root, for debootstrap and buildah: run pytest as root"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    reason = jars.missing()
    if reason is not None:
        return reason
    bases = [base.image for base in (debian.PYTHON, debian.JAVA) if not base.exists]
    return f"not made yet: {', '.join(bases)} (to make them: {ENABLE})" if bases else None


def pause() -> Path:
    """The archive of the sandbox's image."""
    source = HERE / "pause" / "main.go"

    def make() -> None:
        with tempfile.TemporaryDirectory() as directory:
            environ = {**os.environ, "CGO_ENABLED": "0"}
            _run(["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", f"{directory}/pause", source], environ)
            (Path(directory) / "Dockerfile").write_text('FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n')
            store.build(PAUSE, Path(directory))

    return store.archive("pause", store.digest(source), PAUSE, make)


def sidecar() -> Path:
    """The archive of the project's image."""
    key = store.digest(debian.PYTHON.key, *(PROJECT / path for path in INSTALLED))

    def make() -> None:
        debian.PYTHON.make()
        store.build(SIDECAR, PROJECT)

    return store.archive("sidecar", key, SIDECAR, make)


def readers() -> Path:
    """The archive of the image with Java and the released readers: exactly their jars, no program of ours."""
    key = store.digest(debian.JAVA.key, READERS_DOCKERFILE, *READERS.values(), jars.POM)
    name = next(iter(READERS))

    def make() -> None:
        debian.JAVA.make()
        with tempfile.TemporaryDirectory() as directory:
            context = Path(directory)
            for jar in READERS.values():
                library = context / "opt" / jar.partition("-")[0] / "lib"
                library.mkdir(parents=True)
                shutil.copy(jars.directory() / jar, library)
            (context / "Dockerfile").write_text(READERS_DOCKERFILE)
            store.build(name, context)

    return store.archive("readers", key, name, make)


def _run(command: Sequence[str | Path], environ: dict[str, str]) -> None:
    ran = subprocess.run(command, check=False, capture_output=True, text=True, env=environ)
    if ran.returncode:
        raise RuntimeError(f"{command[0]}: {ran.stdout}{ran.stderr}")
