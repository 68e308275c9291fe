"""The ``json`` format and its schema: every file is valid, and can be read as it was written."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar import formats
from sidecar.formats import FORMATS, render
from sidecar.formats.membership_json import decode
from sidecar.membership.member import Member
from tests.formats.given import SOURCE
from tests.support import strategies

sets = st.lists(strategies.members(), max_size=6, unique_by=lambda member: member.key)

SCHEMA = json.loads(Path(formats.__file__).with_name("membership-v1.schema.json").read_bytes())
"""The schema that is shipped."""


@given(sets)
def test_every_json_file_is_valid_by_its_schema(members: list[Member]) -> None:
    """Whatever the members are, by the schema that is shipped."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(render(FORMATS["json"], SOURCE, members)))


def test_the_schema_describes_every_field() -> None:
    """In the order of the file; a field without a default is required."""
    described = SCHEMA["$defs"]["member"]
    fields = [field.encode_name for field in msgspec.structs.fields(Member)]
    assert list(described["properties"]) == fields
    assert described["required"] == [
        field.encode_name for field in msgspec.structs.fields(Member) if field.default is msgspec.NODEFAULT
    ]


@given(sets)
def test_json_is_read_as_it_was_written(members: list[Member]) -> None:
    """Parsed, it has the same members, one per line, in the promised order."""
    body = render(FORMATS["json"], SOURCE, members)
    read = decode(body)
    assert read
    assert list(read.members) == sorted(
        members, key=lambda it: (it.namespace, it.service, it.name or it.address, it.uid)
    )
    assert (read.schema, read.source) == ("membership/v1", SOURCE)
    assert len(body.splitlines()) == (len(members) + 2 if members else 1)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"[" * 10_000, b'"\xff"', b'{"schema": "membership/v2", "source": "dns", "members": []}'],
)
def test_anything_else_is_not_read(body: bytes) -> None:
    """Such as a file of another program, or of a later version."""
    assert decode(body) is None
