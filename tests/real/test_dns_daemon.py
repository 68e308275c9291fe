"""The daemon with ``--source dns`` when the real CoreDNS fails, has no records, or has very many.

Scope: the files, ``/status``, the log and the metrics. How the source reads each response is in ``test_dns``.
"""

import asyncio
from pathlib import Path

import pytest

from tests.cluster import objects
from tests.cluster.api import Api
from tests.cluster.coredns import CoreDns
from tests.real import scene
from tests.real.sidecar import FILES, Sidecar

MANY = 200

POLLS_SECONDS = 20.0
"""For several polls, of at least 2 s each, and for CoreDNS to see a change."""


def follow(
    sidecar: type[Sidecar], directory: Path, namespace: str, server: CoreDns, *options: str, service: str = "web"
) -> Sidecar:
    """A sidecar that follows a Service by DNS alone."""
    whose = (f"--service={service}.{namespace}", "--source=dns", *scene.ask_dns(server))
    return sidecar(directory, None, *whose, *options)


def in_every_file(*addresses: str) -> dict[str, list[str]]:
    """What ``Sidecar.read`` finds if all files have these members."""
    return {form: [f"{address}:8080" for address in addresses] for form in FILES}


async def test_a_dead_dns_server_changes_no_file(
    cluster_dns: CoreDns, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """While it is killed, no file changes and the failure is reported; then the files catch up."""
    await admin.create(objects.service("web", namespace))
    await objects.run_pods(admin, namespace, {"web-0": "10.3.0.1", "web-1": "10.3.0.2"})
    one = follow(sidecar, tmp_path, namespace, cluster_dns, "--port=8080")
    await one.start()
    await one.until(lambda: one.holds(in_every_file("10.3.0.1", "10.3.0.2")))
    scope = f"dns/{namespace}/web"
    await one.until(lambda: one.metric("membership_source_up", source=scope) == 1)
    before, known = one.stamps(), len(one.logged("source failing"))  # CoreDNS may not have seen the pods at first
    cluster_dns.stop()
    try:
        await one.until(lambda: "No answer to" in one.failing(), POLLS_SECONDS)
        await objects.run_pods(admin, namespace, {"web-2": "10.3.0.3"})
        failures = len(one.logged("source failing"))
        await one.until(lambda: len(one.logged("source failing")) > failures, POLLS_SECONDS)
        assert one.stamps() == before
        assert one.get("/readyz")[0] == one.get("/livez")[0] == 200
        assert one.metric("membership_source_up", source=scope) == 0
        assert all("No answer to" in line["reason"] for line in one.logged("source failing")[known:])
    finally:
        await asyncio.to_thread(cluster_dns.start)
    seconds = await one.until(lambda: one.holds(in_every_file("10.3.0.1", "10.3.0.2", "10.3.0.3")), 2 * POLLS_SECONDS)
    scene.figure(f"true again {seconds:.1f} s after DNS was back")
    assert one.failing() == ""
    assert one.logged("source recovered") != []


async def test_the_last_ready_pod_leaves_the_files_only_after_confirmation(
    cluster_dns: CoreDns, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """/status and the log count two unconfirmed NXDOMAIN; the third is accepted, with a warning about its meaning."""
    await admin.create(objects.service("web", namespace))
    await objects.run_pods(admin, namespace, {"web-0": "10.3.1.1"})
    one = follow(sidecar, tmp_path, namespace, cluster_dns, "--port=8080")
    await one.start()
    await one.until(lambda: one.addresses() == ["10.3.1.1"])
    absences = one.metric("membership_dns_queries_total", type="A", rcode="NXDOMAIN")  # before CoreDNS saw the pod
    await objects.set_ready(admin, namespace, "web-0", ready=False)
    await one.until(lambda: "is gone (NXDOMAIN)" in one.failing(), POLLS_SECONDS)
    assert one.addresses() == ["10.3.1.1"]
    await one.until(lambda: one.addresses() == [], POLLS_SECONDS)
    assert one.metric("membership_dns_queries_total", type="A", rcode="NXDOMAIN") >= absences + 3
    doubts = [line["reason"] for line in one.logged("source failing") if "is gone" in line["reason"]]
    assert [doubt.rpartition("number ")[2] for doubt in doubts] == ["1.", "2."]
    await one.until(lambda: one.failing() == "" and one.status()["warnings"] != [])
    assert all("(NXDOMAIN): the Service does not exist, is misspelt" in warning for warning in one.status()["warnings"])
    assert one.metric("membership_source_warnings") > 0
    await objects.set_ready(admin, namespace, "web-0", ready=True)
    await one.until(lambda: one.addresses() == ["10.3.1.1"], POLLS_SECONDS)
    await one.until(lambda: one.metric("membership_source_warnings") == 0)


@pytest.mark.parametrize("port", ["8080", "http"])
async def test_200_members_are_all_in_the_files(
    cluster_dns: CoreDns, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar], port: str
) -> None:
    """3.2 KiB of addresses and 20 KiB of SRV records do not fit into a datagram: they are read over TCP, completely."""
    every = [f"10.3.{2 + number // 100}.{number % 100 + 1}" for number in range(MANY)]
    await admin.create(objects.service("web", namespace, selector=None))
    await scene.write_members(admin, namespace, every)
    one = follow(sidecar, tmp_path, namespace, cluster_dns, f"--port={port}")
    await one.start()
    await one.until(lambda: len(one.members()) > 0)
    assert len(one.members()) == MANY
    for found in one.read().values():
        assert sorted(found) == sorted(f"{address}:8080" for address in every)
    kind = "A" if port == "8080" else "SRV"
    assert one.metric("membership_dns_queries_total", type=kind, rcode="NOERROR") >= 1


async def test_a_service_with_a_cluster_ip_is_reported_as_an_error(
    cluster_dns: CoreDns, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar]
) -> None:
    """Its address is in no file, and /status, /readyz and the log say what to do; a headless Service works."""
    made = await admin.create(objects.service("web", namespace, clusterIP=None))
    await objects.run_pods(admin, namespace, {"web-0": "10.3.5.1"})
    one = follow(sidecar, tmp_path, namespace, cluster_dns, "--port=8080")
    await one.start()
    await one.until(lambda: "the Service is not headless" in one.failing())
    for message in (one.failing(), one.get("/readyz")[1], one.logged("source failing")[0]["reason"]):
        assert f"has the Service's own address ({made['spec']['clusterIP']})" in message
        assert "Make one with clusterIP: None" in message
    assert one.stamps() == {}
    await admin.delete("Service", "web", namespace)
    await admin.create(objects.service("web", namespace))
    await one.until(lambda: one.holds(in_every_file("10.3.5.1")), POLLS_SECONDS)
    await one.until(lambda: one.failing() == "")
