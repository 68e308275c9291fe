"""Which permissions a source needs, how the API server is asked for them, and what it answers."""

from __future__ import annotations

import json

import msgspec
import pytest

from sidecar.check.findings.permissions import Permission, is_allowed, needed, questions, username
from tests.check.findings.given import ACCOUNT


@pytest.mark.parametrize(
    ("source", "permissions"),
    [
        (
            "endpointslice",
            [
                Permission("discovery.k8s.io", "endpointslices", "a"),
                Permission("discovery.k8s.io", "endpointslices", "b"),
            ],
        ),
        ("endpoints", [Permission("", "endpoints", "a", ("x", "y")), Permission("", "endpoints", "b", ("x",))]),
        ("dns", []),
    ],
)
def test_a_source_needs_one_permission_per_namespace(source: str, permissions: list[Permission]) -> None:
    """Endpoints by their names; DNS needs none."""
    assert needed(source, [("b", "x"), ("a", "y"), ("a", "x")]) == permissions


def test_objects_are_named_in_order() -> None:
    """The Role that is printed does not depend on the order of the options."""
    (permission,) = needed("endpoints", [("a", name) for name in "hgfedcba"])
    assert permission.names == tuple("abcdefgh")


def test_all_namespaces_are_a_permission_of_their_own() -> None:
    """Without a namespace, as the API server writes it."""
    (permission,) = needed("pods", [("*", "")])
    assert permission == Permission("", "pods", "")
    assert permission.subject == "permissions pods in all namespaces"


def test_every_verb_is_asked_for_on_every_object() -> None:
    """If the permission is about certain objects."""
    permission = Permission("", "endpoints", "a", ("x", "y"))
    assert [(question.verb, question.name) for question in questions(permission)] == [
        ("list", "x"),
        ("watch", "x"),
        ("list", "y"),
        ("watch", "y"),
    ]
    assert json.loads(questions(permission)[1].body) == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {
            "resourceAttributes": {
                "namespace": "a",
                "verb": "watch",
                "group": "",
                "resource": "endpoints",
                "name": "x",
            }
        },
    }


def test_without_certain_objects_every_verb_is_asked_for_once() -> None:
    """It is about all of them."""
    permission = Permission("", "pods", "a")
    assert [(question.verb, question.name) for question in questions(permission)] == [("list", ""), ("watch", "")]


def test_an_answer_without_permission_is_a_no() -> None:
    """The API server leaves false fields out."""
    assert is_allowed(msgspec.json.encode({"status": {"allowed": True}}))
    assert not is_allowed(msgspec.json.encode({"status": {"denied": True}}))
    assert username(msgspec.json.encode({"status": {"userInfo": {"username": ACCOUNT}}})) == ACCOUNT
