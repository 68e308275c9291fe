"""How the laws are tried on a mutant: with the same examples for each, and no time spent on finding a smaller one."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "mutation",
    deadline=None,
    max_examples=100,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],  # several mutants are tried at a time
)


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Load the profile after conftest loaded its own, and before the first law is defined."""
    settings.load_profile("mutation")
