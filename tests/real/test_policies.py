"""Which members of a real set are in the files: each rule beside its alternatives, in the same cluster.

Scope: conditions, termination, rollouts, clusters, addresses and ports, as the controllers write them. What the rules
decide for any set is tested without a cluster; what the first file and a shrinking set wait for is in ``test_guards``.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cluster import objects
from tests.cluster.api import Api, Json
from tests.cluster.control_plane import ControlPlane
from tests.real import scene
from tests.real.sidecar import FILES, ROLE, Sidecar
from tests.real.workloads import held, run_all, workload

FIRST, SECOND, THIRD = "10.1.0.1", "10.1.0.2", "10.1.0.3"

BY_LABEL = ("--source=pods", "--selector=app=web")


def uid_of(pod: Json) -> str:
    """Its UID."""
    return str(pod["metadata"]["uid"])


def marked(one: Sidecar, field: str) -> list[str]:
    """The names of the members in the json file whose value is true."""
    return [str(member["name"]) for member in one.members() if member.get(field)]


async def test_not_ready_members(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """They are excluded, included, or included while no member is ready: with slices and with Endpoints."""
    access = await scene.admit(control_plane, namespace, tmp_path, roles=[ROLE, scene.PODS_ROLE])
    await admin.create(objects.service("web", namespace))
    await objects.run_pods(admin, namespace, {"web-0": FIRST, "web-1": SECOND})
    selections = {"slice": ("--service=web",), "pods": BY_LABEL}
    choices = ("include", "exclude", "prefer-ready")
    options = {
        f"{choice}-{selection}": (*chosen, f"--not-ready={choice}")
        for selection, chosen in selections.items()
        for choice in choices
    }
    every = await scene.run_each(sidecar, tmp_path, access, options)
    # The expected members of each option after each step: both ready, one ready, none ready, the other one ready.
    steps = [
        ({}, {"include": [FIRST, SECOND], "exclude": [FIRST, SECOND], "prefer-ready": [FIRST, SECOND]}),
        ({"web-1": False}, {"include": [FIRST, SECOND], "exclude": [FIRST], "prefer-ready": [FIRST]}),
        ({"web-0": False}, {"include": [FIRST, SECOND], "exclude": [], "prefer-ready": [FIRST, SECOND]}),
        ({"web-1": True}, {"include": [FIRST, SECOND], "exclude": [SECOND], "prefer-ready": [SECOND]}),
    ]
    for change, expected in steps:
        for name, ready in change.items():
            await objects.set_ready(admin, namespace, name, ready=ready)
        await scene.until_each(every, {name: expected[name.rpartition("-")[0]] for name in every})


async def test_terminating_members(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """A finalizer keeps a terminating pod: it is excluded at once, included while serving, or treated like others."""
    access = await scene.admit(control_plane, namespace, tmp_path, roles=[ROLE, scene.PODS_ROLE])
    await admin.create(objects.service("web", namespace))
    await objects.run_pods(admin, namespace, {"web-0": FIRST})
    await objects.run_pod(admin, held(objects.pod("web-1", namespace)), [SECOND])
    selections = {"slice": ("--service=web",), "pods": BY_LABEL}
    rules = {
        "exclude": ("--terminating=exclude",),
        "while-serving": ("--terminating=while-serving", "--not-ready=include"),
        "include": ("--terminating=include", "--not-ready=include"),
        "if-any": ("--terminating=include", "--not-ready=prefer-ready"),
    }
    options = {
        f"{rule}-{selection}": (*chosen, *more)
        for selection, chosen in selections.items()
        for rule, more in rules.items()
    }
    every = await scene.run_each(sidecar, tmp_path, access, options)

    async def until(expected: dict[str, list[str]]) -> None:
        await scene.until_each(every, {name: expected[name.rpartition("-")[0]] for name in every})

    both, rest = [FIRST, SECOND], [FIRST]
    await until(dict.fromkeys(rules, both))
    await admin.delete("Pod", "web-1", namespace, grace=0)
    await until({"exclude": rest, "while-serving": both, "include": both, "if-any": both})
    for name, one in every.items():
        await one.until(
            lambda one=one, name=name: marked(one, "terminating") == ([] if "exclude" in name else ["web-1"])  # type: ignore[misc]
        )
    await objects.set_ready(admin, namespace, "web-1", ready=False)
    await until({"exclude": rest, "while-serving": rest, "include": both, "if-any": rest})
    await admin.patch("Pod", "web-1", {"metadata": {"finalizers": None}}, namespace)
    await until(dict.fromkeys(rules, rest))


@pytest.mark.parametrize("split", ["auto", "owner", "version"])
async def test_split_publishes_only_the_own_rollout(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar], split: str
) -> None:
    """During a rollout, old pods list the old ones and new pods the new ones, according to the own pod's UID."""
    access = await scene.admit(control_plane, namespace, tmp_path, roles=[scene.PODS_ROLE])
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}}
    await admin.create(workload("Deployment", "web", namespace, replicas=2, strategy=strategy))
    old = await run_all(admin, namespace, 2)
    change = {"spec": {"template": {"metadata": {"labels": {"version": "2"}}}}}
    await admin.patch("Deployment", "web", change, namespace)
    new = await run_all(admin, namespace, 2, version="2", ready=False)
    hashes = {pod["metadata"]["labels"]["pod-template-hash"] for pod in (*old, *new)}
    assert len(hashes) == 2
    options = {
        name: (*BY_LABEL, f"--split={split}", f"--pod-uid={uid_of(pods[0])}")
        for name, pods in {"old": old, "new": new}.items()
    }
    every = await scene.run_each(sidecar, tmp_path, access, options)
    olds, news = ["10.1.0.1", "10.1.0.2"], ["10.2.0.1", "10.2.0.2"]
    await scene.until_each(every, {"old": olds, "new": news})
    for name, pods in {"old": old, "new": new}.items():
        assert marked(every[name], "self") == [pods[0]["metadata"]["name"]]
        assert len({member["group"] for member in every[name].members()}) == 1

    # The first new pod is ready, so one old pod is terminated, then the other; finally the sidecar's own pod is gone.
    await objects.set_ready(admin, namespace, new[0]["metadata"]["name"], ready=True)
    await every["old"].until(lambda: len(every["old"].members()) == 1)
    await scene.until_each(every, {"new": ["10.2.0.1"]})  # prefer-ready is applied within the rollout
    await objects.set_ready(admin, namespace, new[1]["metadata"]["name"], ready=True)
    await scene.until_each(every, {"old": [], "new": news})


@pytest.mark.parametrize("unknown", ["open", "closed"])
async def test_an_unknown_rollout_publishes_all_or_nothing(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar], unknown: str
) -> None:
    """Nothing is written until it is known; after the start timeout all members are, or the program exits."""
    access = await scene.admit(control_plane, namespace, tmp_path, roles=[scene.PODS_ROLE])
    await objects.ensure_node(admin)
    for name, address in (("web-0", FIRST), ("web-1", SECOND)):
        labels = {**objects.LABELS, "pod-template-hash": name}
        await objects.run_pod(admin, objects.pod(name, namespace, labels=labels), [address])
    options = (*BY_LABEL, "--split=auto", f"--split-unknown={unknown}", "--pod-uid=nobody", "--start-timeout=3s")
    one = sidecar(tmp_path, access.kubeconfig, *options)
    await one.start()
    message = "the own pod's rollout is not known. Set --pod-uid"
    await one.until(lambda: message in one.status()["waiting_for"])
    assert message in one.get("/readyz")[1]
    assert one.metric("membership_guard_held", reason="split") == 1
    assert one.stamps() == {}
    if unknown == "open":
        await one.until(lambda: one.addresses() == [FIRST, SECOND])
        await one.until(lambda: one.metric("membership_guard_held", reason="split") == 0)
    else:
        assert await one.wait() == 1
        assert f"No usable answer within --start-timeout: {message}" in one.stderr.read_text()
        assert one.stamps() == {}


async def test_the_first_file_waits_until_the_own_rollout_is_known(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """The own pod has no address while its sidecar starts: the file waits for it and has only its rollout."""
    access = await scene.admit(control_plane, namespace, tmp_path, roles=[scene.PODS_ROLE])
    await objects.ensure_node(admin)
    bodies = [
        objects.pod(f"web-{number}", namespace, labels={**objects.LABELS, "pod-template-hash": rollout})
        for number, rollout in enumerate(["one", "two", "two"])
    ]
    await objects.run_pod(admin, bodies[0], [FIRST])
    await objects.run_pod(admin, bodies[1], [SECOND])
    own = await admin.create(bodies[2])
    one = sidecar(tmp_path, access.kubeconfig, *BY_LABEL, "--split=auto", f"--pod-uid={uid_of(own)}")
    await one.start()
    await one.until(lambda: "rollout is not known" in one.status()["waiting_for"])
    assert one.stamps() == {}
    await admin.patch_status("Pod", "web-2", objects.running([THIRD]), namespace)
    await one.until(lambda: one.addresses() == [SECOND, THIRD])


async def test_only_pods_of_the_own_cluster_are_members(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """A pod with another label value or none belongs to another cluster; a pod that is relabelled leaves."""
    access = await scene.admit(control_plane, namespace, tmp_path, roles=[scene.PODS_ROLE])
    await objects.ensure_node(admin)
    made = []
    for number, cluster in enumerate(["blue", "blue", "green", ""]):
        labels = {**objects.LABELS, **({"cluster": cluster} if cluster else {})}
        pod = await objects.run_pod(admin, objects.pod(f"web-{number}", namespace, labels=labels), [f"10.1.0.{number}"])
        made.append(pod)
    options = {
        name: (*BY_LABEL, "--cluster-id=cluster", f"--pod-uid={uid_of(made[number])}", "--hold-down=1h")
        for name, number in {"blue": 0, "green": 2, "nothing": 3}.items()
    }
    every = await scene.run_each(sidecar, tmp_path, access, options)
    await scene.until_each(every, {"blue": ["10.1.0.0", "10.1.0.1"], "green": ["10.1.0.2"]})
    await every["nothing"].until(
        lambda: "the own pod's cluster is not known" in every["nothing"].status()["waiting_for"]
    )
    assert every["nothing"].stamps() == {}
    await admin.patch("Pod", "web-1", {"metadata": {"labels": {"cluster": "green"}}}, namespace)
    # Not even hold-down keeps a member of another cluster.
    await scene.until_each(every, {"blue": ["10.1.0.0"], "green": ["10.1.0.1", "10.1.0.2"]})


async def test_a_reused_address_belongs_to_the_new_pod(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """The old pod is kept by a finalizer and by hold-down; the file has the address once, with the new UID."""
    access = await scene.admit(control_plane, namespace, tmp_path, roles=[ROLE, scene.PODS_ROLE])
    await admin.create(objects.service("web", namespace))
    await objects.ensure_node(admin)
    old = await objects.run_pod(admin, held(objects.pod("web-old", namespace)), [FIRST])
    kept = ("--terminating=include", "--not-ready=include", "--hold-down=1h")
    options = {"slice": ("--service=web", *kept), "pods": (*BY_LABEL, *kept)}
    every = await scene.run_each(sidecar, tmp_path, access, options)
    for one in every.values():
        await one.until(lambda one=one: uids(one) == [uid_of(old)])  # type: ignore[misc]
    await admin.delete("Pod", "web-old", namespace, grace=0)
    new = await objects.run_pod(admin, objects.pod("web-new", namespace), [FIRST])
    for one in every.values():
        await one.until(lambda one=one: uids(one) == [uid_of(new)])  # type: ignore[misc]
        assert one.addresses() == [FIRST]


def uids(one: Sidecar) -> list[str]:
    """The UIDs in the json file."""
    return [str(member["uid"]) for member in one.members()]


async def test_dual_stack_and_host_network(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """Each address family has its own set; pods with host network share an address and differ by the port."""
    access = await scene.admit(control_plane, namespace, tmp_path, roles=[ROLE, scene.PODS_ROLE])
    await objects.ensure_node(admin)
    service = objects.service("web", namespace, ipFamilyPolicy="RequireDualStack", ipFamilies=["IPv4", "IPv6"])
    service["spec"]["ports"] = [{"name": "http", "port": 80, "targetPort": "http"}]
    await admin.create(service)
    await objects.run_pod(admin, objects.pod("web-0", namespace), [FIRST, "fd00:1::1"])
    for number in (1, 2):
        body = objects.pod(f"web-{number}", namespace, ports={"http": 8080 + number}, hostNetwork=True)
        await objects.run_pod(admin, body, ["192.168.0.9", "fd00:9::9"])
    selections = {"slice": ("--service=web",), "pods": BY_LABEL}
    options = {
        f"{family}-{selection}": (*chosen, f"--address-family={family}")
        for selection, chosen in selections.items()
        for family in ("auto", "ipv4", "ipv6")
    }
    every = await scene.run_each(sidecar, tmp_path, access, options)
    fours = [f"{FIRST}:8080", "192.168.0.9:8081", "192.168.0.9:8082"]
    sixes = ["fd00:1::1:8080", "fd00:9::9:8081", "fd00:9::9:8082"]
    for name, one in every.items():
        wanted = sixes if "ipv6" in name else fours
        await one.until(lambda one=one, wanted=wanted: one.read().get("json") == wanted)  # type: ignore[misc]
        assert one.members()[0]["addresses"] == [FIRST, "fd00:1::1"]
        assert len(set(uids(one))) == 3


async def test_port_range_lists_further_ports(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """``--port-range 2`` lists each member three times for readers that try several ports, and once in json."""
    access = await scene.admit(control_plane, namespace, tmp_path)
    await admin.create(objects.service("web", namespace))
    await objects.run_pods(admin, namespace, {"web-0": FIRST, "web-1": SECOND})
    one = sidecar(tmp_path, access.kubeconfig, "--service=web", "--port-range=2")
    await one.start()
    once = [f"{FIRST}:8080", f"{SECOND}:8080"]
    ranged = [f"{address}:{port}" for address in (FIRST, SECOND) for port in (8080, 8081, 8082)]
    await one.until(lambda: one.holds({form: once if form == "json" else ranged for form in FILES}))


async def test_the_oldest_member_is_the_seed(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """The json file has one seed, ready or not; when it terminates, the next oldest member is the seed."""
    access = await scene.admit(control_plane, namespace, tmp_path, roles=[scene.PODS_ROLE])
    await objects.ensure_node(admin)
    await objects.run_pod(admin, held(objects.pod("web-9", namespace)), [FIRST])
    await next_second()
    await objects.run_pod(admin, objects.pod("web-5", namespace), [SECOND])
    one = sidecar(tmp_path, access.kubeconfig, *BY_LABEL, "--seed=oldest", "--not-ready=include")
    await one.start()
    await one.until(lambda: marked(one, "seed") == ["web-9"])
    await objects.set_ready(admin, namespace, "web-9", ready=False)
    await next_second()
    await objects.run_pod(admin, objects.pod("web-0", namespace), [THIRD])
    await one.until(lambda: len(one.members()) == 3 and one.members()[2]["ready"] is False)
    assert marked(one, "seed") == ["web-9"]
    await admin.delete("Pod", "web-9", namespace, grace=0)
    await one.until(lambda: marked(one, "seed") == ["web-5"])
    await objects.remove(admin, namespace, "web-5")
    await one.until(lambda: marked(one, "seed") == ["web-0"])


async def next_second() -> None:
    """Wait for the next second: creation times have no fractions."""
    await asyncio.sleep(1.0 - datetime.now(UTC).microsecond / 1e6)
