"""``json``: everything that is known of each member, for programs of your own and for people.

One member per line, in the shape of ``membership-v1.schema.json`` beside this module. Readers ignore fields that they
do not know; within ``membership/v1`` no field is removed or changes its meaning.
"""

from __future__ import annotations

import msgspec

from sidecar.formats.document import Format, Frame, Overview
from sidecar.membership.member import Member  # noqa: TC001 - msgspec reads the annotations

SCHEMA = "membership/v1"

_encoder = msgspec.json.Encoder()


def _frame(overview: Overview) -> Frame:
    head = f'{{"schema": "{SCHEMA}", "source": "{overview.source}", "members": ['.encode()
    return Frame(head + b"\n", b"\n]}\n") if overview.members else Frame(head, b"]}\n")


FORMAT = Format(
    name="json",
    summary="programs that read JSON: everything that is known of each member, schema membership/v1",
    read="whenever they like; a new file is an IN_MOVED_TO event in its directory",
    file="members.json",
    frame=_frame,
    member=_encoder.encode,
    separator=b",\n",
    every_port=False,
)


class Contents(msgspec.Struct, frozen=True):
    """A file in this format, read back."""

    schema: str
    source: str
    members: tuple[Member, ...]


_decoder = msgspec.json.Decoder(Contents)


def decode(body: bytes) -> Contents | None:
    """What a file in this format holds; None for anything else."""
    try:
        found = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if found.schema == SCHEMA else None
