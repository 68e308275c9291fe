"""What the tests of settings share: the smallest configuration, and what is wrong with another one."""

from __future__ import annotations

import pytest

from sidecar.cli import parse
from sidecar.errors import SettingsError

MINIMAL: dict[str, object] = {"service": ["app"], "output": ["json=/membership/members.json"]}


def problems(
    arguments: dict[str, object] | None = None, environ: dict[str, str] | None = None, unknown: tuple[str, ...] = ()
) -> list[str]:
    """The errors of an invalid configuration, with these arguments or else the smallest ones."""
    with pytest.raises(SettingsError) as caught:
        parse(MINIMAL if arguments is None else arguments, environ or {}, unknown)
    return caught.value.problems
