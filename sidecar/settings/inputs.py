"""The texts that were given for options: on the command line, in the environment, in the configuration file.

Pure: the file comes in as text. A name that is not known is an error with a suggestion, wherever it stands: a misspelt
option that is silently ignored costs an evening. What the texts mean is decided in ``options``.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from sidecar.settings.options import OPTIONS, PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import yaml

    from sidecar.settings.options import Option

CONFIG_FLAG = "--config"
CONFIG_VARIABLE = PREFIX + "CONFIG"

_SERVICE_LINK = r"_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$"
"""Variables that the kubelet makes for every Service of the namespace (enableServiceLinks)."""

_NULL = "tag:yaml.org,2002:null"


class Given(NamedTuple):
    """What was given for one option."""

    origin: str
    """Where, for messages: a flag, a variable, or a file and its key."""
    texts: list[str]


Inputs: TypeAlias = "tuple[dict[str, Given], list[str]]"
"""The texts by name of the option, and what was wrong."""


def from_arguments(arguments: Mapping[str, object]) -> dict[str, Given]:
    """What stands on the command line, as argparse found it, by field of the option."""
    found = {option: arguments.get(option.field) for option in OPTIONS}
    return {option.name: Given(option.flag, texts) for option, texts in found.items() if isinstance(texts, list)}


def unknown_arguments(words: Sequence[str], flags: Iterable[str]) -> list[str]:
    """A message for each of the *words* that no flag took, except a word that follows an unknown flag: its value.

    Args:
        words: in the order of the command line.
        flags: that are known.
    """
    return [
        unknown("argument", word.partition("=")[0] if word.startswith("-") else word, flags, "--")
        for before, word in pairwise(["", *words])
        if word.startswith("-") or not before.startswith("-")
    ]


def unknown(what: str, name: str, known: Iterable[str], prefix: str = "") -> str:
    """The message about a *name* that is not one of the *known* ones, with the closest of them.

    Args:
        what: the name is of.
        name: that was given.
        known: that could have been meant.
        prefix: of every known name; it makes no name closer to another.
    """
    close = get_close_matches(name.removeprefix(prefix), [one.removeprefix(prefix) for one in known])
    return f"unknown {what} {name}; did you mean {prefix}{close[0]}?" if close else f"unknown {what} {name}."


def from_environment(environ: Mapping[str, str]) -> Inputs:
    """What stands in the variables; an empty one counts as not set."""
    known = {option.variable: option for option in OPTIONS}
    texts: dict[str, Given] = {}
    problems: list[str] = []
    for name, text in sorted(environ.items()):
        option = known.get(name)
        if not name.startswith(PREFIX) or name == CONFIG_VARIABLE or _is_service_link(name, text, option):
            continue
        if option is None:
            problems.append(unknown("variable", name, {*known, CONFIG_VARIABLE}, PREFIX))
        elif text:
            texts[option.name] = Given(name, [text])
    return texts, problems


def _is_service_link(name: str, text: str, option: Option | None) -> bool:
    """Whether the kubelet made it: a Service called ``membership`` makes MEMBERSHIP_PORT=tcp://..., too."""
    if option is not None:
        return text.startswith(("tcp://", "udp://", "sctp://"))
    return bool(re.search(_SERVICE_LINK, name))


def from_yaml(name: str, text: str) -> Inputs:
    """What stands in a configuration file; scalars are read as they are written.

    YAML would make a boolean of ``off`` and a number of ``010``; an option is a text wherever it is given.

    Args:
        name: of the file, for messages.
        text: its contents.
    """
    import yaml  # noqa: PLC0415 - only where there is a file

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        return {}, [f"{name} is not valid YAML: {' '.join(str(error).split())}."]
    if not isinstance(root, yaml.MappingNode):
        return {}, [f"{name} must be a mapping of options to values, such as service: app."]
    known = {option.name for option in OPTIONS}
    texts: dict[str, Given] = {}
    problems: list[str] = []
    for key, value in root.value:
        option = str(key.value)
        found = _scalars(value)
        if option not in known:
            problems.append(f"{name}: {unknown('key', option, known)}")
        elif option in texts:
            problems.append(f"{name}: {option} is given twice; for several values, write a list.")
        elif found is None:
            problems.append(f"{name}: the value of {option} must be a text or a non-empty list of texts.")
        else:
            texts[option] = Given(f"{name}: {option}", found)
    return texts, problems


def _scalars(node: yaml.Node) -> list[str] | None:
    """The texts of a scalar or of a list of scalars; None for null, an empty list, and anything else."""
    import yaml  # noqa: PLC0415

    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    texts = [str(one.value) for one in nodes if isinstance(one, yaml.ScalarNode) and one.tag != _NULL]
    return texts if texts and len(texts) == len(nodes) else None
