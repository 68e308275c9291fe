"""Debian roots as base images, instead of those that cannot be pulled here."""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.images import store

USELESS = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists", "var/log")
"""What slim images do not contain; they have no byte code either."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """A root that debootstrap builds from a suite and a few packages."""

    image: str
    suite: str
    packages: tuple[str, ...]
    links: tuple[tuple[str, str], ...] = ()
    """Symbolic links to add: where, and where to."""

    @property
    def key(self) -> str:
        """The digest of its recipe. The packages' versions are whatever the suite has on the day."""
        return store.digest(repr(self), repr(USELESS))

    @property
    def exists(self) -> bool:
        """Whether buildah has an image of exactly this recipe."""
        return store.exists(self._pinned)

    def make(self) -> None:
        """Build it if it does not exist yet, and give it its name."""
        if not self.exists:
            with tempfile.TemporaryDirectory(prefix=".base-", dir=store.directory()) as directory:
                self._bootstrap(Path(directory))
        store.buildah("tag", self._pinned, self.image)

    @property
    def _pinned(self) -> str:
        return f"localhost/base-{self.suite}:{self.key}"

    def _bootstrap(self, directory: Path) -> None:
        root = directory / "root"
        command: list[str | Path] = [
            "debootstrap",
            "--variant=minbase",
            f"--include={','.join(self.packages)}",
            self.suite,
            root,
        ]
        ran = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if ran.returncode:
            raise RuntimeError(f"debootstrap {self.suite}: {ran.stdout[-2000:]}{ran.stderr[-2000:]}")
        for path in USELESS:
            shutil.rmtree(root / path, ignore_errors=True)
            (root / path).mkdir(parents=True)
        for cache in list(root.rglob("__pycache__")):
            shutil.rmtree(cache)
        for where, to in self.links:
            (root / where).symlink_to(to)
        subprocess.run(["tar", "--create", f"--file={directory}/root.tar", f"--directory={root}", "."], check=True)
        shutil.rmtree(root)
        (directory / "Dockerfile").write_text('FROM scratch\nADD root.tar /\nCMD ["bash"]\n')
        store.build(self._pinned, directory)


PYTHON = Base(
    image="docker.io/library/python:3.15-slim",
    suite="sid",
    packages=("python3.15", "python3.15-venv", "ca-certificates"),
    links=(("usr/local/bin/python", "/usr/bin/python3.15"), ("usr/local/bin/python3", "/usr/bin/python3.15")),
)
"""The same Python in the same places as Docker's official image has it, though not built by them."""

JAVA = Base(image="localhost/java:21", suite="trixie", packages=("openjdk-21-jre-headless", "ca-certificates"))
