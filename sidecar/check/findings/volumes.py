"""Whether a volume can be published to. Pure; ``probes.volumes`` looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sidecar.check.findings.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

ENOUGH = 2**20
"""Bytes: a json file of 1,000 members has 0.3 MB, and the old and the new file exist at the same time."""


class Directory(NamedTuple):
    """What was seen of an output's directory."""

    path: str
    """The path of the output."""
    problem: str = ""
    """Why no file can be written there; empty if one was."""
    mount: str = ""
    """The mount point that it is below; empty if that is not known."""
    filesystem: str = ""
    in_memory: bool = False
    free: int = 0
    """Bytes that this user may still write."""
    nodes: int = 1
    """Files that can still be created."""


def judge(seen: Directory, fsync: str) -> Iterator[Finding]:
    """The findings about an output.

    Args:
        seen: its directory.
        fsync: ``auto``, ``always`` or ``never``.
    """
    subject = f"output {seen.path}"
    if seen.problem:
        yield _problem(subject, seen.problem)
        return
    yield Finding("ok", subject, "A file was created beside it and renamed.")
    yield _volume(subject, seen, fsync)
    if seen.free < ENOUGH or not seen.nodes:
        message = f"The volume is nearly full (free: {seen.free // 1024} KiB, {seen.nodes} inodes)."
        yield Finding("warning", subject, message, "Free some space, or raise the emptyDir's sizeLimit.")


def _volume(subject: str, seen: Directory, fsync: str) -> Finding:
    synced = fsync == "always" or (fsync == "auto" and not seen.in_memory)
    policy = "Each file is flushed to it before it is renamed" if synced else "Files are not flushed"
    if seen.mount in {"", "/"}:
        message = "Its directory is not on a mounted volume, so no other container sees the file."
        return Finding("warning", subject, message, "Mount the shared emptyDir there, in both containers.")
    kind = "in memory" if seen.in_memory else "on a disk"
    return Finding("ok", subject, f"It is {kind} ({seen.filesystem}, mounted at {seen.mount}). {policy} (fsync).")


def _problem(subject: str, problem: str) -> Finding:
    """A problem as ``output.volume`` words it: what, perhaps why, and after the last colon the remedy."""
    message, _, remedy = problem.rpartition(": ")
    if not message or (message.endswith(")") and "was not written" in message):  # an errno without a remedy
        return Finding("error", subject, problem)
    return Finding("error", subject, f"{message}.", f"{remedy[:1].upper()}{remedy[1:]}")
