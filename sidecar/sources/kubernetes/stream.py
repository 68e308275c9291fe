"""Lines out of chunks.

Pure. aiohttp's own line reader gives up at a length that a big EndpointSlice reaches. The API server promises no length
but refuses objects over 1.5 MB.
"""

from __future__ import annotations

from sidecar.errors import SourceError

LONGEST_LINE = 16 * 2**20
"""Bytes; ten times what etcd takes. Whoever sends more is not an API server."""


class Lines:
    """Collects chunks into lines. A line that has not ended at the end of the stream was cut off, and is dropped.

    Args:
        longest: how many bytes a line may have.
    """

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._rest: list[bytes] = []
        self._length = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that *chunk* completes, without the blank ones.

        Raises:
            SourceError: if a line is too long.
        """
        *complete, tail = chunk.split(b"\n")
        if complete:
            complete[0] = b"".join((*self._rest, complete[0]))
            self._rest, self._length = [], 0
            self._check(max(map(len, complete)))
        self._rest.append(tail)
        self._length += len(tail)
        self._check(self._length)
        return [line for line in complete if line.strip()]

    def _check(self, length: int) -> None:
        if length > self._longest:
            raise SourceError("malformed", f"A line of the watch is longer than {self._longest} bytes.")
