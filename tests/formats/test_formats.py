"""Members in, bytes out: every format to the byte.

Out of scope: whether the real readers understand the bytes (``readers``), how a file follows changes
(``test_document``), and which members are published (``membership``).
"""

import re
from collections.abc import Mapping, Sequence

import pytest

from sidecar.formats import FORMATS, render
from sidecar.membership.member import Member
from tests.formats.given import SOURCE, make_member

SETS: Mapping[str, Sequence[Member]] = {
    "ipv4": [make_member(0, "10.0.0.1"), make_member(1, "10.0.0.2", 5702)],
    "ipv6": [make_member(0, "2001:db8::1"), make_member(1, "fd00::2", 5702)],
    "no-port": [make_member(0, "10.0.0.1", None), make_member(1, "fd00::2", None)],
    "empty": [],
    "escaped": [make_member(0, '<&">\\', zone='"\\\n\x00ä<')],
}
"""No source would accept the last address, but a format does not depend on that."""

JSON_MEMBER = (
    '{"name":"app-%d","namespace":"default","service":"app","uid":"uid-%d","address":"%s","addresses":["%s"],'
    '"port":%s,"hostname":"app-%d","node":"node-1","zone":"zone-a","ready":true,"serving":true,"terminating":false,'
    '"self":%s}'
)


def json_member(number: int, address: str, port: str) -> str:
    """A line of the ``json`` format."""
    return JSON_MEMBER % (number, number, address, address, port, number, "true" if number == 0 else "false")


def json_body(first: str, second: str) -> str:
    """A body with two members."""
    head = '{"schema": "membership/v1", "source": "endpointslice", "members": [\n'
    return f"{head}{first},\n{second}\n]}}\n"


XML = """\
<?xml version="1.0" encoding="UTF-8"?>
<hazelcast xmlns="http://www.hazelcast.com/schema/config">
  <network>
%s    <join>
      <multicast enabled="false"/>
      <auto-detection enabled="false"/>
      <tcp-ip enabled="true">
        <member-list>
%s        </member-list>
      </tcp-ip>
    </join>
  </network>
</hazelcast>
"""
XML_PORT = '    <port auto-increment="false">5701</port>\n'

YAML = """\
hazelcast:
  network:
    join:
      multicast:
        enabled: false
      auto-detection:
        enabled: false
      tcp-ip:
        enabled: true
        member-list:%s
"""

HOSTS = "# The members, for TCPPING initial_hosts_file; kept by membership-sidecar.\n%s"


def xml_members(*texts: str) -> str:
    """Lines of the ``hazelcast-xml`` format."""
    return "".join(f"          <member>{text}</member>\n" for text in texts)


def yaml_members(*texts: str) -> str:
    """Lines of the ``hazelcast-yaml`` format."""
    return "".join(f'\n          - "{text}"' for text in texts)


BYTES: Mapping[str, Mapping[str, str]] = {
    "json": {
        "ipv4": json_body(json_member(0, "10.0.0.1", "5701"), json_member(1, "10.0.0.2", "5702")),
        "ipv6": json_body(json_member(0, "2001:db8::1", "5701"), json_member(1, "fd00::2", "5702")),
        "no-port": json_body(json_member(0, "10.0.0.1", "null"), json_member(1, "fd00::2", "null")),
        "empty": '{"schema": "membership/v1", "source": "endpointslice", "members": []}\n',
        "escaped": '{"schema": "membership/v1", "source": "endpointslice", "members": [\n'
        + json_member(0, '<&\\">\\\\', "5701").replace("zone-a", '\\"\\\\\\n\\u0000ä<')
        + "\n]}\n",
    },
    "hazelcast-xml": {
        "ipv4": XML % (XML_PORT, xml_members("10.0.0.1:5701", "10.0.0.2:5702")),
        "ipv6": XML % (XML_PORT, xml_members("[2001:db8::1]:5701", "[fd00::2]:5702")),
        "no-port": XML % ("", xml_members("10.0.0.1", "[fd00::2]")),
        "empty": XML % ("", ""),
        "escaped": XML % (XML_PORT, xml_members('&lt;&amp;"&gt;\\:5701')),
    },
    "hazelcast-yaml": {
        "ipv4": YAML % yaml_members("10.0.0.1:5701", "10.0.0.2:5702"),
        "ipv6": YAML % yaml_members("[2001:db8::1]:5701", "[fd00::2]:5702"),
        "no-port": YAML % yaml_members("10.0.0.1", "[fd00::2]"),
        "empty": YAML % " []",
        "escaped": YAML % yaml_members('<&\\">\\\\:5701'),
    },
    "jgroups": {
        "ipv4": HOSTS % "10.0.0.1[5701]\n10.0.0.2[5702]\n",
        "ipv6": HOSTS % "2001:db8::1[5701]\nfd00::2[5702]\n",
        "no-port": HOSTS % "10.0.0.1\nfd00::2\n",
        "empty": HOSTS % "",
        "escaped": HOSTS % '<&">\\[5701]\n',  # the format has no way to escape
    },
}

CASES = [pytest.param(form, name, id=f"{form}-{name}") for form in FORMATS for name in SETS]


@pytest.mark.parametrize(("form", "name"), CASES)
def test_every_format_of_every_set_is_these_bytes(form: str, name: str) -> None:
    """To the byte; a format without a table of its own fails here."""
    assert render(FORMATS[form], SOURCE, SETS[name]).decode() == BYTES[form][name]


def test_every_format_is_under_its_name() -> None:
    """The table that the settings offer holds each format once, and no other is described here."""
    assert {name: form.name for name, form in FORMATS.items()} == {name: name for name in BYTES}


@pytest.mark.parametrize("form", FORMATS)
def test_suggested_name_has_a_suffix_that_the_reader_takes(form: str) -> None:
    """Whoever follows the suggestion gets a file that its reader parses."""
    suffixes = FORMATS[form].suffixes
    assert not suffixes or FORMATS[form].file.endswith(suffixes)


@pytest.mark.parametrize(
    ("members", "port"),
    [
        ([make_member(1, "10.0.0.1", 5701), make_member(0, "10.0.0.2", 5702, name="z")], "5702"),
        ([make_member(1, "10.0.0.1", 5701)], None),
        ([make_member(1, "10.0.0.1", 5701), make_member(0, "10.0.0.2", None)], None),
        ([make_member(0, "10.0.0.1", 5701), make_member(0, "10.0.0.1", 5701, service="b")], "5701"),
        ([make_member(0, "10.0.0.1", 5701), make_member(0, "10.0.0.1", None, service="b")], "5701"),
        ([make_member(0, "10.0.0.1", 5701), make_member(0, "10.0.0.1", 5702, service="b")], None),
    ],
    ids=["own is last", "no own pod", "no port", "two services", "port of one service", "two ports"],
)
def test_hazelcast_listens_on_the_port_of_the_own_pod(members: list[Member], port: str | None) -> None:
    """And not on that of the first member; where the own port is not known, Hazelcast has its default."""
    body = render(FORMATS["hazelcast-xml"], SOURCE, members).decode()
    assert re.findall(r"<port[^>]*>([^<]*)</port>", body) == ([port] if port else [])
