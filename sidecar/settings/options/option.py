"""An option: its names, how its value is read, and its text in the manual. Options are grouped into sections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PREFIX = "MEMBERSHIP_"
"""How the name of every variable begins."""


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that can be set.

    Args:
        name: the YAML key; with ``--`` before it, the flag; in capitals after ``PREFIX``, the variable.
        value: what stands for the value in the manual.
        parse: turns a text into the value, or raises ``ValueError`` with a message.
        default: the text of the default value; None if the option is required.
        text: the meaning, for the manual. It must be understood without the lines around it.
        separator: splits one text into several; None if the option has one value. ``" "`` is any white space.
    """

    name: str
    value: str
    parse: Callable[[str], Any]
    default: str | None
    text: str
    separator: str | None = None

    @property
    def flag(self) -> str:
        """The name on the command line."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """The name in the environment."""
        return PREFIX + self.name.replace("-", "_").upper()

    @property
    def field(self) -> str:
        """The name in ``Settings``."""
        return {"self": "own_pod"}.get(self.name) or self.name.replace("-", "_")

    def of(self, texts: Sequence[str]) -> Any:  # noqa: ANN401 - each option has a type of its own
        """The value of the given texts; where only one value is possible, the last text counts.

        Raises:
            ValueError: with a message.
        """
        if self.separator is None:
            return self.parse(texts[-1])
        return tuple(self.parse(part.strip()) for text in texts for part in self._split(text) if part.strip())

    def _split(self, text: str) -> list[str]:
        return text.split() if self.separator == " " else text.split(self.separator)


class Section(NamedTuple):
    """Options that belong together, under one heading of the manual."""

    title: str
    options: tuple[Option, ...]
