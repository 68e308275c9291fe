"""What a LIST answers: order, pages, revisions, selectors, and the form of the answer."""

import pytest

from tests.simulator.client import Client, endpoint_slice, populate

FAR = 1_000_000
"""How far in the future a revision is: further than a test run gets."""


async def test_a_list_is_in_the_order_of_names_and_newer_than_its_items(client: Client) -> None:
    """Items are sorted by name, not by age, have no kind and apiVersion, and the list has its own resourceVersion."""
    revisions = await populate(client, "b", "c", "a")
    answer = await client.listed()
    assert answer.code == 200
    assert (answer.body["kind"], answer.body["apiVersion"]) == ("EndpointSliceList", "discovery.k8s.io/v1")
    assert answer.names == ["a", "b", "c"]
    assert int(answer.revision) >= max(map(int, revisions))
    assert not {"kind", "apiVersion"} & set(answer.body["items"][0])
    assert set(answer.body["metadata"]) == {"resourceVersion"}


async def test_an_empty_collection_is_an_empty_list_with_a_revision(client: Client) -> None:
    """It is neither null nor a 404, and it has a resourceVersion to watch from."""
    answer = await client.listed()
    assert (answer.code, answer.body["items"]) == (200, [])
    assert int(answer.revision) > 0


async def test_all_pages_show_the_same_revision(client: Client) -> None:
    """An object created between two pages is in neither, and every page has the revision of the first."""
    await populate(client, "a", "b", "d")
    first = await client.listed(limit="2")
    await populate(client, "c")
    second = await client.listed(limit="2", **{"continue": first.body["metadata"]["continue"]})
    assert (first.names, second.names) == (["a", "b"], ["d"])
    assert first.revision == second.revision
    assert first.body["metadata"]["remainingItemCount"] == 1
    assert not {"continue", "remainingItemCount"} & set(second.body["metadata"])


async def test_pages_with_a_selector_do_not_count_the_remaining_items(client: Client) -> None:
    """The server does not know how many of the remaining objects match."""
    await populate(client, "a", "b")
    answer = await client.listed(limit="1", labelSelector="app=a")
    assert set(answer.body["metadata"]) == {"resourceVersion", "continue"}


async def test_revision_zero_ignores_the_limit(client: Client) -> None:
    """The cache serves the whole list; on a real server an earlier list makes sure that the cache is up to date."""
    await populate(client, "a", "b")
    await client.listed()
    assert (await client.listed(limit="1", resourceVersion="0")).names == ["a", "b"]


async def test_an_exact_list_shows_the_past(client: Client) -> None:
    """With Exact, or with a limit and no match parameter, the list shows exactly the requested revision."""
    await populate(client, "a")
    past = (await client.listed()).revision
    await populate(client, "b")
    exact = await client.listed(resourceVersion=past, resourceVersionMatch="Exact")
    limited = await client.listed(resourceVersion=past, limit="5")
    newer = await client.listed(resourceVersion=past, limit="5", resourceVersionMatch="NotOlderThan")
    assert (exact.names, exact.revision) == (["a"], past)
    assert (limited.names, limited.revision) == (["a"], past)
    assert newer.names == ["a", "b"]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("app=a", ["one", "two"]),
        ("app==b", ["three"]),
        ("app!=a", ["four", "three"]),
        ("app in (a,b),tier", ["two"]),
        ("app notin (a)", ["four", "three"]),
        ("!app", ["four"]),
        ("app", ["one", "three", "two"]),
        ("tier>1", ["two"]),
        ("app=", []),
        (" app = a , !tier ", ["one"]),
    ],
)
async def test_label_selectors(client: Client, selector: str, names: list[str]) -> None:
    """The negative forms also match objects without the label."""
    labels = {"one": {"app": "a"}, "two": {"app": "a", "tier": "2"}, "three": {"app": "b"}, "four": {"other": "x"}}
    for name, of in labels.items():
        await client.create(endpoint_slice(name, labels=of))
    assert (await client.listed(labelSelector=selector)).names == names


@pytest.mark.parametrize(
    ("selector", "names"),
    [("metadata.name=a", ["a"]), ("metadata.name!=a", ["b"]), ("metadata.name==a,metadata.name=b", [])],
)
async def test_field_selectors(client: Client, selector: str, names: list[str]) -> None:
    """Objects can be selected by name."""
    await populate(client, "a", "b")
    assert (await client.listed(fieldSelector=selector)).names == names


@pytest.mark.parametrize("match", [{"resourceVersionMatch": "NotOlderThan"}, {"resourceVersionMatch": "Exact"}, {}])
async def test_a_list_at_a_future_revision_times_out(client: Client, match: dict[str, str]) -> None:
    """504 with the cause that clients look for, and when to try again."""
    future = str(int((await client.listed()).revision) + FAR)
    answer = await client.listed(resourceVersion=future, **match)
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    assert (answer.code, answer.body["reason"]) == (504, "Timeout")
    assert answer.body["details"] == {"causes": [cause], "retryAfterSeconds": 1}
    assert answer.body["message"].startswith(f"Timeout: Too large resource version: {future}, current: ")
    assert answer.headers["Retry-After"] == "1"


async def test_responses_about_endpoints_have_a_deprecation_warning(client: Client) -> None:
    """Endpoints are deprecated, and every response says so."""
    answer = await client.listed("endpoints")
    assert (answer.body["kind"], answer.headers["Warning"]) == (
        "EndpointsList",
        '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"',
    )


async def test_programs_that_people_use_get_indented_json(client: Client) -> None:
    """The server recognizes them by their User-Agent; so a Status may have several lines."""
    answer = await client.send("GET", client.path(name="nobody"), headers={"User-Agent": "curl/8.0"})
    assert answer.text.startswith('{\n  "kind": "Status",\n')


async def test_a_large_list_is_compressed(client: Client) -> None:
    """Above 128 KiB, if the client accepts gzip."""
    body = endpoint_slice("large")
    body["endpoints"] = [{"addresses": [f"10.0.{n // 250}.{n % 250 + 1}"], "hostname": "h" * 60} for n in range(1000)]
    await client.create(body)
    await client.create(endpoint_slice("large-2") | {"endpoints": body["endpoints"]})
    packed = await client.send("GET", client.path(), headers={"Accept-Encoding": "gzip"})
    plain = await client.send("GET", client.path(), headers={"Accept-Encoding": "identity"})
    assert (packed.headers.get("Content-Encoding"), plain.headers.get("Content-Encoding")) == ("gzip", None)
    assert packed.text == plain.text
