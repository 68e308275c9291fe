"""``hazelcast-yaml``: a member list to import into ``hazelcast.yaml``.

A YAML import is merged deeply, so the file holds the member list alone and the main file keeps its own port. Every
listed member has its port: without one, a joining member tries three ports in a row. IPv6 needs
``-Dhazelcast.prefer.ipv4.stack=false``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sidecar.formats.document import Format, Frame, Overview
from sidecar.formats.hostport import hostport

if TYPE_CHECKING:
    from sidecar.membership.member import Member

_HEAD = """\
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


def _frame(overview: Overview) -> Frame:
    return Frame(_HEAD.encode() + (b"\n" if overview.members else b" []\n"))


def _member(member: Member) -> bytes:
    # a JSON string is a YAML scalar in double quotes
    return b"          - " + msgspec.json.encode(hostport(member)) + b"\n"


FORMAT = Format(
    name="hazelcast-yaml",
    summary="Hazelcast 4.1 and later: import this file into hazelcast.yaml",
    read="once, when the Hazelcast member starts",
    file="hazelcast.yaml",
    frame=_frame,
    member=_member,
    suffixes=(".yaml", ".yml"),
)
