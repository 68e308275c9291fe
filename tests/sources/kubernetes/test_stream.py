"""Lines out of chunks: that the chunks' borders mean nothing, and how long a line may be.

What a line says, and what a bad one does to the connection, is in test_reflector.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import SourceError
from sidecar.sources.kubernetes.stream import LONGEST_LINE, Lines

if TYPE_CHECKING:
    from collections.abc import Iterable


def split(chunks: Iterable[bytes], longest: int = LONGEST_LINE) -> list[list[bytes]]:
    """The lines that each chunk completes."""
    lines = Lines(longest)
    return [lines.feed(chunk) for chunk in chunks]


def cut(text: bytes, places: Iterable[int]) -> list[bytes]:
    """The text in chunks that begin at *places*; some are empty."""
    borders = sorted(min(place, len(text)) for place in places)
    return [text[start:end] for start, end in zip([0, *borders], [*borders, len(text)], strict=True)]


TEXTS = st.lists(st.sampled_from((b"\n", b"{}", b'{"a":1}', b" ", b"\r", b"x"))).map(b"".join)


@given(TEXTS, st.lists(st.integers(0, 50)))
def test_any_chunking_gives_the_same_lines(text: bytes, places: list[int]) -> None:
    """Those that end with a newline and are not blank, whole and in order."""
    expected = [line for line in text.split(b"\n")[:-1] if line.strip()]
    assert list(chain.from_iterable(split(cut(text, places)))) == expected


@given(TEXTS, st.lists(st.integers(0, 50)), st.integers(1, 6))
def test_any_chunking_refuses_the_same_lines(text: bytes, places: list[int], longest: int) -> None:
    """Whether a line is too long does not depend on how it arrives."""
    if any(len(line) > longest for line in text.split(b"\n")):
        with pytest.raises(SourceError, match=f"longer than {longest} bytes"):
            split(cut(text, places), longest)
    else:
        assert split(cut(text, places), longest) == split(cut(text, places))


def test_the_lines_of_a_chunk_come_together() -> None:
    """They arrived together, and may be published together."""
    assert split([b"a\nb\nc", b"d", b"\n"]) == [[b"a", b"b"], [], [b"cd"]]


def test_what_follows_the_last_newline_is_dropped() -> None:
    """It was cut off, however complete it looks."""
    assert split([b"a\n", b"{}"]) == [[b"a"], []]


def test_a_line_may_be_longer_than_any_object() -> None:
    """The API server refuses objects over 1.5 MB; ten times that is accepted, and quickly."""
    long = b"x" * (LONGEST_LINE - 1)
    pieces = [long[start : start + 2**16] for start in range(0, len(long), 2**16)]
    assert split([*pieces, b"\n"])[-1] == [long]


def test_a_line_that_does_not_end_is_refused() -> None:
    """The peer is not an API server, and memory is limited."""
    with pytest.raises(SourceError) as raised:
        split([b"x" * 2**20] * 17)
    assert raised.value.reason == "malformed"
