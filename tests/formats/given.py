"""The members that these tests render."""

from __future__ import annotations

import msgspec

from sidecar.membership.member import Member

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
