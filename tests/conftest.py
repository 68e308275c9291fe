"""What all tests share: the real servers, and the slow tests that are run on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["tests.cluster.fixtures"]

# No deadline: how long an example takes says more of the machine than of the code.
settings.register_profile("fast", deadline=None, max_examples=40)
settings.register_profile("slow", deadline=None, max_examples=100)
settings.load_profile("fast")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --slow."""
    parser.addoption("--slow", action="store_true", help="run the slow tests, too, and try the laws more often")


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers; say how often a law is tried, before the first is defined."""
    if config.getoption("--slow"):
        settings.load_profile("slow")
    config.addinivalue_line("markers", "slow: takes long; run with --slow")
    config.addinivalue_line("markers", "readers: needs Java and the jars of python -m tests.readers.jars")


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """Leave the log as it was: a command that was run in this process has sent it elsewhere."""
    yield
    structlog.reset_defaults()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the slow tests unless they are wanted."""
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="slow; enable with: pytest --slow"))
