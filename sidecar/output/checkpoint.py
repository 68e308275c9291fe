"""What a restart must know: how far the published files had followed the world, so as never to go back behind it.

Pure but for the name of the file. It is kept in a small hidden file beside the first output, written before the
outputs: after a crash between the two the checkpoint is newer than the outputs and never older. Its name ends in no suffix
that a reader's glob (``*.json``, ``*.yml``) could match.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the state file."""

    schema: str = "membership-state/v1"
    generation: int = 0
    """How often the outputs were changed, over all restarts."""
    resource_versions: dict[str, str] = msgspec.field(name="revisions", default_factory=dict)
    """The resourceVersion of what was published, by scope."""

    @staticmethod
    def path_beside(output: Path) -> Path:
        """Where it is kept for a sidecar whose first output is *output*."""
        return output.parent / f".{output.name}.state"

    @classmethod
    def decode(cls, body: bytes) -> Checkpoint:
        """The checkpoint in *body*; nothing is known if that is damaged or of another schema."""
        try:
            found = msgspec.json.decode(body, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return cls()
        return found if found.schema == cls().schema and found.generation >= 0 else cls()

    def encode(self) -> bytes:
        """The file's bytes."""
        return msgspec.json.encode(self) + b"\n"
