"""What the members look like in a file: one module for each reader, members in, bytes out.

Pure. A format is a frame and a way to render one member (``Format``); a ``Document`` joins them, so that a change
costs the rendering of the members that changed. Same members, same bytes: the order is that of ``Member.key``, and
nothing that changes by itself (a time, a counter, a resourceVersion) is in a body.
"""

from __future__ import annotations

from sidecar.formats import hazelcast_xml, hazelcast_yaml, jgroups, membership_json
from sidecar.formats.document import Document, Format, Frame, render

FORMATS: dict[str, Format] = {
    form.name: form for form in (membership_json.FORMAT, hazelcast_xml.FORMAT, hazelcast_yaml.FORMAT, jgroups.FORMAT)
}
"""Every format by its name in ``--output NAME=PATH``."""

__all__ = ["FORMATS", "Document", "Format", "Frame", "render"]
