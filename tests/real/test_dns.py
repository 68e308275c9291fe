"""DNS as a source against the real CoreDNS, fed by a real control plane.

Scope: that the members are those of the Services and pods, and that CoreDNS behaves like the scripts of
``test_source``. The polls are more frequent than a daemon's, which changes nothing else.
"""

import asyncio
import time
from typing import Any

import pytest

from sidecar.membership.events import Failed, Listed
from sidecar.membership.member import Member
from sidecar.observability.metrics import Metrics
from sidecar.settings.values import Nameserver
from sidecar.sources.dns.confirmation import ConfirmationPolicy
from sidecar.sources.dns.records import Wanted
from sidecar.sources.dns.resolver import Resolver, Timeouts
from sidecar.sources.dns.source import Dns, Timing
from tests.cluster import objects
from tests.cluster.api import Api
from tests.cluster.coredns import CoreDns
from tests.real.scene import TTL, figure, write_members
from tests.support.builders import Followed, following

PATIENCE = 20.0
"""Seconds for CoreDNS to see a change, on a machine that is busy with other tests."""

DUAL_STACK: dict[str, Any] = {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv4", "IPv6"]}


def poll(
    server: CoreDns, namespace: str, *, port: str = "", family: str = "auto", metrics: Metrics | None = None
) -> Dns:
    """A source of the Service web."""
    metrics = metrics or Metrics([])
    resolver = Resolver(
        servers=[Nameserver(server.host, server.port)],
        zone="cluster.local",
        metrics=metrics,
        timeouts=Timeouts(answer=0.5, question=1.0),
    )
    return Dns(
        resolver,
        Wanted(service="web", namespace=namespace, port=port, family=family),
        metrics=metrics,
        clock=asyncio.get_running_loop().time,
        jitter=lambda: 0.0,
        timing=Timing(shortest=0.2, retry=0.2, retry_cap=0.5),
        confirmation=ConfirmationPolicy(),
    )


def members(seen: Followed) -> list[Member]:
    """The members of all reports, in order."""
    found = [member for report in seen.reports.values() for member in report.members.values()]
    return sorted(found, key=lambda member: member.key)


def addresses(seen: Followed) -> set[str]:
    """Their addresses."""
    return {member.address for member in members(seen)}


def failed(seen: Followed, reason: str) -> bool:
    """Whether the last event is a failure for that reason."""
    last = seen.events[-1] if seen.events else None
    return isinstance(last, Failed) and last.reason == reason


async def test_a_services_ready_pods_are_its_members(cluster_dns: CoreDns, admin: Api, namespace: str) -> None:
    """They join and leave as their readiness changes; a Service needs no named port."""
    await admin.create(objects.service("web", namespace))
    await objects.run_pods(admin, namespace, {"web-0": "10.3.0.1", "web-1": "10.3.0.2"})
    async with following(poll(cluster_dns, namespace, port="8080")) as seen:
        await seen.until(lambda seen: addresses(seen) == {"10.3.0.1", "10.3.0.2"}, within=PATIENCE)
        await objects.set_ready(admin, namespace, "web-0", ready=False)
        await seen.until(lambda seen: addresses(seen) == {"10.3.0.2"}, within=PATIENCE)
        await objects.set_ready(admin, namespace, "web-0", ready=True)
        await seen.until(lambda seen: len(addresses(seen)) == 2, within=PATIENCE)
    assert [(member.name, member.port, member.ready) for member in members(seen)] == [("", 8080, True)] * 2
    assert "AAAA" in {origin.rpartition("/")[2] for origin in seen.reports}


async def test_a_named_port_provides_hostnames_and_ports(cluster_dns: CoreDns, admin: Api, namespace: str) -> None:
    """A pod with a hostname is one member with both addresses; without one, each address is a member."""
    await admin.create(objects.service("web", namespace, **DUAL_STACK))
    await objects.ensure_node(admin)
    named = objects.pod("web-0", namespace, hostname="db--1", subdomain="web")
    await objects.run_pod(admin, named, ["10.3.1.1", "fd00:3:1::1"])
    await objects.run_pod(admin, objects.pod("web-1", namespace), ["10.3.1.2", "fd00:3:1::2"])
    expected = [
        ("", ("10.3.1.2",), 8080, ""),
        ("db--1", ("10.3.1.1", "fd00:3:1::1"), 8080, "db--1"),
        ("", ("fd00:3:1::2",), 8080, ""),
    ]

    def identities(seen: Followed) -> list[tuple[str, tuple[str, ...], int | None, str]]:
        return [(one.name, one.addresses, one.port, one.hostname) for one in members(seen)]

    async with following(poll(cluster_dns, namespace, port="http")) as seen:
        await seen.until(lambda seen: identities(seen) == expected, within=PATIENCE)
    async with following(poll(cluster_dns, namespace, port="https")) as seen:
        await seen.until(lambda seen: failed(seen, "absent"), within=PATIENCE)


@pytest.mark.parametrize(("family", "prefixes"), [("auto", {"10.3", "fd00"}), ("ipv4", {"10.3"}), ("ipv6", {"fd00"})])
async def test_a_dual_stack_service_has_both_families(
    cluster_dns: CoreDns, admin: Api, namespace: str, family: str, prefixes: set[str]
) -> None:
    """Or only the requested one."""
    await admin.create(objects.service("web", namespace, **DUAL_STACK))
    await objects.ensure_node(admin)
    await objects.run_pod(admin, objects.pod("web-0", namespace), ["10.3.2.1", "fd00:3:2::1"])
    async with following(poll(cluster_dns, namespace, family=family)) as seen:
        await seen.until(lambda seen: {address[:4] for address in addresses(seen)} == prefixes, within=PATIENCE)


@pytest.mark.parametrize("port", ["", "http"])
async def test_the_last_ready_pod_leaves_only_after_confirmation(
    cluster_dns: CoreDns, admin: Api, namespace: str, port: str
) -> None:
    """CoreDNS responds NXDOMAIN to both queries, three times and for longer than the negative TTL."""
    await admin.create(objects.service("web", namespace))
    await objects.run_pods(admin, namespace, {"web-0": "10.3.3.1"})
    async with following(poll(cluster_dns, namespace, port=port)) as seen:
        await seen.until(lambda seen: addresses(seen) == {"10.3.3.1"}, within=PATIENCE)
        await objects.set_ready(admin, namespace, "web-0", ready=False)
        await seen.until(lambda seen: failed(seen, "absent"), within=PATIENCE)
        assert addresses(seen) == {"10.3.3.1"}
        await seen.until(lambda seen: not addresses(seen), within=PATIENCE)
        assert all("NXDOMAIN" in report.warning for report in seen.reports.values())
        await objects.set_ready(admin, namespace, "web-0", ready=True)
        await seen.until(lambda seen: addresses(seen) == {"10.3.3.1"}, within=PATIENCE)
    absences = [
        (at, event)
        for at, event in zip(seen.times, seen.events, strict=True)
        if isinstance(event, Failed) and event.reason == "absent" and "is gone" in event.message
    ]
    emptied = next(
        at
        for at, event in zip(seen.times, seen.events, strict=True)
        if isinstance(event, Listed) and at > absences[0][0] and not any(report.members for report in event.reports)
    )
    assert len(absences) == 2
    assert emptied - absences[0][0] > TTL


async def test_a_dead_dns_server_changes_nothing(cluster_dns: CoreDns, admin: Api, namespace: str) -> None:
    """The set stays while the server is down; changes during that time are seen when it is back."""
    await admin.create(objects.service("web", namespace))
    await objects.run_pods(admin, namespace, {"web-0": "10.3.4.1", "web-1": "10.3.4.2"})
    async with following(poll(cluster_dns, namespace)) as seen:
        await seen.until(lambda seen: len(addresses(seen)) == 2, within=PATIENCE)
        known = len(seen.events)
        cluster_dns.stop()
        try:
            await seen.until(lambda seen: failed(seen, "timeout") or failed(seen, "connection"), within=PATIENCE)
            await objects.run_pods(admin, namespace, {"web-2": "10.3.4.3"})
            count = len(seen.events)
            await seen.until(lambda seen: len(seen.events) >= count + 3, within=PATIENCE)
            assert addresses(seen) == {"10.3.4.1", "10.3.4.2"}
            assert all(isinstance(event, Failed) for event in seen.events[count:])
        finally:
            await asyncio.to_thread(cluster_dns.start)
        await seen.until(lambda seen: len(addresses(seen)) == 3, within=PATIENCE)
    messages = {event.message for event in seen.events[known:] if isinstance(event, Failed)}
    assert all("No answer to" in message for message in messages)


@pytest.mark.parametrize("port", ["8080", "http"])
async def test_200_members_are_read_over_tcp(cluster_dns: CoreDns, admin: Api, namespace: str, port: str) -> None:
    """Completely: 3.2 KiB of addresses and 20 KiB of SRV records do not fit into a datagram."""
    every = {f"10.3.{5 + number // 100}.{number % 100 + 1}" for number in range(200)}
    await admin.create(objects.service("web", namespace, selector=None))
    await write_members(admin, namespace, sorted(every))
    metrics = Metrics([])
    async with following(poll(cluster_dns, namespace, port=port, family="ipv4", metrics=metrics)) as seen:
        await seen.until(lambda seen: addresses(seen) == every, within=PATIENCE)
        started, count = time.process_time(), len(seen.events)
        await seen.until(lambda seen: len(seen.events) >= count + 3, within=PATIENCE)
        figure(f"port {port}: {(time.process_time() - started) / 3 * 1000:.1f} ms CPU a poll of 200 members over TCP")
    assert {member.port for member in members(seen)} == {8080}
    kind = "A" if port == "8080" else "SRV"
    labels = {"type": kind, "rcode": "NOERROR"}
    assert (metrics.registry.get_sample_value("membership_dns_queries_total", labels) or 0) >= 4


@pytest.mark.parametrize("port", ["", "http"])
async def test_the_address_of_a_service_with_a_cluster_ip_is_never_a_member(
    cluster_dns: CoreDns, admin: Api, namespace: str, port: str
) -> None:
    """In either address family: it is not headless, which is reported as an error."""
    made = await admin.create(objects.service("web", namespace, clusterIP=None, **DUAL_STACK))
    await objects.run_pods(admin, namespace, {"web-0": "10.3.7.1"})
    async with following(poll(cluster_dns, namespace, port=port)) as seen:
        await seen.until(lambda seen: failed(seen, "not_headless"), within=PATIENCE)
    last = seen.events[-1]
    assert isinstance(last, Failed)
    assert any(address in last.message for address in made["spec"]["clusterIPs"])
    assert not members(seen)
    assert not any(isinstance(event, Listed) for event in seen.events)


async def test_a_zone_that_is_not_served_is_refused(cluster_dns: CoreDns, namespace: str) -> None:
    """A wrong --cluster-domain has a message of its own."""
    metrics = Metrics([])
    server = Nameserver(cluster_dns.host, cluster_dns.port)
    found = await Resolver(servers=[server], zone="corp.example", metrics=metrics).ask(f"web.{namespace}.svc", "A")
    refused = "REFUSED: it does not serve that zone, or not this client; correct --dns-server or --cluster-domain"
    assert refused in str(found)
