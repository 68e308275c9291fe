"""The programs under test, and how each is started to follow one Service into one file."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.load import NAMESPACE

INFORMER = Path(__file__).with_name("informer")


class Target(NamedTuple):
    """The environment of one turn."""

    host: str
    port: int
    """Of the API server."""
    kubeconfig: Path
    service: str
    directory: Path
    """Fresh, on a tmpfs, as an emptyDir of medium Memory is."""

    @property
    def output(self) -> Path:
        """The file to keep up to date."""
        return self.directory / "members.json"


class Subject(NamedTuple):
    """A program under test."""

    name: str
    command: Callable[[Target], Sequence[str | Path]]
    lazy: bool = False
    """Whether it is what the image runs: Python 3.15 with lazy imports, to which the goals for memory apply."""


def cache() -> Path:
    """Where slow things are kept from run to run."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "membership-sidecar"


def informer() -> Subject:
    """The informer for comparison, built if this version of it does not exist yet."""
    sources = sorted((*INFORMER.glob("go.*"), *INFORMER.glob("*.go")))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    program = cache() / f"informer-{digest}"
    if not program.exists():
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=cache()) as directory:
            unfinished = Path(directory) / "informer"
            environ = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
            build = ["go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o"]
            subprocess.run([*build, unfinished, "."], cwd=INFORMER, env=environ, check=True)
            unfinished.replace(program)

    def command(target: Target) -> list[str | Path]:
        flags = ["--namespace", NAMESPACE, "--service", target.service, "--output", str(target.output)]
        return [program, "--kubeconfig", target.kubeconfig, *flags]

    return Subject("client-go informer", command)


def sidecar(app: Path, *, settle: bool, pods: bool = False) -> Subject:
    """The sidecar on the machine's Python.

    Args:
        app: the directory of a byte-compiled copy of the package (``copy``).
        settle: whether changes are far enough apart for the settle time.
        pods: whether it follows the pods, not the slices.
    """
    inside: list[str | Path] = ["env", "-C", app, sys.executable, "-m", "sidecar"]

    def command(target: Target) -> list[str | Path]:
        return [*inside, *arguments(target, settle=settle, pods=pods), "--kubeconfig", target.kubeconfig]

    return Subject(title(f"Python {sys.version_info.major}.{sys.version_info.minor}", pods=pods), command)


def title(python: str, *, pods: bool) -> str:
    """The sidecar's name in the table."""
    return f"sidecar, {python}{', pods' if pods else ''}"


def arguments(target: Target, *, settle: bool, pods: bool) -> list[str]:
    """The arguments after the command: all defaults except the port and the settle time."""
    slices = ["--service", f"{target.service}.{NAMESPACE}"]
    labels = ["--source", "pods", "--selector", f"app={target.service}", "--namespace", NAMESPACE]
    unsettled = [] if settle else ["--settle", "0ms", "--settle-max", "0ms"]
    output = ["--output", f"json={target.output}", "--listen", "127.0.0.1:0"]
    return ["run", *(labels if pods else slices), *output, *unsettled]


def copy(package: Path, app: Path) -> None:
    """Copy *package* into the directory *app*, byte-compiled, so that edits during a run do not matter."""
    shutil.copytree(package, app / "sidecar", ignore=shutil.ignore_patterns("__pycache__"))
    compile_all(app)


def compile_all(directory: str | Path, *prefix: str | Path) -> None:
    """Byte-compile *directory* with the interpreter that the command *prefix* starts, by default this one."""
    subprocess.run([*(prefix or [sys.executable]), "-m", "compileall", "-q", directory], check=True)
