"""Lines out of chunks.

No I/O of its own. aiohttp's own line reader gives up at a length that a big EndpointSlice reaches; the API server
promises no length but refuses objects over 1.5 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LONGEST_LINE = 16 * 2**20
"""Bytes; ten times what etcd takes. Beyond it the peer is not an API server."""


async def lines(chunks: AsyncIterator[bytes], longest: int = LONGEST_LINE) -> AsyncIterator[list[bytes]]:
    """The complete lines, those of one chunk together. What follows the last newline is dropped: it was cut off.

    Raises:
        SourceError: if a line is longer than *longest* bytes.
    """
    rest: list[bytes] = []
    length = 0
    async for chunk in chunks:
        *complete, tail = chunk.split(b"\n")
        if complete:
            complete[0] = b"".join((*rest, complete[0]))
            rest, length = [], 0
            _refuse(max(map(len, complete)), longest)
            yield [line for line in complete if line.strip()]
        rest.append(tail)
        length += len(tail)
        _refuse(length, longest)


def _refuse(length: int, longest: int) -> None:
    if length > longest:
        raise SourceError("malformed", f"A line of the watch is longer than {longest} bytes.")
