"""``hazelcast-yaml``: a member list to import into ``hazelcast.yaml``.

Hazelcast reads it once, when it starts. A YAML import is merged deeply, so the file holds the member list alone and the
main file keeps its own port. Every member has its port: without one, a joining member tries three ports in a row. IPv6
needs ``-Dhazelcast.prefer.ipv4.stack=false``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sidecar.formats.document import Format, Frame
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


def _frame(source: str, first: Member | None) -> Frame:
    del source
    return Frame(_HEAD.encode() + (b"\n" if first else b" []\n"), b"")


def _member(member: Member) -> bytes:
    # A JSON string is a YAML scalar in double quotes.
    return b"          - " + msgspec.json.encode(hostport(member)) + b"\n"


FORMAT = Format(
    name="hazelcast-yaml",
    summary="Hazelcast 4.1 and later: import it into hazelcast.yaml",
    file="hazelcast.yaml",
    frame=_frame,
    member=_member,
    separator=b"",
    suffixes=(".yaml", ".yml"),
)
