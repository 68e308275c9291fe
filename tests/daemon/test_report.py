"""What the status counts."""

from __future__ import annotations

import msgspec

from sidecar.daemon.report import count
from sidecar.formats.samples import member
from sidecar.observability.status import MemberCounts

ONE = member(0, "10.0.0.1")


def test_every_member_is_in_one_state() -> None:
    """Who terminates is not ready any more, whatever its conditions say."""
    starting = msgspec.structs.replace(ONE, ready=False, serving=False)
    ending = msgspec.structs.replace(ONE, terminating=True)
    assert count([ONE, ONE, starting, ending]) == MemberCounts(ready=2, not_ready=1, terminating=1)
    assert count([]) == MemberCounts()
