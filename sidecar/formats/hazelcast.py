"""``hazelcast-xml`` and ``hazelcast-yaml``: a member list to import into a Hazelcast configuration, or to start from.

Hazelcast reads it once, at start. An XML import brings a whole ``<network>`` element (a second one is a "Duplicate
'network' definition"), therefore the port is in it; a YAML import is merged deeply, therefore it holds the list alone.
Every port is written: without it a joiner tries three. IPv6 needs ``-Dhazelcast.prefer.ipv4.stack=false``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import msgspec

from sidecar.formats.document import Format, Frame
from sidecar.formats.hostport import hostport

if TYPE_CHECKING:
    from sidecar.membership.member import Member

_XML_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<hazelcast xmlns="http://www.hazelcast.com/schema/config">
  <network>
{port}    <join>
      <multicast enabled="false"/>
      <auto-detection enabled="false"/>
      <tcp-ip enabled="true">
        <member-list>
"""
_XML_TAIL = b"""\
        </member-list>
      </tcp-ip>
    </join>
  </network>
</hazelcast>
"""
_YAML_HEAD = """\
hazelcast:
  network:
    join:
      multicast:
        enabled: false
      auto-detection:
        enabled: false
      tcp-ip:
        enabled: true
        member-list:"""


def _xml_frame(source: str, first: Member | None) -> Frame:
    del source
    port = f'    <port auto-increment="false">{first.port}</port>\n' if first and first.port is not None else ""
    return Frame(_XML_HEAD.format(port=port).encode(), _XML_TAIL)


def _xml_member(member: Member) -> bytes:
    return f"          <member>{escape(hostport(member))}</member>\n".encode()


def _yaml_frame(source: str, first: Member | None) -> Frame:
    del source
    return Frame(_YAML_HEAD.encode() + (b"\n" if first else b" []\n"), b"")


def _yaml_member(member: Member) -> bytes:
    # A JSON string is a YAML scalar in double quotes.
    return b"          - " + msgspec.json.encode(hostport(member)) + b"\n"


XML = Format(
    name="hazelcast-xml",
    summary="Hazelcast 4.1 and later: start from it or <import> it",
    file="hazelcast.xml",
    frame=_xml_frame,
    member=_xml_member,
    separator=b"",
    suffixes=(".xml",),
)
YAML = Format(
    name="hazelcast-yaml",
    summary="Hazelcast 4.1 and later: import it into hazelcast.yaml",
    file="hazelcast.yaml",
    frame=_yaml_frame,
    member=_yaml_member,
    separator=b"",
    suffixes=(".yaml", ".yml"),
)
