"""All windows of a run, alternating between the programs."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.benchmarks import image_root, subjects, window
from tests.benchmarks.load import NAMESPACE, ApiServer, Load, Scene
from tests.benchmarks.pod_load import PodLoad
from tests.benchmarks.subjects import Subject, Target
from tests.benchmarks.window import Plan, Window
from tests.cluster.control_plane import ControlPlane

REPOSITORY = Path(__file__).parents[2]

MEMORY = Path("/dev/shm")  # noqa: S108 - a tmpfs, which is what an emptyDir of medium Memory is
"""Where the outputs are."""

SETTLE = 0.25
"""Seconds. Closer than that, changes fall into the settle time of 200 ms, and the benchmark would measure that."""

CONTROLLERS = ("root-ca-certificate-publisher-controller",)
"""The only controller, for which the control plane's start waits; others would only take CPU time."""

SLICES = "endpointslice-controller"
"""The controller that writes the slices of pods."""


class DifferentBytesError(Exception):
    """The files of the sidecar and the informer differ: one of them is wrong, or they do different work."""


@contextmanager
def candidates(package: Path, scratch: Path, plan: Plan, *, lazy: bool, pods: bool = False) -> Iterator[list[Subject]]:
    """The programs under test, the yardstick first.

    Args:
        package: the sidecar.
        scratch: a directory that all of them may use.
        plan: how close changes are.
        lazy: whether Python 3.15 is one of them, if it can be had.
        pods: whether it is the sidecar on slices and on pods, by the Python of the image if it can be had, in the place
            of the informer and the sidecar on each Python.
    """
    settle = plan.spacing >= SETTLE
    app = scratch / "app"
    subjects.copy(package, app)
    found = [subjects.sidecar(app, settle=settle, pods=which) for which in ((False, True) if pods else (False,))]
    with ExitStack() as stack:
        obstacle = image_root.obstacle() if lazy else ""
        if obstacle:
            say(obstacle)
        elif lazy:
            requirements = package.parent / "requirements.txt"
            if not requirements.exists():
                requirements = REPOSITORY / "requirements.txt"
            prefix = stack.enter_context(image_root.inside(requirements, scratch, app))
            if pods:
                found = [image_root.sidecar(prefix, settle=settle, pods=which) for which in (False, True)]
            else:
                found.append(image_root.sidecar(prefix, settle=settle))
        yield found if pods else [subjects.informer(), *found]


def measure(
    found: Sequence[Subject], scratch: Path, sizes: Sequence[int], plan: Plan, rounds: int, *, pods: bool = False
) -> Mapping[int, Mapping[Subject, list[Window]]]:
    """Run every program *rounds* times at every size, in turn.

    Raises:
        DifferentBytesError: if the files of the programs differ.
    """
    control_plane = ControlPlane(controllers=(*CONTROLLERS, SLICES) if pods else CONTROLLERS)
    control_plane.start()
    try:
        target = target_of(control_plane, scratch)
        server = ApiServer(control_plane)
        scene = partial(PodLoad, joins=plan.warmup + plan.changes) if pods else Load
        try:
            return {size: _turns(found, target, scene(server, size), plan, rounds) for size in sizes}
        finally:
            server.close()
    finally:
        control_plane.stop()


def target_of(control_plane: ControlPlane, scratch: Path) -> Target:
    """The API server, with credentials as outside and as inside a pod; without a Service yet."""
    config = control_plane.kubeconfig(scratch / "kubeconfig")
    authority = shutil.copy(control_plane.ca_file, scratch)  # the control plane's directory is not readable for others
    config.write_text(config.read_text().replace(str(control_plane.ca_file), str(authority)))
    account = scratch / image_root.ACCOUNT
    account.mkdir(exist_ok=True)
    shutil.copyfile(control_plane.ca_file, account / "ca.crt")
    (account / "token").write_text(control_plane.admin_token)
    (account / "namespace").write_text(NAMESPACE)
    return Target(control_plane.host, control_plane.port, config, "", scratch)


def _turns(
    found: Sequence[Subject], target: Target, load: Scene, plan: Plan, rounds: int
) -> dict[Subject, list[Window]]:
    """All windows at one size. Every second round is in reverse order, so that neighbours change."""
    windows: dict[Subject, list[Window]] = {subject: [] for subject in found}
    load.create()
    for number in range(rounds):
        for subject in found if number % 2 == 0 else reversed(found):
            load.reset()
            with tempfile.TemporaryDirectory(dir=target.directory) as directory:
                here = target._replace(service=load.service, directory=Path(directory))
                windows[subject].append(window.run(subject, here, load, plan))
            say(f"{load.service}, round {number + 1}: {subject.name}")
    digests = {subject.name: sorted({turn.digest for turn in turns}) for subject, turns in windows.items()}
    if len({digest for each in digests.values() for digest in each}) > 1:
        raise DifferentBytesError(f"{load.service}: the files differ: {digests}")
    return windows


def say(line: str) -> None:
    """Print the progress, separate from the report."""
    sys.stderr.write(f"{line}\n")
