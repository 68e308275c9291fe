"""What the tests of this directory share: they are marked ``readers``, and ``-m "not readers"`` leaves them out."""

import pytest

from tests.readers import jars


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "readers: runs a real reader of our files")


@pytest.fixture(scope="session")
def java(pytestconfig: pytest.Config) -> None:
    """Skip the test unless Java and the jars are there; fail it under ``--require-cluster``."""
    reason = jars.missing()
    if reason is None:
        return
    if pytestconfig.getoption("--require-cluster", default=False):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
