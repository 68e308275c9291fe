"""Python 3.15 as the image has it, without a container runtime: a Debian root with a venv in it, entered by chroot.

It is built once for each ``requirements.txt``. Whoever runs the benchmarks needs to be root for it and to have
debootstrap; else there is a sentence in the place of the figures. The mounts are made in a mount namespace of our own
and vanish with this process, however it ends.
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

from tests.benchmarks import subjects
from tests.benchmarks.subjects import Subject, Target

PYTHON = "python3.15"
PACKAGES = f"{PYTHON},{PYTHON}-venv,ca-certificates"
MACHINE = ("/etc/resolv.conf", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
"""Files of the machine, as far as it has them, that tell how packages are got here."""

PYTHON_INSIDE = "/venv/bin/python"

ACCOUNT = "serviceaccount"
"""A directory with ``token``, ``ca.crt`` and ``namespace``."""

CLONE_NEWNS = 0x20000
"""A mount namespace (unshare(2))."""


def obstacle() -> str:
    """The sentence that says why it cannot be had, empty if it can."""
    if os.geteuid() != 0:
        return "Python 3.15 is left out: debootstrap and chroot need root."
    if shutil.which("debootstrap") is None:
        return "Python 3.15 is left out: install the package debootstrap."
    return ""


def enter_namespace() -> None:
    """Keep all further mounts to this process and its children. To be called before there is any thread."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    _run("mount", "--make-rprivate", "/")


def root(requirements: Path) -> Path:
    """The directory of the Debian root, built if it is not there yet.

    Raises:
        subprocess.CalledProcessError: if it cannot be built.
    """
    digest = hashlib.sha256(requirements.read_bytes() + PACKAGES.encode()).hexdigest()[:12]
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
        with _mounted(unfinished, "-t", "proc", "proc", "/proc"):
            _run("chroot", unfinished, PYTHON, "-m", "venv", "/venv")
            _run("chroot", unfinished, "/venv/bin/pip", "install", "--require-hashes", "-r", "/requirements.txt")
            _run("chroot", unfinished, "/venv/bin/python", "-m", "compileall", "-q", "/venv/lib")
        unfinished.rename(built)
    return built


@contextmanager
def sidecar(requirements: Path, scratch: Path, app: Path, *, settle: bool) -> Iterator[Subject]:
    """The sidecar on Python 3.15, with a pod's credentials.

    Args:
        requirements: the pinned dependencies.
        scratch: everything that the program reads and writes; it has the same path inside. What is in its directory
            ``ACCOUNT`` is where the kubelet would mount a service account.
        app: the directory of the package's copy, below *scratch*.
        settle: as in ``subjects.sidecar``.
    """
    where = root(requirements)
    inside: Sequence[str | Path] = ["chroot", where, "env", "-C", app, "PYTHON_LAZY_IMPORTS=all"]
    account = scratch / ACCOUNT
    account.mkdir()
    with (
        _mounted(where, "-t", "proc", "proc", "/proc"),
        _mounted(where, "--bind", scratch, scratch),
        _mounted(where, "--bind", account, "/run/secrets/kubernetes.io/serviceaccount"),
    ):
        subjects.compile_all(app, *inside, PYTHON_INSIDE)

        def command(target: Target) -> list[str | Path]:
            pod = [f"KUBERNETES_SERVICE_HOST={target.host}", f"KUBERNETES_SERVICE_PORT={target.port}"]
            return [*inside, *pod, PYTHON_INSIDE, *subjects.arguments(target, settle=settle)]

        yield Subject("sidecar, Python 3.15 lazy", command, lazy=True)


@contextmanager
def _mounted(where: Path, *arguments: str | Path) -> Iterator[None]:
    """Mount as told, the last of *arguments* being the mount point as seen from inside *where*."""
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
