"""A member's key: identity and canonical order in one string."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.members import made

NAMES = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=4)
"""Any text that Kubernetes could allow in a name, and more; NUL it never does."""

PARTS = st.tuples(NAMES, NAMES, NAMES.filter(bool), NAMES)


@given(PARTS, PARTS)
def test_keys_compare_as_namespace_service_name_and_uid_do(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """No part runs into the next one, whatever their lengths."""
    keys = [
        made(namespace=namespace, service=service, name=name, uid=uid).key
        for namespace, service, name, uid in (one, other)
    ]
    assert (keys[0] < keys[1]) == (one < other)
    assert (keys[0] == keys[1]) == (one == other)


def test_a_member_without_a_name_is_ordered_by_its_address() -> None:
    """DNS and Endpoints without a pod know only an address."""
    assert made(1, "10.0.0.1", name="", uid="").key < made(1, "10.0.0.2", name="", uid="").key
    assert made(1, "10.0.0.1", uid="").key == made(1, "10.0.0.2", uid="").key
