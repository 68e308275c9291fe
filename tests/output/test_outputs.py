"""Each output is retried by itself."""

from __future__ import annotations

from sidecar.backoff import Backoff
from sidecar.errors import PublishError
from sidecar.membership.policy.timing import NEVER
from sidecar.output.outputs import Outputs
from sidecar.output.publication import Outcome, Publication

FULL = PublishError("/b", "ENOSPC", "/b was not written (ENOSPC): the volume is full.")


def two() -> Outputs:
    """Outputs /a and /b; a failure is retried after 1, 2, 4 seconds."""
    return Outputs(["/a", "/b"], lambda: Backoff(clock=lambda: 0.0, jitter=lambda: 0.0, initial=1.0))


def publication(one: Outcome | None, other: Outcome | None) -> Publication:
    """Of both."""
    return Publication(1, (one, other), (FULL,) * [one, other].count(Outcome.ERROR))


def test_what_fails_is_due_again_after_its_own_backoff() -> None:
    """And what works is due whenever something is published."""
    outputs = two()
    assert outputs.due(0.0, healthy=True) == {0, 1}
    assert outputs.due(0.0, healthy=False) == set()
    assert outputs.take(publication(Outcome.WRITTEN, Outcome.ERROR), 10.0) == []
    assert (outputs.errors, outputs.retry_at) == ([FULL], 11.0)
    assert outputs.due(10.5, healthy=True) == {0}
    assert outputs.due(11.0, healthy=False) == {1}
    outputs.take(publication(None, Outcome.ERROR), 11.0)
    assert outputs.retry_at == 13.0


def test_what_works_again_has_recovered() -> None:
    """Also if it needed no writing any more; its backoff starts anew the next time."""
    outputs = two()
    for at in (10.0, 11.0, 13.0):
        outputs.take(publication(None, Outcome.ERROR), at)
    assert [output.path for output in outputs.take(publication(None, Outcome.UNCHANGED), 17.0)] == ["/b"]
    assert (outputs.errors, outputs.retry_at) == ([], NEVER)
    assert outputs.take(publication(Outcome.WRITTEN, Outcome.WRITTEN), 18.0) == []
    outputs.take(publication(None, Outcome.ERROR), 20.0)
    assert outputs.retry_at == 21.0


def test_the_reason_of_each_is_its_own() -> None:
    """In the order of the outputs, however many fail."""
    outputs = two()
    other = PublishError("/a", "EROFS", "read-only")
    outputs.take(Publication(1, (Outcome.ERROR, Outcome.ERROR), (other, FULL)), 1.0)
    assert [output.error for output in outputs.all] == [other, FULL]
