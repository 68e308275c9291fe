"""``jgroups``: the hosts file of TCPPING (``initial_hosts_file``, JGroups 5.3.15, 5.4.2 and later; JGRP-2859).

One ``host[port]`` per line; ``#`` starts a comment. An IPv6 address stands bare before the bracket,
``2001:db8::1[7800]``: with brackets around it, the channel does not start. Use ``port_range="0"``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.formats.document import Format, Frame, Overview

if TYPE_CHECKING:
    from sidecar.membership.member import Member

_HEAD = b"# The members, for TCPPING initial_hosts_file; kept by membership-sidecar.\n"


def _frame(overview: Overview) -> Frame:
    del overview
    return Frame(_HEAD)


def _member(member: Member) -> bytes:
    port = "" if member.port is None else f"[{member.port}]"
    return f"{member.address}{port}\n".encode()


FORMAT = Format(
    name="jgroups",
    summary="JGroups 5.3.15, 5.4.2 and later, Infinispan, Keycloak: initial_hosts_file of TCPPING",
    read="once, when the channel connects",
    file="hosts.txt",
    frame=_frame,
    member=_member,
)
