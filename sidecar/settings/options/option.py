"""What an option is: its names, how its value is read, and its text for the manual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PREFIX = "MEMBERSHIP_"


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that can be set.

    Args:
        name: as a YAML key; with ``--`` before it, a flag; in capitals, a variable.
        value: what stands for its value in the manual.
        parse: makes the value of a text, or raises ``ValueError`` with the rest of a message.
        default: the text that stands for it when it is not set; None if it must be.
        text: for the manual.
        separator: splits a text into several; None if it takes one. ``" "`` is any white space.
    """

    name: str
    value: str
    parse: Callable[[str], Any]
    default: str | None
    text: str
    separator: str | None = None

    @property
    def flag(self) -> str:
        """As a flag."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """As a variable."""
        return PREFIX + self.name.replace("-", "_").upper()

    @property
    def field(self) -> str:
        """As a field of ``Settings``."""
        return {"self": "own_pod"}.get(self.name) or self.name.replace("-", "_")

    def of(self, texts: Sequence[str]) -> Any:  # noqa: ANN401 - each option has a type of its own
        """The value of what was given.

        Raises:
            ValueError: with the rest of a message.
        """
        if self.separator is None:
            return self.parse(texts[-1])
        return tuple(self.parse(part.strip()) for text in texts for part in self._split(text) if part.strip())

    def _split(self, text: str) -> list[str]:
        return text.split() if self.separator == " " else text.split(self.separator)
