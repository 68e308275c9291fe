"""The image and the components with few permissions: any user, only the volume writable, no privileges.

Scope: that they run. That "restricted" admits every manifest is tested without pods.
"""

import pytest

from tests.cluster import objects
from tests.pods.scene import SIDECAR, Scene, until
from tests.pods.workload import IMAGE, LABELS, RESTRICTED, WAIT, bare_pod, container, stateful_set

USER = 1000730000
"""A user as OpenShift assigns it: it is not in the passwd file, and its group is 0."""

POD = {"runAsUser": USER, "runAsGroup": 0, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


async def restrict(scene: Scene) -> None:
    """Make the namespace enforce the Pod Security Standard "restricted"."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    await scene.api.patch("Namespace", scene.namespace, {"metadata": {"labels": labels}})


@pytest.mark.parametrize("component", ["component", "component-classic"])
async def test_any_user_can_run_the_sidecar(scene: Scene, component: str) -> None:
    """As an unknown user, without privileges and without another writable directory, it writes its file."""
    await restrict(scene)
    service = objects.service("app", scene.namespace, selector=LABELS, publish_not_ready=True)
    workload = stateful_set(containers=[container(WAIT, securityContext=RESTRICTED)], securityContext=POD)
    scene.run(workload, service, component)
    await scene.until_ready("app-0")

    status = dict(line.split(":\t", 1) for line in scene.inside("app-0", SIDECAR, "cat", "/proc/1/status").splitlines())
    mounts = [line.split() for line in scene.inside("app-0", SIDECAR, "cat", "/proc/1/mounts").splitlines()]
    assert (status["Uid"].split(), status["Gid"].split()) == ([str(USER)] * 4, ["0"] * 4)
    assert (status["CapEff"], status["NoNewPrivs"], status["Seccomp"]) == ("0" * 16, "1", "2")
    assert [options.split(",")[0] for _, point, _, options, *_ in mounts if point == "/"] == ["ro"]

    (member,) = await scene.members("app-0")
    assert (member["name"], member["self"]) == ("app-0", True)
    assert member["address"] == (await scene.pod("app-0"))["status"]["podIP"]
    assert await scene.restarts() == {}


async def test_the_demo_is_not_in_the_image(scene: Scene) -> None:
    """The command says so."""
    demo = {"name": "main", "image": IMAGE, "args": ["demo"], "securityContext": RESTRICTED}
    await restrict(scene)
    await scene.api.create(bare_pod("demo", scene.namespace, labels={}, containers=[demo], restartPolicy="Never"))

    async def over() -> bool:
        return "terminated" in (await scene.containers("demo")).get("main", {}).get("state", {})

    await until("the container has ended", over)
    assert (await scene.containers("demo"))["main"]["state"]["terminated"]["exitCode"] == 1
    log = scene.log("demo", "main")
    assert "The demo is not in the image" in log
    assert "Traceback" not in log
