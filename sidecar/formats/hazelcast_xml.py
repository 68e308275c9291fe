"""``hazelcast-xml``: a Hazelcast configuration with the member list, to start from or to import.

Hazelcast reads it once, when it starts. An import brings a whole ``<network>`` element (a second one is a "Duplicate
'network' definition"), so the port is part of the file. Every member has its port: without one, a joining member tries
three ports in a row. IPv6 needs ``-Dhazelcast.prefer.ipv4.stack=false``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from sidecar.formats.document import Format, Frame
from sidecar.formats.hostport import hostport

if TYPE_CHECKING:
    from sidecar.membership.member import Member

_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<hazelcast xmlns="http://www.hazelcast.com/schema/config">
  <network>
{port}    <join>
      <multicast enabled="false"/>
      <auto-detection enabled="false"/>
      <tcp-ip enabled="true">
        <member-list>
"""
_TAIL = b"""\
        </member-list>
      </tcp-ip>
    </join>
  </network>
</hazelcast>
"""


def _frame(source: str, first: Member | None) -> Frame:
    del source
    port = f'    <port auto-increment="false">{first.port}</port>\n' if first and first.port is not None else ""
    return Frame(_HEAD.format(port=port).encode(), _TAIL)


def _member(member: Member) -> bytes:
    return f"          <member>{escape(hostport(member))}</member>\n".encode()


FORMAT = Format(
    name="hazelcast-xml",
    summary="Hazelcast 4.1 and later: start from it or <import> it",
    file="hazelcast.xml",
    frame=_frame,
    member=_member,
    separator=b"",
    suffixes=(".xml",),
)
