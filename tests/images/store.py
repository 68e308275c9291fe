"""buildah and the cache: images by name, archives by a digest of what they are built from."""

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import binaries

MACHINE = ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
"""Files of the machine, if it has them, that configure where packages come from: for builds, never in images."""

DRIVER = "overlay"
"""How buildah keeps layers, unless STORAGE_DRIVER says otherwise: vfs works everywhere, and copies all the time."""

STEPS = 40
"""How many outcomes of steps are kept for the next build, 30 MB each; without any it takes a minute."""


def directory() -> Path:
    """Where archives are, and buildah's own storage."""
    return binaries.cache_root() / "images"


def digest(*parts: str | Path) -> str:
    """A short name for all of it: texts, files with their modes, and directories of files."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            found.update(f"text {len(part)}\n{part}".encode())
            continue
        for file in sorted(files(part)):
            body = file.read_bytes()
            found.update(f"file {file.relative_to(part.parent)} {file.stat().st_mode:o} {len(body)}\n".encode() + body)
    return found.hexdigest()[:12]


def files(path: Path) -> Iterator[Path]:
    """The file, or all files below the directory but Python's byte code."""
    if path.is_file():
        yield path
    for directory_, _, names in os.walk(path):
        yield from (Path(directory_) / name for name in names if not name.endswith(".pyc"))


@contextmanager
def locked() -> Iterator[None]:
    """A lock: only one process builds, and the next one finds the result."""
    directory().mkdir(parents=True, exist_ok=True)
    with (directory() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def archive(name: str, key: str, image: str, make: Callable[[], None]) -> Path:
    """The archive of an image, built if it does not exist yet; archives with other keys are removed.

    Args:
        name: The name of the archive.
        key: The digest of what the image is built from.
        image: The name of the image in a pod's manifest.
        make: Builds the image in buildah's storage.
    """
    made = directory() / f"{name}-{key}.tar"
    with locked():
        if made.exists():
            return made
        make()
        unfinished = directory() / f".{made.name}"
        unfinished.unlink(missing_ok=True)
        buildah("push", "--quiet", image, f"docker-archive:{unfinished}:{image}")
        for older in directory().glob(f"{name}-????????????.tar"):
            older.unlink()
        unfinished.rename(made)
        _tidy()
    return made


def build(image: str, context: Path, *arguments: str) -> None:
    """Build the Dockerfile of a directory, and keep the result of each step for the next time."""
    mounts = [f"--volume={file}:{file}:ro" for file in MACHINE if Path(file).exists()]
    buildah("bud", "--quiet", "--layers", "--pull-never", f"--tag={image}", *mounts, *arguments, str(context))


def exists(image: str) -> bool:
    """Whether buildah has the image."""
    return bool(buildah("images", "--quiet", "--filter", f"reference={image}").strip())


def buildah(*arguments: str) -> str:
    """Run it on storage of our own, and return its output.

    Raises:
        RuntimeError: with the end of its output, if it fails.
    """
    storage = directory() / "buildah"
    command = ["buildah", f"--root={storage / 'root'}", f"--runroot={storage / 'run'}", *arguments]
    environ = {"STORAGE_DRIVER": DRIVER, **os.environ, "BUILDAH_ISOLATION": "chroot"}
    ran = subprocess.run(command, check=False, capture_output=True, text=True, env=environ, stdin=subprocess.DEVNULL)
    if ran.returncode:
        raise RuntimeError(f"buildah {arguments[0]}: {_end(ran.stdout.splitlines() + ran.stderr.splitlines())}")
    return ran.stdout


def _tidy() -> None:
    """Remove the results of steps when there are many: each change of the code leaves some."""
    if len(buildah("images", "--quiet", "--filter", "dangling=true").split()) > STEPS:
        buildah("rmi", "--prune")


def _end(lines: Iterable[str]) -> str:
    return "\n".join(list(lines)[-30:])
