"""``hazelcast-xml``: a Hazelcast configuration with the member list, to start from or to import.

An import brings a whole ``<network>`` element (a second one is a "Duplicate 'network' definition"), so the port that
the own member listens on is part of the file, where it is known. Every listed member has its port as well: without one,
a joining member tries three ports in a row. IPv6 needs ``-Dhazelcast.prefer.ipv4.stack=false``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from sidecar.formats.document import Format, Frame, Overview
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


def _frame(overview: Overview) -> Frame:
    own = overview.own_port
    port = "" if own is None else f'    <port auto-increment="false">{own}</port>\n'
    return Frame(_HEAD.format(port=port).encode(), _TAIL)


def _member(member: Member) -> bytes:
    return f"          <member>{escape(hostport(member))}</member>\n".encode()


FORMAT = Format(
    name="hazelcast-xml",
    summary="Hazelcast 4.1 and later: start from this file, or <import> it",
    read="once, when the Hazelcast member starts",
    file="hazelcast.xml",
    frame=_frame,
    member=_member,
    suffixes=(".xml",),
)
