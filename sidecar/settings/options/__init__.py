"""The table of options, from which flags, variables, YAML keys, ``--help`` and the README's table are made.

Pure. Each module is one section of the manual. To add an option, put it into the table of its section and a field of
the same name into ``Settings``, in the same order. ``resolve`` turns texts into ``Settings``, or reports every error at
once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sidecar.errors import SettingsError
from sidecar.settings.conflicts import conflicts
from sidecar.settings.options.discovery import DISCOVERY
from sidecar.settings.options.environment import ENVIRONMENT
from sidecar.settings.options.files import FILES
from sidecar.settings.options.observability import OBSERVABILITY
from sidecar.settings.options.option import PREFIX, Option, Section
from sidecar.settings.options.selection import SELECTION
from sidecar.settings.options.timing import TIMING
from sidecar.settings.values import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["OPTIONS", "PREFIX", "SECTIONS", "Option", "Section", "resolve"]

SECTIONS = (DISCOVERY, FILES, SELECTION, TIMING, ENVIRONMENT, OBSERVABILITY)
"""Every section, in the order of the manual."""

OPTIONS = tuple(option for section in SECTIONS for option in section.options)
"""Every option, in the order of the manual."""


def resolve(texts: Mapping[str, tuple[str, Sequence[str]]], problems: Sequence[str] = ()) -> Settings:
    """The settings.

    Args:
        texts: by the name of the option: where its texts were given, for messages, and the texts.
        problems: what was already found wrong when the texts were collected.

    Raises:
        SettingsError: with all errors, those among *problems* included.
    """
    found = list(problems)
    values: dict[str, Any] = {}
    for option in OPTIONS:
        origin, given = texts.get(option.name, ("the default", None if option.default is None else [option.default]))
        if given is None:
            found.append(
                f"{option.flag} is required: set {option.flag} {option.value}, the variable {option.variable}"
                f" or the key {option.name} of the configuration file."
            )
            continue
        try:
            values[option.field] = option.of(given)
        except ValueError as error:
            found.append(f"{origin}: {error}.")
    found += conflicts(values)
    if found:
        raise SettingsError(found)
    return Settings(**values)
