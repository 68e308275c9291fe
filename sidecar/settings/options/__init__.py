"""The options: one table that flags, variables, YAML keys, ``--help`` and the README's manual are all made from.

Pure. ``resolve`` turns the texts that ``cli`` collected into ``Settings``, or into every mistake at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sidecar.errors import SettingsError
from sidecar.settings.conflicts import conflicts
from sidecar.settings.options.basics import WHOSE
from sidecar.settings.options.environment import SURROUNDINGS
from sidecar.settings.options.option import PREFIX, Option
from sidecar.settings.options.publication import PUBLICATION
from sidecar.settings.values import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["OPTIONS", "PREFIX", "Option", "resolve"]

OPTIONS = (*WHOSE, *PUBLICATION, *SURROUNDINGS)
"""Every option, in the order of the manual."""


def resolve(texts: Mapping[str, tuple[str, Sequence[str]]], problems: Sequence[str] = ()) -> Settings:
    """The settings.

    Args:
        texts: for each option's name, where its texts come from (for messages) and the texts.
        problems: what was wrong already when they were collected.

    Raises:
        SettingsError: with all problems.
    """
    found = list(problems)
    values: dict[str, Any] = {}
    for option in OPTIONS:
        origin, given = texts.get(option.name, ("its default", None if option.default is None else [option.default]))
        if given is None:
            found.append(f"{option.flag} is missing: give it as {option.value}, {option.flag} or {option.variable}.")
            continue
        try:
            values[option.field] = option.of(given)
        except ValueError as error:
            found.append(f"{origin}: {error}.")
    found += conflicts(values)
    if found:
        raise SettingsError(found)
    return Settings(**values)
