"""What all tests share: the real servers, the slow tests, and how the laws are tried."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import settings

from sidecar.observability.log import StandardLogs

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["tests.cluster.fixtures"]

# No deadline: how long an example takes says more about the machine than about the code. With --slow, as in CI, the
# examples are the same in every run, so that a failure is a change of the code and can be repeated anywhere; by hand
# they differ from run to run and find what the fixed ones do not. Known hard examples are given with @example.
settings.register_profile("fast", deadline=None, max_examples=25)
settings.register_profile("slow", deadline=None, max_examples=100, derandomize=True, database=None)
settings.load_profile("fast")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --slow."""
    text = "run the slow tests as well, and try the laws with more examples, which are the same in every run"
    parser.addoption("--slow", action="store_true", help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and load the profile of the laws before the first one is defined."""
    if config.getoption("--slow"):
        settings.load_profile("slow")
    config.addinivalue_line("markers", "slow: takes long; run with --slow")
    config.addinivalue_line("markers", "readers: needs Java and the jars of python -m tests.readers.jars")


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """Restore the log: a command that was run in this process may have redirected it."""
    root = logging.getLogger()
    level = root.level
    yield
    structlog.reset_defaults()
    root.setLevel(level)
    for handler in [one for one in root.handlers if isinstance(one, StandardLogs)]:
        root.removeHandler(handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the slow tests unless --slow is given."""
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="slow; enable with: pytest --slow"))
