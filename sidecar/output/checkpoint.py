"""What a restart must know: how far the published files had followed the cluster, and who was in them.

Pure but for the name of the file. It is kept in a small hidden file beside the first output, written before the
outputs: after a crash between the two the checkpoint is newer than the outputs and never older. Its name ends in no
suffix that a reader's glob (``*.json``, ``*.yml``) could match. The first line is JSON; what follows is the member set
as a ``json`` file, where no output holds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "membership-state/v1"


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of the file."""

    schema: str = SCHEMA
    generation: int = 0
    """How often the outputs were changed, over all restarts."""
    resource_versions: dict[str, str] = msgspec.field(name="revisions", default_factory=dict)
    """The resourceVersion of what was published, by scope."""

    @staticmethod
    def path_beside(output: Path) -> Path:
        """Where it is kept for a sidecar whose first output is *output*."""
        return output.parent / f".{output.name}.state"

    @staticmethod
    def decode(body: bytes) -> Predecessor:
        """What a predecessor left in *body*: nothing, and why, if that cannot be used."""
        line, _, members = body.partition(b"\n")
        try:
            found = msgspec.json.decode(line, type=Checkpoint)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return Predecessor(problem=f"it is damaged: {error}")
        if found.schema != SCHEMA or found.generation < 0:
            return Predecessor(problem=f"it has the schema {found.schema!r}, and this sidecar knows {SCHEMA!r}")
        odd = sorted(scope for scope, version in found.resource_versions.items() if not version.isdecimal())
        if odd:
            kept = {scope: version for scope, version in found.resource_versions.items() if scope not in odd}
            problem = f"the resourceVersion of {', '.join(odd)} is not a number, so that one is not used"
            return Predecessor(msgspec.structs.replace(found, resource_versions=kept), members, problem)
        return Predecessor(found, members)

    def encode(self) -> bytes:
        """The first line of the file."""
        return msgspec.json.encode(self) + b"\n"


class Predecessor(NamedTuple):
    """What an earlier run of the sidecar left."""

    checkpoint: Checkpoint = Checkpoint()
    members: bytes = b""
    """Who was in its files, as a ``json`` file; empty if that stands elsewhere, or nowhere."""
    problem: str = ""
    """Why some or all of it cannot be used; empty if it can."""
