"""The fixtures of this package."""

from collections.abc import Iterator

import pytest

from tests.real.sidecar import Sidecar


@pytest.fixture
def sidecar() -> Iterator[type[Sidecar]]:
    """``Sidecar``, except that what is made with it does not outlive the test."""
    made: list[Sidecar] = []

    class Mortal(Sidecar):
        def spawn(self, command: str = "run") -> None:
            made.append(self)
            super().spawn(command)

    yield Mortal
    for one in made:
        one.clean_up()
