"""Which candidates the settings allow, and what each follows. What is done with them is in ``test_failover``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from sidecar.cli import parse
from sidecar.failover.candidates import candidate_names, known_port, make_candidates
from sidecar.failover.context import Context
from sidecar.formats.samples import member
from sidecar.membership.events import Listed, Report
from sidecar.membership.track import Track
from sidecar.observability.metrics import Metrics
from sidecar.simulator import ScriptedService, Simulator
from tests.support.builders import connected, credentials_for, following

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sidecar.settings.values import Settings
    from sidecar.sources.kubernetes.connection import Connection

APP = [member(number, f"10.0.0.{number + 1}") for number in range(3)]


def settings(directory: Path, **given: str) -> Settings:
    """The settings with these options."""
    variables = {"service": "app", "output": f"json={directory}/members.json"} | given
    return parse({}, {f"MEMBERSHIP_{name.upper()}": value for name, value in variables.items()})


def context(of: Settings, connection: Connection | None, checkpoint: Mapping[str, str]) -> Context:
    """A context in the namespace default."""
    return Context(
        settings=of,
        namespace="default",
        connection=connection,
        metrics=Metrics([]),
        checkpoint=lambda scope: checkpoint.get(scope, ""),
        clock=asyncio.get_running_loop().time,
        jitter=lambda: 0.0,
    )


@pytest.mark.parametrize(
    ("given", "api", "names"),
    [
        ({}, True, ("endpointslice", "endpoints", "dns")),
        ({}, False, ("dns",)),
        ({"source": "endpoints"}, True, ("endpoints",)),
        ({"source": "dns"}, True, ("dns",)),
        ({"service": "", "selector": "app=web"}, True, ("pods",)),
    ],
)
def test_the_most_preferred_comes_first(
    tmp_path: Path, given: dict[str, str], api: bool, names: tuple[str, ...]
) -> None:
    """``auto`` falls back; a source that is named is exactly that source."""
    assert candidate_names(settings(tmp_path, **given), api=api) == names


@pytest.mark.parametrize(
    ("services", "scopes"),
    [
        ("app", [["endpointslice/default/app"], ["endpoints/default/app"], ["dns/default/app"]]),
        (
            "b,a.other,a",
            [
                ["endpointslice/default/a,b", "endpointslice/other/a"],
                ["endpoints/default/a", "endpoints/default/b", "endpoints/other/a"],
                ["dns/default/a", "dns/default/b", "dns/other/a"],
            ],
        ),
        (
            "app.*,app.default",
            [["endpointslice/*/app"], ["endpoints/*/app"], ["dns/*/app"]],
        ),
    ],
)
async def test_what_each_candidate_follows(tmp_path: Path, services: str, scopes: list[list[str]]) -> None:
    """Slices by namespace, the others by Service; and no object by two scopes."""
    async with connected(credentials_for("http://127.0.0.1:1")) as connection:
        made = make_candidates(context(settings(tmp_path, service=services), connection, {}))
        assert [list(candidate.track.scopes) for candidate in made] == scopes


async def test_the_metrics_of_a_source_start_with_it(tmp_path: Path) -> None:
    """At 0, so that a rate over them works from the first scrape on; not before it is needed."""
    async with connected(credentials_for("http://127.0.0.1:1")) as connection:
        made = context(settings(tmp_path, source="endpoints"), connection, {})
        (candidate,) = make_candidates(made)
        labels = {"source": "endpoints/default/app"}
        assert made.metrics.registry.get_sample_value("membership_source_up", labels) is None
        candidate.make_sources()
        assert made.metrics.registry.get_sample_value("membership_source_up", labels) == 0


async def test_a_source_that_is_made_anew_starts_from_what_is_published_by_then(tmp_path: Path) -> None:
    """Not from what was published when the sidecar started: a replica that is behind must not win."""
    async with Simulator() as simulator, connected(credentials_for(simulator.url)) as connection:
        ScriptedService(simulator).scale(1)
        published: dict[str, str] = {}
        wanted = settings(tmp_path, source="endpointslice")
        (candidate,) = make_candidates(context(wanted, connection, published))
        for version in ("", str(simulator.store.revision)):
            published["endpointslice/default/app"] = version
            (source,) = candidate.make_sources()
            async with following(source) as seen:
                await seen.until(lambda it: it.of(Listed))
        first, second = (asked.query for asked in simulator.requests if asked.verb == "list")
        assert first["resourceVersion"] == "0"
        assert (second["resourceVersion"], second["resourceVersionMatch"]) == (version, "NotOlderThan")


def test_the_port_that_dns_does_not_tell_is_the_one_that_is_known() -> None:
    """If there is one: of several, none is everybody's."""

    def track(*ports: int | None) -> Track:
        members = [msgspec.structs.replace(each, port=port) for each, port in zip(APP, ports, strict=False)]
        made = Track("endpointslice", ["s"], "auto")
        report = Report("s/x", 1, {each.key: each for each in members})
        made.take(Listed(scope="s", reports=(report,), resource_version="1"))
        return made

    assert known_port([track(8080, 8080), track()]) == "8080"
    assert known_port([track(8080, 8081)]) == ""
    assert known_port([track(8080), track(8081)]) == ""
    assert known_port([track(None)]) == ""
