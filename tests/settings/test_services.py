"""Which Services are followed: each with its namespace, and none twice."""

from __future__ import annotations

import pytest

from sidecar.settings.parsing import service
from sidecar.settings.services import resolved


@pytest.mark.parametrize(
    ("given", "default", "expected"),
    [
        ("app", "prod", [("prod", "app")]),
        ("b a.x a", "prod", [("prod", "a"), ("prod", "b"), ("x", "a")]),
        ("app app.prod", "prod", [("prod", "app")]),
        ("h g f e d c b a", "x", [("x", name) for name in "abcdefgh"]),
        ("app.* app.default", "prod", [("*", "app")]),
        ("app.default app app.*", "prod", [("*", "app")]),
        ("app app.default", "*", [("*", "app")]),
        ("app.* web.default", "prod", [("*", "app"), ("default", "web")]),
    ],
)
def test_a_service_in_all_namespaces_includes_those_in_one(
    given: str, default: str, expected: list[tuple[str, str]]
) -> None:
    """Whatever the order in which they were given."""
    assert resolved(map(service, given.split()), default) == expected
