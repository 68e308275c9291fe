"""What all tests share: the real servers, and the slow tests that are run on demand."""

from __future__ import annotations

import pytest
from hypothesis import settings

pytest_plugins = ["tests.cluster.fixtures"]

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")  # how long an example takes says more of the machine than of the code


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --slow."""
    parser.addoption("--slow", action="store_true", help="run the slow tests, too")


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers."""
    config.addinivalue_line("markers", "slow: takes long; run with --slow")
    config.addinivalue_line("markers", "readers: needs Java and the jars of python -m tests.readers.jars")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the slow tests unless they are wanted."""
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="slow; enable with: pytest --slow"))
