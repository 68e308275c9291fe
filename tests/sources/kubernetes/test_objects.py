"""What all objects of the API have in common: revisions, pages, refusals, and that nonsense is said to be nonsense."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.sources.kubernetes.collection import reader
from sidecar.sources.kubernetes.endpointslices import EndpointSlice
from sidecar.sources.kubernetes.objects import Object, decoder
from sidecar.sources.kubernetes.pod_objects import Pod
from sidecar.sources.kubernetes.resource_versions import LONGEST, number
from sidecar.sources.kubernetes.responses import ListMetadata, Status, decode_page, decode_status, event_decoder
from tests.support.builders import collection, encoded, endpoint_slice, page
from tests.support.strategies import VALUES, spoiled


def test_a_very_long_revision_is_opaque() -> None:
    """Python refuses to read a number of 4,300 digits, with an error of its own."""
    assert number("9" * LONGEST) is not None
    assert number("9" * 5000) is None


# --- Lists and refusals


def test_a_page_keeps_its_items_as_bytes() -> None:
    """So that one object is decoded at a time."""
    found = decode_page(page(endpoint_slice("a"), endpoint_slice("b"), revision=7, **{"continue": "more"}))
    assert found.metadata == ListMetadata(resource_version="7", continue_="more")
    assert [reader(collection())(item).origin for item in found.items or ()] == [
        "endpointslice/default/a",
        "endpointslice/default/b",
    ]


def test_an_empty_page() -> None:
    """Null is what Go makes of an empty list."""
    assert decode_page(b'{"metadata":{"resourceVersion":"7"},"items":null}').items is None


@pytest.mark.parametrize(
    "body", [b"Too many requests, please try again later.\n", b"<html></html>", b"", b"[]", b"\xff"]
)
def test_a_refusal_that_is_not_a_status_is_empty(body: bytes) -> None:
    """Proxies, and the API server's own filters, answer with text."""
    assert decode_status(body) == Status()


def test_a_refusal_says_why_and_until_when() -> None:
    """Pretty-printed or not."""
    found = decode_status(
        b"""{
  "kind": "Status",
  "status": "Failure",
  "message": "Timeout: Too large resource version: 9, current: 8",
  "reason": "Timeout",
  "details": {
    "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
    "retryAfterSeconds": 1
  },
  "code": 504
}"""
    )
    assert (found.code, found.reason) == (504, "Timeout")
    assert found.details is not None
    assert found.details.retry_after_seconds == 1
    assert [cause.reason for cause in found.details.causes or ()] == ["ResourceVersionTooLarge"]


# --- What is none


def raises_nothing_else(body: bytes) -> None:
    """Every reader either reads it or says that it is malformed."""
    for read in (reader(collection()), decode_page, decoder(Object), event_decoder(EndpointSlice), event_decoder(Pod)):
        with contextlib.suppress(msgspec.MsgspecError):
            read(body)
    decode_status(body)


@given(spoiled(endpoint_slice()) | VALUES)
def test_any_json_is_a_slice_or_malformed(value: Any) -> None:  # noqa: ANN401 - any JSON
    """Nothing that an API server sends ends the program."""
    raises_nothing_else(encoded(value))
    raises_nothing_else(msgspec.json.encode({"type": "ADDED", "object": value}))


@given(st.binary() | st.binary().map(lambda middle: b'{"metadata":{"name":"' + middle + b'"}}'))
def test_any_bytes_are_a_slice_or_malformed(body: bytes) -> None:
    """Nor anything that a proxy sends."""
    raises_nothing_else(body)
