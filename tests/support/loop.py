"""A publish loop for tests: it writes real files at once, so that virtual time stands still meanwhile."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from sidecar.backoff import Backoff
from sidecar.formats import FORMATS
from sidecar.formats.membership_json import decode
from sidecar.formats.samples import member
from sidecar.membership.events import Applied, Event, Failed, Listed, Report
from sidecar.membership.policy.guards import Guards
from sidecar.membership.policy.leaves import LeavePolicy
from sidecar.membership.policy.rules import Rules
from sidecar.membership.policy.timing import Pace
from sidecar.membership.track import Track
from sidecar.observability.metrics import Metrics
from sidecar.output.observer import Observer
from sidecar.output.pipeline import Pipeline
from sidecar.output.publish_loop import Demands, PublishLoop
from sidecar.output.publisher import Publisher
from sidecar.output.written import Written

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from pathlib import Path

    from sidecar.membership.member import Member

P = ParamSpec("P")
T = TypeVar("T")

PACE = Pace(settle=0.2, settle_max=1.0)
GUARDS, CALM = Guards(), LeavePolicy()
SCOPE = "endpointslice/default/app"
APP = [member(number, f"10.0.0.{number + 1}") for number in range(5)]
JSON = {"members.json": "json"}


class Inline(Executor):
    """Runs what it is given at once."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call it."""
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def now() -> float:
    """Seconds of the loop."""
    return asyncio.get_running_loop().time()


def make_loop(
    pipeline: Pipeline,
    publisher: Publisher,
    metrics: Metrics,
    *,
    guards: Guards = GUARDS,
    once: bool = False,
    write_limit: float = 30.0,
    members: Iterable[Member] = (),
    executor: Executor | None = None,
) -> PublishLoop:
    """A publish loop with the default pace, and a backoff without jitter."""
    written = Written(members)
    return PublishLoop(
        pipeline,
        publisher,
        written,
        demands=Demands(pace=PACE, guards=guards, once=once, write_limit=write_limit),
        observer=Observer(metrics, publisher.paths, written.members),
        backoff=lambda: Backoff(clock=now, jitter=lambda: 0.0),
        clock=now,
        executor=executor or Inline(),
    )


class Scripted:
    """A source that says what it is told to say."""

    scope = SCOPE

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    async def events(self) -> AsyncIterator[Event]:
        """What was told, for ever."""
        while True:
            yield await self._events.get()

    def list(self, *members: Member) -> None:
        """A complete answer of one slice."""
        self._events.put_nowait(Listed(scope=SCOPE, reports=(report_of(members),), resource_version="1", arrived=now()))

    def apply(self, *members: Member, problem: str = "") -> None:
        """The slice is now this."""
        event = Applied(scope=SCOPE, report=report_of(members, problem), resource_version="2", arrived=now())
        self._events.put_nowait(event)

    def list_nothing(self) -> None:
        """A complete answer without a slice."""
        self._events.put_nowait(Listed(scope=SCOPE, reports=(), resource_version="1", arrived=now()))

    def fail(self, message: str) -> None:
        """It cannot be asked."""
        self._events.put_nowait(Failed(scope=SCOPE, reason="refused", message=message))


def report_of(members: tuple[Member, ...], problem: str = "") -> Report:
    """What a slice says."""
    return Report("endpointslice/default/app-x", 1, {each.key: each for each in members}, problem)


def members_in(path: Path) -> list[str]:
    """Names in the json file."""
    return [each["name"] for each in json.loads(path.read_bytes())["members"]]


class Running:
    """A publish loop at work: the outputs of *directory*, from one scripted source."""

    def __init__(
        self,
        directory: Path,
        *,
        guards: Guards = GUARDS,
        leave_policy: LeavePolicy = CALM,
        outputs: Mapping[str, str] = JSON,
        once: bool = False,
        write_limit: float = 30.0,
        executor: Executor | None = None,
        source: str = "endpointslice",
    ) -> None:
        self.paths = [directory / name for name in outputs]
        self.path = self.paths[0]
        self.source = Scripted()
        self.metrics = Metrics([str(path) for path in self.paths])
        publisher = Publisher(self.paths, fsync="never")
        publisher.prepare()
        formats = [FORMATS[name] for name in outputs.values()]
        at = formats.index(FORMATS["json"]) if FORMATS["json"] in formats else None
        self.pipeline = Pipeline(
            [Track(source, [SCOPE], "auto")],
            formats,
            rules=Rules(),
            leave_policy=leave_policy,
            record=FORMATS["json"] if at is None else None,
        )
        left = publisher.predecessor.members if at is None else b""
        if at is not None and publisher.complete:
            left = self.paths[at].read_bytes()
        before = decode(left)
        if before:
            self.pipeline.resume(before.members, before.source)
        self.loop = make_loop(
            self.pipeline,
            publisher,
            self.metrics,
            guards=guards,
            once=once,
            write_limit=write_limit,
            members=before.members if before else (),
            executor=executor,
        )

    async def follow(self) -> None:
        """Feed the loop."""
        async for event in self.source.events():
            self.loop.take(event)

    def ready(self) -> bool:
        """What /readyz says."""
        return self.loop.published

    def value(self, name: str, **labels: str) -> float | None:
        """A sample of a metric."""
        return self.metrics.registry.get_sample_value(name, labels)


@asynccontextmanager
async def running(directory: Path, **kwargs: Any) -> AsyncIterator[Running]:  # noqa: ANN401 - as Running takes them
    """Run a publish loop until the end of the block."""
    made = Running(directory, **kwargs)
    tasks = [asyncio.create_task(made.follow()), asyncio.create_task(made.loop.publish_forever())]
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def waiting_for(it: Running) -> str:
    """Why nothing newer is published."""
    return it.loop.waiting_for


async def published(it: Running, *names: str) -> float:
    """Wait for a file with these members; return when it was there."""
    async with asyncio.timeout(100):
        while not it.path.exists() or members_in(it.path) != list(names):
            await asyncio.sleep(0.01)
    seen = now()
    await asyncio.sleep(0.01)  # let the metrics be counted
    return seen
