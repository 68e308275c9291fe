"""Members in, bytes out: every format to the byte, and that the bytes are a function of the set.

Scope: ``sidecar.formats``. Whether the real readers understand the bytes is in ``readers``; which members there are, in
``test_members`` and ``test_policy``.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar import formats
from sidecar.formats import FORMATS, Document, render
from sidecar.membership.member import Member
from tests.support import strategies

SOURCE = "endpointslice"


def make_member(number: int, address: str, port: int | None = 5701, **overrides: object) -> Member:
    """A ready member of ``default/app``."""
    member = Member(
        name=f"app-{number}",
        namespace="default",
        service="app",
        uid=f"uid-{number}",
        address=address,
        addresses=(address,),
        port=port,
        hostname=f"app-{number}",
        node="node-1",
        zone="zone-a",
        ready=True,
        serving=True,
        terminating=False,
        is_self=number == 0,
    )
    return msgspec.structs.replace(member, **overrides)


SETS: Mapping[str, Sequence[Member]] = {
    "ipv4": [make_member(0, "10.0.0.1"), make_member(1, "10.0.0.2", 5702)],
    "ipv6": [make_member(0, "2001:db8::1"), make_member(1, "fd00::2", 5702)],
    "no-port": [make_member(0, "10.0.0.1", None), make_member(1, "fd00::2", None)],
    "empty": [],
    "escaped": [make_member(0, '<&">\\', zone='"\\\n\x00ä<')],
}
"""No source would take the last one's address for one, but a format stands by itself."""

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
def test_bytes(form: str, name: str) -> None:
    """Each format of each set is exactly these bytes; a format without a table of its own fails here."""
    assert render(FORMATS[form], SOURCE, SETS[name]).decode() == BYTES[form][name]


def test_every_format_is_under_its_name() -> None:
    """The table that the settings offer holds each format once, and no other is described here."""
    assert {name: form.name for name, form in FORMATS.items()} == {name: name for name in BYTES}


@pytest.mark.parametrize("form", FORMATS)
def test_suggested_name_has_a_suffix_that_the_reader_takes(form: str) -> None:
    """Whoever follows the suggestion gets a file that its reader parses."""
    suffixes = FORMATS[form].suffixes
    assert not suffixes or FORMATS[form].file.endswith(suffixes)


sets = st.lists(strategies.members(), max_size=6, unique_by=lambda member: member.key)
forms = st.sampled_from(sorted(FORMATS))


@given(forms, sets, st.data())
def test_bytes_are_a_function_of_the_set(form: str, members: list[Member], data: st.DataObject) -> None:
    """In whatever order the members come, the bytes are the same."""
    shuffled = data.draw(st.permutations(members))
    assert render(FORMATS[form], SOURCE, shuffled) == render(FORMATS[form], SOURCE, members)


@given(forms, st.lists(st.lists(st.tuples(st.booleans(), strategies.members()), max_size=4), max_size=6))
def test_changes_make_what_rendering_from_nothing_makes(form: str, history: list[list[tuple[bool, Member]]]) -> None:
    """After any history of joins, updates and leaves, also of members unknown, the bytes are those of the set."""
    document = Document(FORMATS[form])
    members: dict[str, Member] = {}
    for step in history:
        changes = {member.key: member if present else None for present, member in step}
        members = {key: member for key, member in {**members, **changes}.items() if member is not None}
        assert b"".join(document.update(changes, SOURCE)) == render(FORMATS[form], SOURCE, members.values())


SCHEMA = json.loads(Path(formats.__file__).with_name("membership-v1.schema.json").read_bytes())
"""The schema that is shipped."""


@given(sets)
def test_json_is_of_its_schema(members: list[Member]) -> None:
    """Whatever the members, the ``json`` file is valid, and so says the schema that is shipped."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(render(FORMATS["json"], SOURCE, members)))


def test_schema_describes_every_field() -> None:
    """A field that is added to the members is added to the schema, where it is required, in the order of the file."""
    described = SCHEMA["$defs"]["member"]
    fields = [field.encode_name for field in msgspec.structs.fields(Member)]
    assert list(described["properties"]) == fields
    assert described["required"] == [
        field.encode_name for field in msgspec.structs.fields(Member) if field.default is msgspec.NODEFAULT
    ]


class Body(msgspec.Struct):
    """The ``json`` file, for a reader that is written in Python."""

    schema: str
    source: str
    members: list[Member]


@given(sets)
def test_json_is_read_as_it_was_written(members: list[Member]) -> None:
    """Parsed, it has the same members, one a line, in the order that it promises."""
    body = render(FORMATS["json"], SOURCE, members)
    read = msgspec.json.decode(body, type=Body)
    assert read.members == sorted(members, key=lambda it: (it.namespace, it.service, it.name or it.address, it.uid))
    assert (read.schema, read.source) == ("membership/v1", SOURCE)
    assert len(body.splitlines()) == (len(members) + 2 if members else 1)


@pytest.mark.parametrize(
    ("form", "port", "expected"),
    [
        ("jgroups", 7800, ["10.0.0.1[7800]", "10.0.0.1[7801]", "10.0.0.1[7802]"]),
        ("jgroups", 65534, ["10.0.0.1[65534]", "10.0.0.1[65535]"]),
        ("jgroups", None, ["10.0.0.1"]),
        ("json", 7800, ['"port":7800']),
    ],
)
def test_a_port_range_lists_a_member_once_for_each_port(form: str, port: int | None, expected: list[str]) -> None:
    """As many after its own as are asked for, as KUBE_PING's port_range does; json tells the port itself."""
    member = make_member(0, "10.0.0.1", port)
    body = b"".join(Document(FORMATS[form], port_range=2).update({member.key: member}, SOURCE)).decode()
    assert [part for part in expected if part in body] == expected
    assert body.count("10.0.0.1[") + body.count('"port":') == sum(map(bool, [port])) * len(expected)
