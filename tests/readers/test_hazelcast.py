"""Hazelcast reads ``hazelcast-xml`` and ``hazelcast-yaml``, as a whole or imported, and forms a cluster with them.

Scope: the oldest release that the formats claim and a recent one, with their validation against the schema. What
Hazelcast does later is out of scope: it never reads the file again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.cluster.programs import free_port
from tests.readers import jars
from tests.readers.sets import MEMBERS, a_member, write

pytestmark = [pytest.mark.readers, pytest.mark.usefixtures("java")]

JARS = ("hazelcast-4.1.10", "hazelcast-5.6.0")

IMPORT_XML = """\
<hazelcast xmlns="http://www.hazelcast.com/schema/config">
  <import resource="{resource}"/>
  <cluster-name>main</cluster-name>
</hazelcast>
"""
IMPORT_YAML = """\
hazelcast:
  import:
    - {resource}
  cluster-name: main
  network:
    port:
      port: 6701
      auto-increment: false
"""

CASES = [pytest.param(f"{main}{name}{suffix}", name, id=f"{main}{name}{suffix}")
         for suffix in (".xml", ".yaml") for main in ("", "main-") for name in MEMBERS]  # fmt: skip


@pytest.fixture(scope="module", params=JARS)
def configurations(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Sequence[str]]:
    """What Hazelcast reads from every file: status, port, join settings, members. Java starts once for all files."""
    request.getfixturevalue("java")
    directory = tmp_path_factory.mktemp("hazelcast")
    paths = []
    for form, suffix, template in (("hazelcast-xml", ".xml", IMPORT_XML), ("hazelcast-yaml", ".yaml", IMPORT_YAML)):
        for path in write(directory, form, suffix):
            main = path.with_name(f"main-{path.name}")
            main.write_text(template.format(resource=path.as_uri()))
            paths += [path, main]
    return jars.table(jars.run(request.param, "Hazelcast", *paths).stdout)


@pytest.mark.parametrize(("file", "members"), CASES)
def test_hazelcast_reads_the_members(configurations: Mapping[str, Sequence[str]], file: str, members: str) -> None:
    """The list has exactly the members, only TCP joins are enabled, and the port is the members' or the main file's."""
    status, port, joins, found = configurations[file]
    hosts = [f"[{it.address}]" if ":" in it.address else it.address for it in MEMBERS[members]]
    ports = ["" if it.port is None else f":{it.port}" for it in MEMBERS[members]]
    expected = sorted(host + number for host, number in zip(hosts, ports, strict=True))
    assert (status, joins) == ("ok", "tcp-ip"), found
    assert found.split() == expected
    if file.endswith(".yaml"):
        assert port == ("6701" if file.startswith("main-") else "5701+")
    else:
        assert port == (str(MEMBERS[members][0].port) if any(ports) else "5701+")


@pytest.mark.parametrize("suffix", [".xml", ".yaml"])
def test_two_hazelcast_members_form_a_cluster(tmp_path: Path, suffix: str) -> None:
    """Two members with our file, each on its own address and both on the same port, find each other."""
    port = free_port()
    members = [a_member(0, "127.0.0.2", port), a_member(1, "127.0.0.3", port)]
    [path] = write(tmp_path, f"hazelcast-{suffix[1:]}", suffix, {"pair": members})
    if suffix == ".yaml":
        main = tmp_path / "main.yaml"
        main.write_text(IMPORT_YAML.replace("6701", str(port)).format(resource=path.as_uri()))
        path = main
    assert jars.run(JARS[-1], "HazelcastCluster", path, "127.0.0.2", "127.0.0.3").stdout.split()[-1] == "2"
