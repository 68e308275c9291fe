"""How far a collection has been followed, and which LIST that calls for.

Pure. The rules are client-go's (tools/cache/reflector.go) and those of KEP-5504:

- The first LIST takes what the watch cache has (resourceVersion 0). A later one, also of a restarted sidecar, takes
  nothing older than what was seen (NotOlderThan). Only once that has become impossible, it is a consistent read ("").
- The position comes from lists, watch events and bookmarks, never from listed items, and never goes back, except by a
  consistent read.
"""

from __future__ import annotations

from sidecar.errors import SourceError
from sidecar.sources.kubernetes.resource_versions import is_older, number

TOO_LARGE = "too_large_resource_version"
"""How a server that is behind refuses a position."""


class Position:
    """The resourceVersion up to which a collection is known.

    Args:
        resource_version: of the checkpoint; empty if there is none. One that is not a number is ignored, because the
            API server refuses it.
        too_large_tries: how often a server that is behind is asked again before a consistent read.
    """

    def __init__(self, resource_version: str, too_large_tries: int) -> None:
        self.resource_version = resource_version if number(resource_version) is not None else ""
        self.consistent = False
        """Whether the next LIST must be a consistent read."""
        self._too_large_tries = too_large_tries
        self._behind = 0

    def list_query(self, *, paged: bool) -> dict[str, str]:
        """The parameters of the next LIST.

        Args:
            paged: whether it has a limit, which the watch cache ignores at resourceVersion 0; it answers a consistent
                LIST too, since Kubernetes 1.31.
        """
        if self.consistent or (not self.resource_version and paged):
            return {}
        if not self.resource_version:
            return {"resourceVersion": "0"}
        return {"resourceVersion": self.resource_version, "resourceVersionMatch": "NotOlderThan"}

    def listed(self, resource_version: str) -> None:
        """A complete LIST arrived.

        Raises:
            SourceError: if it is older than what was seen.
        """
        if not self.consistent and is_older(resource_version, self.resource_version):
            raise SourceError(
                "older", f"The API server listed {resource_version}, older than {self.resource_version} seen before."
            )
        self.resource_version, self.consistent = resource_version, False
        self.accepted()

    def check(self, resource_version: str) -> None:
        """Refuse an event or a bookmark that cannot be the next one.

        Raises:
            SourceError: if it has no resourceVersion, or one that is older than what was seen.
        """
        if not resource_version:
            raise SourceError("malformed", "An event of the watch has no resourceVersion.")
        if is_older(resource_version, self.resource_version):
            raise SourceError(
                "older", f"The watch went back to {resource_version}, older than {self.resource_version} seen before."
            )

    def advance(self, resource_version: str) -> None:
        """An event or a bookmark was taken in."""
        self.resource_version = resource_version
        self.accepted()

    def accepted(self) -> None:
        """The server is not behind this position."""
        self._behind = 0

    def list_failed(self, error: SourceError) -> None:
        """A LIST failed: the next one may have to be a consistent read."""
        behind = error.reason in {TOO_LARGE, "older"}  # some proxies and old servers ignore NotOlderThan
        self.consistent |= error.reason == "expired" or self._is_behind_for_good(behind=behind)

    def watch_failed(self, error: SourceError) -> bool:
        """A WATCH failed: whether nothing can be watched from this position any more."""
        self.consistent = self._is_behind_for_good(behind=error.reason == TOO_LARGE)
        return self.consistent or error.reason == "expired"

    def _is_behind_for_good(self, *, behind: bool) -> bool:
        """Whether the server was behind so often that it will not catch up: its etcd was restored from a backup."""
        self._behind += behind
        return self._behind >= self._too_large_tries
