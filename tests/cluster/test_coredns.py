"""The DNS server of the cluster has its Services. Scope: that it runs and gets its data; not the details of DNS."""

import asyncio
import ipaddress
import socket
import struct

from tests.cluster import objects
from tests.cluster.api import Api
from tests.cluster.coredns import CoreDns

TYPE_A, CLASS_IN = 1, 1
HEADER = struct.Struct("!6H")
RECORD = struct.Struct("!HHIH")


def addresses(server: CoreDns, name: str) -> set[str]:
    """The A records of the name."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = labels + b"\0" + struct.pack("!2H", TYPE_A, CLASS_IN)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.sendto(HEADER.pack(1, 0, 1, 0, 0, 0) + question, (server.host, server.port))
        answer = client.recv(4096)
    found, position = set(), HEADER.size + len(question)
    for _ in range(HEADER.unpack_from(answer)[3]):
        while answer[position] and answer[position] < 0xC0:  # labels, until the end or a pointer
            position += 1 + answer[position]
        position += 2 if answer[position] else 1
        kind, _, _, length = RECORD.unpack_from(answer, position)
        position += RECORD.size + length
        if kind == TYPE_A:
            found.add(str(ipaddress.IPv4Address(answer[position - length : position])))
    return found


async def test_a_headless_service_resolves_to_its_pods(coredns: CoreDns, admin: Api, namespace: str) -> None:
    """To the addresses of its pods."""
    pods = {"web-0": "10.2.0.1", "web-1": "10.2.0.2"}
    await admin.create(objects.service("web", namespace))
    await objects.run_pods(admin, namespace, pods)
    async with asyncio.timeout(20):
        name = f"web.{namespace}.svc.cluster.local"
        while addresses(coredns, name) != set(pods.values()):
            await asyncio.sleep(0.1)
