"""What the members look like in a file: members in, bytes out.

In it: one module for each format, ``document`` (a file kept member by member, so that a change costs the members that
changed), ``hostport`` (what several formats share) and ``samples``. Not in it: which members are published and in which
order files are written. Pure. It may import ``membership`` and nothing else, and a format imports no other format.

To add a format: write a module with a ``FORMAT`` (see ``document.Format``), name it below, and add its exact bytes to
``tests/formats/test_formats.py``, which fails for a format without them. If the reader can be had, add a test in
``tests/readers`` that it understands the file.

*Invariant:* same members, same bytes. The order is that of ``Member.key``, and nothing that changes by itself (a time,
a counter, a resourceVersion) is in a file.
"""

from __future__ import annotations

from sidecar.formats import hazelcast_xml, hazelcast_yaml, jgroups, membership_json
from sidecar.formats.document import Document, Format, Frame, Overview, render

FORMATS: dict[str, Format] = {
    form.name: form for form in (membership_json.FORMAT, hazelcast_xml.FORMAT, hazelcast_yaml.FORMAT, jgroups.FORMAT)
}
"""Every format by its name in ``--output NAME=PATH``."""

__all__ = ["FORMATS", "Document", "Format", "Frame", "Overview", "render"]
