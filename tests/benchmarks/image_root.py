"""The sidecar as the image runs it, without a container runtime: a Debian root with a venv in it, entered by chroot.

The venv has the same path as in the image, the variables are the Dockerfile's, and everything, the standard library
included, is compiled in the same way. The root is built once for each ``requirements.txt`` and each such environment.
It needs root and debootstrap; without them there is a message instead of the figures. The mounts are in a mount
namespace of our own and vanish with this process, however it ends.
"""

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks import image, subjects
from tests.benchmarks.subjects import Subject, Target

PYTHON = "python3.15"
PACKAGES = f"{PYTHON},{PYTHON}-venv,ca-certificates"
MACHINE = ("/etc/resolv.conf", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
"""Files of the machine, if it has them, that configure where packages come from."""

PYTHON_INSIDE = f"{image.ENVIRONMENT}/bin/python"
PACKAGE_INSIDE = f"{image.ENVIRONMENT}/lib/{PYTHON}/site-packages/sidecar"
COMMAND_INSIDE = f"{image.ENVIRONMENT}/bin/membership-sidecar"

COMPILE = f"""
import assemble
assemble.compile_all()
command = assemble.Path("{COMMAND_INSIDE}")
command.write_text(assemble.COMMAND)
command.chmod(0o755)
"""
"""What the image's build does, but for the package, of which each run brings its own."""

ACCOUNT = "serviceaccount"
"""A directory with ``token``, ``ca.crt`` and ``namespace``."""

CLONE_NEWNS = 0x20000
"""A mount namespace (unshare(2))."""


def obstacle() -> str:
    """Why the root cannot be built; empty if it can."""
    if os.geteuid() != 0:
        return "Python 3.15 is left out: debootstrap and chroot need root."
    if shutil.which("debootstrap") is None:
        return "Python 3.15 is left out: install the package debootstrap."
    return ""


def enter_namespace() -> None:
    """Keep all further mounts within this process and its children. Call it before any thread is started."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    _run("mount", "--make-rprivate", "/")


def root(requirements: Path) -> Path:
    """The directory of the Debian root, built if it does not exist yet.

    Raises:
        subprocess.CalledProcessError: if it cannot be built.
    """
    recipe = (PACKAGES, requirements.read_bytes(), _environment(), image.ASSEMBLE.read_bytes(), COMPILE)
    digest = hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]
    built = subjects.cache() / f"{PYTHON}-{digest}"
    if built.exists():
        return built
    subjects.cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=".building-", dir=subjects.cache(), ignore_cleanup_errors=True
    ) as directory:
        unfinished = Path(directory) / "root"
        _run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "sid", unfinished)
        for file in map(Path, MACHINE):
            if file.exists():
                shutil.copyfile(file, unfinished / file.relative_to("/"))
        shutil.copyfile(requirements, unfinished / "requirements.txt")
        shutil.copyfile(image.ASSEMBLE, unfinished / "assemble.py")
        pip = (PYTHON_INSIDE, "-m", "pip", "install", "--no-compile", "--require-hashes", "-r", "/requirements.txt")
        with _mounted(unfinished, "-t", "proc", "proc", "/proc"):
            _run("chroot", unfinished, PYTHON, "-m", "venv", image.ENVIRONMENT)
            _run("chroot", unfinished, *pip)
            _run("chroot", unfinished, "env", "-i", *_environment(), "PYTHONPATH=/", PYTHON_INSIDE, "-c", COMPILE)
        unfinished.rename(built)
    return built


@contextmanager
def inside(requirements: Path, scratch: Path, app: Path) -> Iterator[Sequence[str | Path]]:
    """The prefix of a command that runs it as in a container of the image, until the end of the block.

    Args:
        requirements: the pinned dependencies.
        scratch: everything that the program reads and writes; it has the same path inside. What is in its directory
            ``ACCOUNT`` is where the kubelet would mount a service account.
        app: the directory of the package's copy, below *scratch*.
    """
    where = root(requirements)
    prefix: Sequence[str | Path] = ["chroot", where, "env", "-i", *_environment()]
    account, byte_code = scratch / ACCOUNT, scratch / "byte-code"
    account.mkdir()
    byte_code.mkdir()
    with (
        _mounted(where, "-t", "proc", "proc", "/proc"),
        _mounted(where, "--bind", scratch, scratch),
        _mounted(where, "--bind", account, "/run/secrets/kubernetes.io/serviceaccount"),
        _mounted(where, "--bind", app / "sidecar", PACKAGE_INSIDE),
        _mounted(where, "--bind", byte_code, image.environment()["PYTHONPYCACHEPREFIX"] + PACKAGE_INSIDE),
    ):
        subjects.compile_all(PACKAGE_INSIDE, *prefix, PYTHON_INSIDE)
        yield prefix


def sidecar(prefix: Sequence[str | Path], *, settle: bool, pods: bool = False) -> Subject:
    """The sidecar on Python 3.15, with a pod's credentials.

    Args:
        prefix: what ``inside`` gives.
        settle: as in ``subjects.sidecar``.
        pods: likewise.
    """

    def command(target: Target) -> list[str | Path]:
        pod = [f"KUBERNETES_SERVICE_HOST={target.host}", f"KUBERNETES_SERVICE_PORT={target.port}"]
        return [*prefix, *pod, COMMAND_INSIDE, *subjects.arguments(target, settle=settle, pods=pods)]

    return Subject(subjects.title("Python 3.15 lazy", pods=pods), command, lazy=True)


def _environment() -> list[str]:
    return [f"{name}={value}" for name, value in image.environment().items()]


@contextmanager
def _mounted(where: Path, *arguments: str | Path) -> Iterator[None]:
    """Call mount; the last of *arguments* is the mount point inside *where*."""
    *options, inside = arguments
    point = where / Path(inside).relative_to("/")
    point.mkdir(parents=True, exist_ok=True)
    _run("mount", *options, point)
    try:
        yield
    finally:
        _run("umount", point)


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
