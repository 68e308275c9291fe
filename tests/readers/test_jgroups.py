"""JGroups reads ``jgroups`` as the ``initial_hosts_file`` of TCPPING, and forms a cluster with it.

Scope: the oldest release that the format claims and a recent one. What JGroups does later is out of scope: it never
reads the file again.
"""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.cluster.programs import free_port
from tests.readers import jars
from tests.readers.sets import MEMBERS, a_member, write

pytestmark = [pytest.mark.readers, pytest.mark.usefixtures("java")]

JARS = ("jgroups-5.3.15.Final", "jgroups-5.5.6.Final")

BIND_PORT = 7800
"""The port of members without one."""


FAMILIES = {"127.0.0.1": False, "::1": True}
"""A channel knows one address family, that of the address it is bound to; the others' members it drops."""


@pytest.fixture(scope="module", params=JARS)
def hosts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Sequence[str]]:
    """What JGroups reads from every set: status and hosts. Java starts once for each address family."""
    request.getfixturevalue("java")
    found: dict[str, Sequence[str]] = {}
    paths = write(tmp_path_factory.mktemp("jgroups"), "jgroups", ".txt")
    for loopback, ipv6 in FAMILIES.items():
        files = [path for path in paths if path.name.startswith("ipv6") is ipv6]
        done = jars.run(request.param, "JGroups", loopback, str(BIND_PORT), *files)
        assert "unable to resolve" not in done.stderr
        found |= jars.table(done.stdout)
    return found


@pytest.mark.parametrize("name", MEMBERS)
def test_jgroups_reads_the_members(hosts: Mapping[str, Sequence[str]], name: str) -> None:
    """The initial hosts are exactly the members; one without a port gets the port that the reader binds to."""
    status, found = hosts[f"{name}.txt"]
    assert status == "ok", found
    read = {(ip_address(host), int(port)) for host, port in (entry.split("/") for entry in found.split())}
    assert read == {(ip_address(it.address), it.port or BIND_PORT) for it in MEMBERS[name]}
    assert len(found.split()) == len(MEMBERS[name])


def test_two_jgroups_members_form_a_cluster(tmp_path: Path) -> None:
    """Two channels with our file, each on its own address and both on the same port, find each other."""
    port = free_port()
    members = [a_member(0, "127.0.0.2", port), a_member(1, "127.0.0.3", port)]
    [path] = write(tmp_path, "jgroups", ".txt", {"pair": members})
    done = jars.run(JARS[-1], "JGroupsCluster", path, str(port), "127.0.0.2", "127.0.0.3")
    assert done.stdout.split()[-1] == "2"
