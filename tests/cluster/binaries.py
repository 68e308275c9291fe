"""Where the cluster's programs are, and how they are built.

Kubernetes, etcd, CoreDNS, containerd and the CNI plugins publish their source as Go modules and the Go checksum
database verifies it, so the programs are built from the module proxy into a cache directory named after the versions:
nothing is downloaded that ``go/*/go.sum`` does not pin, and a changed pin is another directory.
``python -m tests.cluster.binaries`` builds the control plane's, and with ``--node`` the node's as well, which only root
can use.

A directory in ``KUBEBUILDER_ASSETS`` (the convention of envtest) takes precedence over the cache.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import ENABLE, ENABLE_NODE

SOURCES = Path(__file__).with_name("go")

ENVTEST_PROGRAMS = frozenset({"etcd", "kube-apiserver"})
"""The programs of every envtest directory: one without them is reported as an error and not completed by the cache."""

PATIENCE = 10.0
"""Seconds between two progress messages of a build."""


@dataclass(frozen=True, kw_only=True)
class Module:
    """A go.mod of ours: the programs that are built from it, and the module whose version gives them their name."""

    name: str
    path: str
    programs: Mapping[str, str]
    stamp: str = ""
    tags: str = ""
    node: bool = False
    """Whether only a node needs them."""

    @property
    def source(self) -> Path:
        """The directory of go.mod and go.sum."""
        return SOURCES / self.name

    @property
    def version(self) -> str:
        """The version that go.mod requires, so that it is written in one place."""
        pattern = rf"^\s*(?:require )?{re.escape(self.path)} (v\S+)"
        found = re.search(pattern, (self.source / "go.mod").read_text(), re.MULTILINE)
        if found is None:
            raise LookupError(f"{self.source / 'go.mod'} does not require {self.path}")
        return found[1]

    @property
    def cache(self) -> Path:
        """The directory of the programs; another one as soon as a single dependency changes."""
        pins = b"".join((self.source / name).read_bytes() for name in ("go.mod", "go.sum"))
        return cache_root() / f"{self.name}-{self.version}-{hashlib.sha256(pins).hexdigest()[:12]}"

    @property
    def linker_flags(self) -> str:
        """No symbols, and the version stamp: without it the API server calls itself v0.0.0-master."""
        major, minor, _ = self.version.removeprefix("v").split(".", 2)
        return f"-s -w {self.stamp.format(version=self.version, major=major, minor=minor)}".rstrip()


KUBERNETES_STAMP = (
    "-X k8s.io/component-base/version.gitVersion={version}"
    " -X k8s.io/component-base/version.gitMajor={major}"
    " -X k8s.io/component-base/version.gitMinor={minor}"
)

MODULES = (
    Module(
        name="kubernetes",
        path="k8s.io/kubernetes",
        stamp=KUBERNETES_STAMP,
        programs={
            "etcd": "go.etcd.io/etcd/server/v3",
            "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
            "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
            "kubectl": "k8s.io/kubernetes/cmd/kubectl",
        },
    ),
    Module(
        name="coredns",
        path="github.com/coredns/coredns",
        programs={"coredns": "github.com/coredns/coredns"},
    ),
    Module(  # the same go.mod as above: what the programs share is compiled once
        name="kubernetes",
        path="k8s.io/kubernetes",
        stamp=KUBERNETES_STAMP,
        programs={
            "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
            "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
            "kubelet": "k8s.io/kubernetes/cmd/kubelet",
        },
        node=True,
    ),
    Module(
        name="containerd",
        path="github.com/containerd/containerd/v2",
        stamp="-X github.com/containerd/containerd/v2/version.Version={version}",
        tags="no_btrfs,no_devmapper,no_zfs",
        programs={
            "containerd": "github.com/containerd/containerd/v2/cmd/containerd",
            "containerd-shim-runc-v2": "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
            "ctr": "github.com/containerd/containerd/v2/cmd/ctr",
        },
        node=True,
    ),
    Module(
        name="cni",
        path="github.com/containernetworking/plugins",
        programs={
            "bridge": "github.com/containernetworking/plugins/plugins/main/bridge",
            "host-local": "github.com/containernetworking/plugins/plugins/ipam/host-local",
            "loopback": "github.com/containernetworking/plugins/plugins/main/loopback",
            "portmap": "github.com/containernetworking/plugins/plugins/meta/portmap",
        },
        node=True,
    ),
)
"""Every program has a line here, and its package a ``tool`` directive in go.mod, by which ``go mod tidy`` pins it."""


def cache_root() -> Path:
    """The directory of what takes long to build."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "membership-sidecar"


def find(program: str) -> Path | None:
    """The program's file, or None if it still has to be built."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and ((given := Path(assets) / program).exists() or program in ENVTEST_PROGRAMS):
        return given if given.exists() else None
    built = _module_of(program).cache / program
    return built if built.exists() else None


def path(program: str) -> Path:
    """The program's file, which must exist."""
    found = find(program)
    if found is None:
        raise FileNotFoundError(missing([program]))
    return found


def missing(programs: Iterable[str]) -> str | None:
    """One line that names the missing programs and says what to do; None if there are none."""
    absent = [program for program in programs if find(program) is None]
    if not absent:
        return None
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and (lacking := ENVTEST_PROGRAMS.intersection(absent)):
        return f"KUBEBUILDER_ASSETS={assets} has no {' and no '.join(sorted(lacking))}: correct it or unset it"
    enable = ENABLE_NODE if any(_module_of(program).node for program in absent) else ENABLE
    return f"not built yet: {', '.join(absent)} (to build them: {enable})"


def build(module: Module) -> None:
    """Build the module's missing programs; each appears in the cache complete or not at all."""
    absent = [program for program in module.programs if find(program) is None]
    for program in absent:
        module.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=module.cache) as directory:
            unfinished = Path(directory) / program
            _compile(module, program, unfinished)
            unfinished.replace(module.cache / program)


def main(arguments: Sequence[str]) -> int:
    """Build whatever is missing, and say where everything is."""
    for module in MODULES:
        if module.node and "--node" not in arguments:
            continue
        try:
            build(module)
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            _say(f"{module.name} {module.version}: {error}")
            return 1
        for program in module.programs:
            _say(f"{module.name} {module.version}: {find(program) or missing([program])}")
    return 0


def _module_of(program: str) -> Module:
    return next(module for module in MODULES if program in module.programs)


def _compile(module: Module, program: str, output: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise FileNotFoundError("there is no go command on PATH, and the programs are built with it")
    # Flags on the command line take precedence over GOFLAGS. GOTOOLCHAIN=local: a Go that is too old stops with an
    # error instead of downloading another one.
    command = [go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", module.linker_flags]
    command += ["-tags", module.tags] if module.tags else []
    environ = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    label = f"{module.name} {module.version}: {program}"
    started = time.monotonic()
    _say(f"{label}: building")
    with subprocess.Popen(
        [*command, "-o", output, module.programs[program]], cwd=module.source, env=environ
    ) as compiler:
        try:
            while _still_running(compiler):
                _say(f"{label}: building for {time.monotonic() - started:.0f} s")
        except BaseException:
            compiler.terminate()
            raise
    if compiler.returncode:
        raise subprocess.CalledProcessError(compiler.returncode, f"go build {module.programs[program]}")
    _say(f"{label}: built in {time.monotonic() - started:.0f} s, {output.stat().st_size / 2**20:.0f} MiB")


def _still_running(compiler: subprocess.Popen[bytes]) -> bool:
    try:
        compiler.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        return True
    return False


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
