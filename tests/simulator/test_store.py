"""The store: revisions, history, and the events for a watch with a selector. No server, no clock."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.simulator import events
from sidecar.simulator.resources import RESOURCES, Object
from sidecar.simulator.selectors import Selection, select
from sidecar.simulator.store import START, ExpiredError, Store

SLICES = RESOURCES["endpointslices"]
APP_A = select(SLICES, labels="app=a")


def make(name: str, app: str = "a", **rest: object) -> Object:
    """A minimal object."""
    return {"metadata": {"name": name, "labels": {"app": app}}, "endpoints": [], **rest}


def seen_by_a_watch(store: Store, since: int, selection: Selection) -> list[tuple[str, str, str]]:
    """The events of a watch: type, name, revision."""
    lines = [events.line(SLICES, change, selection) for change in store.changes("endpointslices", since)]
    parsed = [json.loads(line) for line in lines if line is not None]
    return [
        (it["type"], it["object"]["metadata"]["name"], it["object"]["metadata"]["resourceVersion"]) for it in parsed
    ]


def test_all_resources_share_one_revision_counter() -> None:
    """Every write of any resource is one revision."""
    store = Store()
    store.put("endpointslices", make("a"))
    store.put("pods", make("a"))
    store.delete("pods", "default", "a")
    assert store.revision == START + 3


def test_a_write_that_changes_nothing_is_not_a_revision() -> None:
    """There is no event, and the object is the same."""
    store = Store()
    store.put("endpointslices", make("a"))
    before = store.get("endpointslices", "default", "a")
    assert store.put("endpointslices", make("a")) is None
    assert store.put("endpointslices", dict(before or {})) is None
    assert store.revision == START + 1
    assert store.get("endpointslices", "default", "a") is before


def test_deleting_nothing_changes_nothing() -> None:
    """There is no event for an object that did not exist."""
    store = Store()
    assert store.delete("pods", "default", "nobody") is None
    assert store.revision == START


def test_a_recreated_object_has_a_new_uid() -> None:
    """Updates keep the uid, recreation does not."""
    store = Store()
    uids = []
    for step in (make("a"), make("a", ports=[]), None, make("a")):
        if step is None:
            store.delete("endpointslices", "default", "a")
            continue
        store.put("endpointslices", step)
        uids.append((store.get("endpointslices", "default", "a") or {})["metadata"]["uid"])
    assert uids[0] == uids[1] != uids[2]


@pytest.mark.parametrize(
    ("before", "after", "event"),
    [
        (None, "a", "ADDED"),
        ("b", "a", "ADDED"),
        ("a", "a", "MODIFIED"),
        ("a", "b", "DELETED"),
        ("a", None, "DELETED"),
        ("b", "b", None),
        (None, "b", None),
        ("b", None, None),
    ],
)
def test_a_watch_sees_its_selection_come_and_go(before: str | None, after: str | None, event: str | None) -> None:
    """It depends on whether the object matched before and matches now."""
    store = Store()
    if before:
        store.put("endpointslices", make("it", before))
    since = store.revision
    if after:
        store.put("endpointslices", make("it", after, ports=[]))
    else:
        store.delete("endpointslices", "default", "it")
    assert seen_by_a_watch(store, since, APP_A) == ([(event, "it", str(store.revision))] if event else [])


def test_history_is_forgotten_on_request() -> None:
    """The current revision is still available, earlier ones are not."""
    store = Store()
    store.put("pods", make("a"))
    past = store.revision
    store.put("pods", make("b"))
    store.compact()
    assert store.changes("pods", store.revision) == []
    assert [key for key, _ in store.objects("pods", store.revision)] == [("default", "a"), ("default", "b")]
    with pytest.raises(ExpiredError):
        store.changes("pods", past)
    with pytest.raises(ExpiredError):
        list(store.objects("pods", past))


def test_the_oldest_history_is_forgotten_beyond_a_limit() -> None:
    """And requests for it are refused."""
    store = Store(history=10)
    for number in range(30):
        store.put("pods", make(f"pod-{number}"))
    assert len(store.changes("pods", store.revision - 5)) == 5
    with pytest.raises(ExpiredError):
        store.changes("pods", START)


def test_a_restart_forgets_for_watches_only() -> None:
    """The cache is empty, but not the history."""
    store = Store()
    store.put("pods", make("a"))
    past = store.revision
    store.put("pods", make("b"))
    store.restart()
    assert [key for key, _ in store.objects("pods", past)] == [("default", "a")]
    with pytest.raises(ExpiredError):
        store.watchable("pods", past)


def test_the_generation_counts_changes_of_the_content() -> None:
    """Labels and endpoints of a slice count, annotations do not."""
    store = Store()
    generations = []
    for step in (make("a"), make("a", "b"), make("a", "b", endpoints=[{}]), make("a", "b", endpoints=[{}], other=1)):
        store.put("endpointslices", step)
        generations.append((store.get("endpointslices", "default", "a") or {})["metadata"]["generation"])
    assert generations == [1, 2, 3, 3]


WRITES = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", None])), max_size=30)


@given(writes=WRITES, back=st.integers(min_value=0, max_value=30))
def test_a_past_revision_shows_the_objects_of_that_time(writes: list[tuple[str, str | None]], back: int) -> None:
    """A list at an older revision is the list of that time, and the changes since then lead to the current one."""
    store = Store()
    seen = {store.revision: dict(store.objects("pods"))}
    for name, app in writes:
        if app is None:
            store.delete("pods", "default", name)
        else:
            store.put("pods", make(name, app))
        seen[store.revision] = dict(store.objects("pods"))
    at = max(START, store.revision - back)
    then = dict(store.objects("pods", at))
    assert then == seen[at]
    for change in store.changes("pods", at):
        metadata = (change.after or change.before or {})["metadata"]
        key = (metadata["namespace"], metadata["name"])
        if change.after is None:
            del then[key]
        else:
            then[key] = change.after
    assert then == seen[store.revision]
