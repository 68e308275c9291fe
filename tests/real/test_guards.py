"""What the first file waits for, and how a shrinking set is held: with the real controllers, Roles and relists.

Scope: the daemon with the Roles of the project. What each guard decides, and that every wait ends, is tested without a
cluster.
"""

from pathlib import Path

from tests.cluster import objects
from tests.cluster.access import rules_of
from tests.cluster.api import Api, ApiError, Json
from tests.cluster.control_plane import ControlPlane
from tests.real import scene
from tests.real.sidecar import ROLE, Sidecar
from tests.real.workloads import eventually, workload

EVERYBODY = [f"10.1.0.{number}" for number in range(1, 5)]


async def test_the_first_file_waits_for_all_desired_replicas(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """Without the Role, the missing permission is named; with it, the file waits for the last replica."""
    access = await scene.admit(control_plane, namespace, tmp_path)
    await admin.create(objects.service("web", namespace))
    await objects.ensure_node(admin)
    await admin.create(workload("Deployment", "web", namespace, replicas=3))
    pods = await eventually(lambda: of_namespace(admin, namespace), 3)
    names = sorted(pod["metadata"]["name"] for pod in pods)
    bind = {"apiVersion": "v1", "kind": "Binding", "target": {"apiVersion": "v1", "kind": "Node", "name": objects.NODE}}
    for name in names:
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/binding"
        await admin.request("POST", path, body={**bind, "metadata": {"name": name}})
    await admin.patch_status("Pod", names[0], objects.running(["10.1.0.1"]), namespace)
    options = {
        "all": ("--service=web", "--min-members=replicas", f"--pod-name={names[0]}"),
        "half": ("--service=web", "--min-members=50%", f"--pod-name={names[0]}"),
    }
    every = await scene.run_each(sidecar, tmp_path, access, options)
    for one in every.values():
        await one.until(lambda one=one: "the desired number of replicas is not known: " in one.status()["waiting_for"])  # type: ignore[misc]
        await one.until(lambda one=one: "Grant get on pods in namespace" in one.status()["waiting_for"])  # type: ignore[misc]
        assert one.stamps() == {}
    await scene.bind(admin, namespace, "replicas", rules_of(scene.REPLICAS_ROLE))
    await every["all"].until(
        lambda: every["all"].status()["waiting_for"] == "1 of at least 3 members (--min-members)", 30
    )
    await every["half"].until(
        lambda: every["half"].status()["waiting_for"] == "1 of at least 2 members (--min-members)", 30
    )
    assert every["all"].metric("membership_guard_held", reason="min-members") == 1
    await admin.patch_status("Pod", names[1], objects.running(["10.1.0.2"]), namespace)
    await scene.until_each(every, {"half": EVERYBODY[:2]})
    await every["all"].until(lambda: every["all"].status()["selected"] == 2)
    assert every["all"].stamps() == {}
    assert every["all"].get("/readyz")[0] == 503
    await admin.patch_status("Pod", names[2], objects.running(["10.1.0.3"]), namespace)
    await scene.until_each(every, dict.fromkeys(every, EVERYBODY[:3]))
    # It guards only the first file: later, fewer members are published.
    await objects.set_ready(admin, namespace, names[2], ready=False)
    await scene.until_each(every, dict.fromkeys(every, EVERYBODY[:2]))


async def of_namespace(admin: Api, namespace: str) -> list[Json]:
    """The pods of the namespace."""
    items: list[Json] = (await admin.list("Pod", namespace))["items"]
    return items


async def test_the_first_file_waits_for_the_own_pod(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """``--self require`` waits until its address is known, ready or not; ``exclude`` never lists it."""
    access = await scene.admit(control_plane, namespace, tmp_path)
    await admin.create(objects.service("web", namespace))
    await objects.run_pods(admin, namespace, {"web-0": "10.1.0.1"})
    uid = (await admin.create(objects.pod("web-1", namespace)))["metadata"]["uid"]
    options = {f"{how}": ("--service=web", f"--self={how}", f"--pod-uid={uid}") for how in ("require", "exclude")}
    every = await scene.run_each(sidecar, tmp_path, access, options)
    one = every["require"]
    await one.until(lambda: "the own pod is not among the members" in one.status()["waiting_for"])
    await scene.until_each(every, {"exclude": EVERYBODY[:1]})
    assert one.stamps() == {}
    await admin.patch_status("Pod", "web-1", objects.running(["10.1.0.2"], ready=False), namespace)
    await scene.until_each(
        every, {"require": EVERYBODY[:1]}
    )  # a ready member is preferred, and the own pod is known to exist
    await objects.set_ready(admin, namespace, "web-1", ready=True)
    await scene.until_each(every, {"require": EVERYBODY[:2], "exclude": EVERYBODY[:1]})
    assert [member["self"] for member in one.members()] == [False, True]


async def test_a_shrinking_set_is_held_until_a_list_confirms_it(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """If more than half of the members leave at once, they stay until the sidecar has a complete new list."""
    access = await scene.admit(control_plane, namespace, tmp_path)
    await admin.create(objects.service("web", namespace, selector=None))
    await scene.write_members(admin, namespace, EVERYBODY)
    one = sidecar(tmp_path, access.kubeconfig, "--service=web", "--max-shrink=50%", "--shrink-hold=10m")
    await one.start()
    await one.until(lambda: one.addresses() == EVERYBODY)
    await one.until(lambda: one.metric("membership_api_requests_total", verb="watch", code="200") == 1)

    # The watch continues but lists are forbidden, so that the change cannot be confirmed.
    await allow(control_plane, admin, namespace, access, ["watch"])
    mark = control_plane.audit_mark()
    await scene.write_members(admin, namespace, EVERYBODY[:1])
    await one.until(lambda: "403" in one.failing())
    assert one.addresses() == EVERYBODY
    assert "3 of 4 members left at once, more than --max-shrink 50%" in one.status()["waiting_for"]
    assert one.metric("membership_guard_held", reason="shrink") == 1
    assert one.metric("membership_relists_total", reason="confirm") == 1
    (asked, *_) = lists(control_plane, namespace, mark)
    assert asked == 403

    await allow(control_plane, admin, namespace, access, ["list", "watch"])
    seconds = await one.until(lambda: one.addresses() == EVERYBODY[:1], 30)
    scene.figure(f"confirmed {seconds:.1f} s after a list was allowed again")
    assert lists(control_plane, namespace, mark)[-1] == 200
    await one.until(lambda: one.metric("membership_guard_held", reason="shrink") == 0)
    assert one.status()["waiting_for"] == ""


async def test_a_shrinking_set_is_confirmed_at_once_if_the_server_responds(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """The audit log has one more LIST a moment later; if half of the members leave, it has none."""
    access = await scene.admit(control_plane, namespace, tmp_path)
    await admin.create(objects.service("web", namespace, selector=None))
    await scene.write_members(admin, namespace, EVERYBODY)
    one = sidecar(tmp_path, access.kubeconfig, "--service=web", "--max-shrink=50%", "--shrink-hold=10m")
    await one.start()
    await one.until(lambda: one.addresses() == EVERYBODY)
    await one.until(lambda: one.metric("membership_api_requests_total", verb="watch", code="200") == 1)
    mark = control_plane.audit_mark()
    await scene.write_members(admin, namespace, EVERYBODY[:2])
    await one.until(lambda: one.addresses() == EVERYBODY[:2])
    assert lists(control_plane, namespace, mark) == []
    await scene.write_members(admin, namespace, [])
    seconds = await one.until(lambda: one.addresses() == [])
    scene.figure(f"two of two left {seconds:.1f} s after the last endpoint was gone, list included")
    assert lists(control_plane, namespace, mark) == [200]
    assert [line["reason"] for line in one.logged("relist")] == ["confirm"]


def lists(control_plane: ControlPlane, namespace: str, mark: int) -> list[int]:
    """The status codes of the sidecar's LISTs since then."""
    events = control_plane.audit(since=mark, user=scene.user(namespace))
    return [event.code for event in events if event.verb == "list" and event.user_agent.startswith("membership")]


async def allow(control_plane: ControlPlane, admin: Api, namespace: str, access: scene.Pass, verbs: list[str]) -> None:
    """Give the sidecar's Role exactly these verbs, and wait until the API server applies it."""
    rule = {**rules_of(ROLE)[0], "verbs": verbs}
    await admin.patch("Role", scene.ACCOUNT, {"rules": [rule]}, namespace)
    async with control_plane.api(access.token_file.read_text()) as reader:

        async def refused() -> list[Json]:
            try:
                await reader.list("EndpointSlice", namespace, limit="1")
            except ApiError as error:
                return [error.status]
            return []

        await eventually(refused, 0 if "list" in verbs else 1)
