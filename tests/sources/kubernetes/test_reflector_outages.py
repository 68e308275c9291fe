"""The real connection and the reflector against a server that goes away, falls silent, or changes its tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sidecar.membership.events import Failed
from sidecar.simulator import (
    FOREVER,
    ImmediateEOF,
    ScriptedService,
    Silence,
    Simulator,
)
from sidecar.sources.kubernetes.timing import Timing
from tests.sources.kubernetes.simulated import IMPATIENT, agreed, change, codes, followed, reasons
from tests.support.builders import credentials_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sidecar.sources.kubernetes.loaders import Configuration


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """An API server."""
    async with Simulator() as running:
        yield running


@pytest.fixture
def service(simulator: Simulator) -> ScriptedService:
    """A Service with three members in two slices."""
    made = ScriptedService(simulator, per_slice=2)
    made.scale(3)
    return made


class Rotating:
    """A loader whose token is replaced.

    Args:
        url: the API server's.
        bearer: the token at first.
    """

    def __init__(self, url: str, bearer: str) -> None:
        self._url = url
        self.bearer = bearer

    async def __call__(self, configuration: Configuration, *, afresh: bool) -> str:
        """As ``Loader``."""
        return await credentials_for(self._url, token=self.bearer)(configuration, afresh=afresh)


async def test_a_token_that_was_rotated_costs_one_refusal(simulator: Simulator, service: ScriptedService) -> None:
    """The new one is there already: no wait, no list."""
    load = Rotating(simulator.url, "old")
    simulator.accept_tokens("old")
    async with followed(simulator, load=load, timing=Timing()) as seen:
        await simulator.request(verb="watch")
        change(service)
        await agreed(simulator, seen)
        load.bearer = "new"
        simulator.accept_tokens("new")
        simulator.end_watches()
        service.scale(1)
        await agreed(simulator, seen)
        await simulator.request(verb="watch", count=3)
        service.scale(4)
        await agreed(simulator, seen)
        assert codes(simulator, "watch") == [200, 401, 200]
        assert codes(simulator, "list") == [200]
        assert reasons(seen) == ["unauthorized"]


async def test_a_token_that_is_rotated_too_late_is_waited_for(simulator: Simulator, service: ScriptedService) -> None:
    """Each 401 reads it again, until it is the right one."""
    load = Rotating(simulator.url, "old")
    simulator.accept_tokens("new")
    async with followed(simulator, load=load) as seen:
        await simulator.request(verb="list", count=4)
        assert seen.events
        assert {type(event) for event in seen.events} == {Failed}
        load.bearer = "new"
        await agreed(simulator, seen)
        assert codes(simulator, "list")[-1] == 200


@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_a_silent_connection_is_given_up(simulator: Simulator, service: ScriptedService, verb: str) -> None:
    """A half-open connection ends with its timeout; what happened meanwhile comes with the next one."""
    if verb == "list":
        simulator.script(Silence(verb="list"))
    async with followed(simulator, timeouts=IMPATIENT) as seen:
        if verb == "watch":
            await simulator.request(verb="watch")
            simulator.script(Silence(verb="watch"))
            simulator.end_watches()
            await simulator.request(verb="watch", count=2)
        change(service)
        await agreed(simulator, seen)
        assert reasons(seen) == (["timeout"] if verb == "list" else [])
        assert codes(simulator, "list") == ([200, 200] if verb == "list" else [200])


async def test_a_server_that_ends_every_watch_at_once_is_not_overloaded(
    simulator: Simulator, service: ScriptedService
) -> None:
    """The waits grow, although no single response was wrong."""
    simulator.script(ImmediateEOF(verb="watch", times=FOREVER))
    async with followed(simulator, timing=Timing(retry=0.1)) as seen:
        times = [(await simulator.request(verb="watch", count=count)).at for count in (1, 2, 3)]
        assert times[1] - times[0] >= 0.09
        assert times[2] - times[1] >= 0.19
        simulator.behave()
        change(service)
        await agreed(simulator, seen)
        assert reasons(seen) == ["short_watch"] * 3
        assert codes(simulator, "list") == [200] * 4


async def test_a_server_that_was_away_is_watched_again(simulator: Simulator, service: ScriptedService) -> None:
    """It restarts with its history: the watch brings what happened meanwhile, without a list."""
    async with followed(simulator) as seen:
        await simulator.request(verb="watch")
        before = seen.reports
        await simulator.stop_serving()
        change(service)
        await seen.until(lambda it: "refused" in reasons(it))
        assert seen.reports == before
        await simulator.serve_again()
        await agreed(simulator, seen)
        assert codes(simulator, "list") == [200]
        assert set(reasons(seen)) == {"connection", "refused"}
        assert seen.kinds.count("Recovered") == 1


@pytest.mark.parametrize("how", ["restarted", "compacted"])
async def test_a_server_that_has_lost_its_history_is_listed(
    simulator: Simulator, service: ScriptedService, how: str
) -> None:
    """The watch is refused as too old, and one list brings everything."""
    async with followed(simulator) as seen:
        await simulator.request(verb="watch")
        await simulator.stop_serving()
        change(service)
        if how == "compacted":
            simulator.compact()
        await simulator.serve_again(lose_history=how == "restarted")
        await agreed(simulator, seen)
        assert codes(simulator, "list") == [200, 200]
        service.scale(2)
        await agreed(simulator, seen)
        assert codes(simulator, "list") == [200, 200]
