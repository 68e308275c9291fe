"""Makes the outputs hold what they should, the checkpoint first.

One synchronous function, ``Publisher.publish``, meant for one thread hop: awaiting its steps would be slower and could
be cancelled between two of them. It knows bytes and paths, not members, and nothing of when.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from sidecar.errors import PublishError
from sidecar.output.checkpoint import Checkpoint, Predecessor
from sidecar.output.file import File
from sidecar.output.publication import Outcome, Publication
from sidecar.output.volume import (
    in_memory,
    read_mounts,
    refuse_same_file,
    refuse_unpublishable,
    sweep,
    translated,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from sidecar.output.file import System
    from sidecar.output.publication import Body


class Publisher:
    """The outputs and the checkpoint.

    Args:
        outputs: the paths to publish to; their directories exist.
        fsync: ``auto`` (everywhere but on tmpfs), ``always`` or ``never``.
        system: ``os``.
    """

    def __init__(self, outputs: Sequence[Path], *, fsync: str = "auto", system: System = os) -> None:
        mounts = read_mounts()
        syncs = [fsync == "always" or (fsync == "auto" and not in_memory(path, mounts)) for path in outputs]
        self._outputs = [File(path, sync=sync, system=system) for path, sync in zip(outputs, syncs, strict=True)]
        self._checkpoint_file = File(Checkpoint.path_beside(outputs[0]), sync=syncs[0], system=system)
        self._recorded = False
        """Whether the checkpoint of the newest bodies is in place."""
        self.predecessor = Predecessor()
        self.checkpoint = self.predecessor.checkpoint
        self.paths = tuple(str(path) for path in outputs)
        """Of the outputs, in the order of the bodies; they name them in metrics."""

    @property
    def complete(self) -> bool:
        """Whether a sidecar has published all outputs here before, a predecessor included."""
        return self.checkpoint.generation > 0 and all(output.path.is_file() for output in self._outputs)

    def written(self) -> dict[str, float]:
        """When each output that exists was last replaced, in seconds since 1970, by its path."""
        return {str(output.path): output.path.stat().st_mtime for output in self._outputs if output.path.is_file()}

    def prepare(self) -> None:
        """Check the paths, sweep what a killed predecessor left, and read its checkpoint.

        Raises:
            PublishError: if a path can never be published to.
            SettingsError: if two of the files are one.
        """
        refuse_same_file([output.path for output in self._outputs], self._checkpoint_file.path)
        mounts = read_mounts()
        for file in (*self._outputs, self._checkpoint_file):
            with translated(file.path, "can never be written"):
                refuse_unpublishable(file.path, mounts)
            sweep(file.path)
        with suppress(OSError):
            self.predecessor = Checkpoint.decode(self._checkpoint_file.path.read_bytes())
            self.checkpoint = self.predecessor.checkpoint

    def publish(
        self,
        bodies: Sequence[Body],
        resource_versions: Mapping[str, str],
        *,
        members: Body = (),
        only: Collection[int] | None = None,
        again: bool = False,
    ) -> Publication:
        """Make each output hold its body; one that does already is not touched.

        Args:
            bodies: one for each output.
            resource_versions: up to where each scope has been followed, for the checkpoint.
            members: who is in the bodies, for the checkpoint; empty where an output tells.
            only: the outputs to try, by number; None for all.
            again: whether these bodies were published before, so that this is no new generation.
        """
        self._recorded = self._recorded and again
        tried = range(len(bodies)) if only is None else only
        stale = [at in tried and not self._outputs[at].holds(body) for at, body in enumerate(bodies)]
        if any(stale) and not self._recorded:
            checkpoint = Checkpoint(
                generation=self.checkpoint.generation + 1, resource_versions=dict(resource_versions)
            )
            try:
                self._checkpoint_file.replace((checkpoint.encode(), *members))
            except PublishError as error:
                return self._publication(tried, [error if is_stale else None for is_stale in stale], stale)
            self.checkpoint, self._recorded = checkpoint, True
        errors = [self._write(at, bodies[at]) if is_stale else None for at, is_stale in enumerate(stale)]
        return self._publication(tried, errors, stale)

    def _write(self, at: int, body: Body) -> PublishError | None:
        try:
            self._outputs[at].replace(body)
        except PublishError as error:
            return error
        return None

    def _publication(
        self, tried: Collection[int], errors: Sequence[PublishError | None], stale: Sequence[bool]
    ) -> Publication:
        outcomes = tuple(
            None if at not in tried else Outcome.ERROR if error else Outcome.WRITTEN if is_stale else Outcome.UNCHANGED
            for at, (error, is_stale) in enumerate(zip(errors, stale, strict=True))
        )
        return Publication(self.checkpoint.generation, outcomes, tuple(error for error in errors if error))
