"""The composition root: makes the parts from the settings, runs them, and ends them.

Nothing else knows everything. The flow is the one in the package's docstring; here it is wired.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import structlog

from sidecar import __version__
from sidecar.backoff import Backoff
from sidecar.daemon import parts
from sidecar.daemon.replicas import desired_replicas
from sidecar.errors import SettingsError, SourceError
from sidecar.failover import candidates
from sidecar.failover.failover import Failover
from sidecar.membership.policy.timing import Pace
from sidecar.observability import log
from sidecar.observability.metrics import Metrics
from sidecar.observability.server import Server
from sidecar.observability.status import OutputStatus, SourceStatus, Status
from sidecar.output.pipeline import Pipeline
from sidecar.output.publish_loop import PublishLoop
from sidecar.output.publisher import Publisher
from sidecar.sources.kubernetes.connection import Connection
from sidecar.sources.kubernetes.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor

    from sidecar.failover.failover import Candidate
    from sidecar.settings.values import Settings

logger = structlog.get_logger(__name__)


REPLICAS_SECONDS = 5.0
"""Between two looks at how many replicas there should be, while the first file waits for them."""


def jitter() -> float:
    """A random number in [0, 1). The module ``random`` would be 0.4 MB for that."""
    return int.from_bytes(os.urandom(6)) / 2**48


class Daemon:
    """One run, from the settings to the end.

    Args:
        settings: what to do.
        environ: tells whether this is a pod.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = environ
        self._stopping = False
        self.metrics = Metrics(str(output.path) for output in settings.output)

    @property
    def summary(self) -> dict[str, object]:
        """What it will do, for the first line of the log."""
        settings = self._settings
        services = [f"{name.name}.{name.namespace}" if name.namespace else name.name for name in settings.service]
        whose = {"selector": settings.selector} if settings.selector else {"services": services}
        outputs = [f"{output.form.name}={output.path}" for output in settings.output]
        return {"source": settings.source, **whose, "outputs": outputs}

    async def run(self, *, once: bool = False) -> None:
        """Keep the files true until cancelled; with *once*, until they are published.

        Raises:
            SidecarError: if there is no use in going on.
        """
        publisher = Publisher([output.path for output in self._settings.output], fsync=self._settings.fsync)
        publisher.prepare()
        async with AsyncExitStack() as stack:
            connection, found = await self._connect(stack)
            self._namespace = found or self._settings.namespace or "default"
            made = self._make_ways(connection, publisher)
            self._pipeline = Pipeline(
                [way.track for way in made],
                [output.form for output in self._settings.output],
                rules=parts.rules(self._settings),
                leave_policy=parts.leave_policy(self._settings),
                port_range=self._settings.port_range,
            )
            executor = ThreadPoolExecutor(1, thread_name_prefix="publish")
            stack.callback(executor.shutdown, wait=False, cancel_futures=True)
            self._keeper = self._make_keeper(publisher, executor)
            self._following = self._make_following(made)
            self._keeper.confirm = self._following.confirm
            self._connection = connection
            self._publisher = publisher
            gc.freeze()  # what was imported stays
            gc.enable()
            await self._work(stack, once=once)

    async def _work(self, stack: AsyncExitStack, *, once: bool) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(self._following.run(), name="follow"),
                    tasks.create_task(self._keeper.publish_forever(), name="publish"),
                ]
                if self._settings.min_members.relative and self._connection:
                    running.append(tasks.create_task(self._ask_for_replicas(self._connection), name="replicas"))
                if self._settings.listen and not once:
                    await self._serve(stack)  # only now, for the first list is on its way meanwhile
                if once:
                    await self._keeper.first_publication.wait()
                    for task in running:
                        task.cancel()
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            self._stopping = True

    async def _ask_for_replicas(self, connection: Connection) -> None:
        """Keep asking how many replicas there should be, until the first file is out."""
        clock = asyncio.get_running_loop().time
        retry = Backoff(clock=clock, jitter=jitter)
        while not self._keeper.published:
            try:
                self._keeper.want(await desired_replicas(connection, self._namespace, self._settings.pod_name))
                await asyncio.sleep(REPLICAS_SECONDS)
            except SourceError as error:
                self._keeper.replicas_unknown(error.message)
                await asyncio.sleep(retry.delay(error.retry_after))

    async def _serve(self, stack: AsyncExitStack) -> None:
        listen = self._settings.listen
        assert listen is not None  # noqa: S101 - the caller asked
        server = Server(self.status, self.metrics.registry)
        try:
            url = await server.start(listen.host, listen.port)
        except OSError as error:
            raise SettingsError([f"--listen {listen.host}:{listen.port} cannot be used: {error.strerror}."]) from error
        stack.push_async_callback(server.stop)
        logger.info("serving", url=url)

    async def _connect(self, stack: AsyncExitStack) -> tuple[Connection | None, str]:
        """The connection to the API server and the own namespace; no connection where DNS is to do without one."""
        if self._settings.source == "dns":
            return None, parts.own_namespace()
        credentials = Credentials(
            parts.loader(self._settings, in_pod=self._in_pod), asyncio.get_running_loop().time, self.metrics
        )
        try:
            session = await credentials.current()
        except SettingsError as error:
            if self._settings.source != "auto" or self._settings.selector or not self._in_pod:
                raise
            logger.warning("source changed", source="dns", reason=str(error))
            return None, parts.own_namespace()
        connection = Connection(credentials, self.metrics)
        stack.push_async_callback(connection.close)
        return connection, session.namespace

    @property
    def _in_pod(self) -> bool:
        return "KUBERNETES_SERVICE_HOST" in self._environ

    def _make_ways(self, connection: Connection | None, publisher: Publisher) -> list[Candidate]:
        return candidates.make(
            candidates.Context(
                settings=self._settings,
                namespace=self._namespace,
                connection=connection,
                metrics=self.metrics,
                checkpoint=publisher.checkpoint.resource_versions,
                clock=asyncio.get_running_loop().time,
                jitter=jitter,
            )
        )

    def _make_keeper(self, publisher: Publisher, executor: Executor) -> PublishLoop:
        settings = self._settings
        clock = asyncio.get_running_loop().time
        return PublishLoop(
            self._pipeline,
            publisher,
            pace=Pace(settle=settings.settle, settle_max=settings.settle_max),
            guards=parts.guards(settings),
            metrics=self.metrics,
            retry=Backoff(clock=clock, jitter=jitter),
            clock=clock,
            executor=executor,
        )

    def _make_following(self, made: list[Candidate]) -> Failover:
        return Failover(
            made,
            self._keeper,
            fallback_after=self._settings.fallback_after,
            clock=asyncio.get_running_loop().time,
            metrics=self.metrics,
        )

    def status(self) -> Status:
        """What ``/status`` shows."""
        now = asyncio.get_running_loop().time()
        scopes = {name: scope for track in self._pipeline.tracks for name, scope in track.state.scopes.items()}
        errors = {error.path: error.message for error in self._keeper.errors}
        return Status(
            version=__version__,
            published=self._keeper.published,
            generation=self._publisher.checkpoint.generation,
            members=len(self._pipeline.rendered),
            selected=len(self._pipeline.selected),
            held=self._keeper.held,
            synced=self._pipeline.state.synced,
            source=self._pipeline.active.source,
            instead=self._following.instead,
            warnings=tuple(sorted(set(self._pipeline.active.warnings.values()))),
            sources=tuple(
                SourceStatus(
                    scope=source.scope,
                    synced=scopes[source.scope].synced,
                    resource_version=scopes[source.scope].resource_version,
                    failing=scopes[source.scope].failing,
                    idle_seconds=round(now - source.active_at, 3),
                )
                for source in self._following.sources
            ),
            outputs=tuple(
                OutputStatus(format=output.form.name, path=str(output.path), error=errors.get(str(output.path), ""))
                for output in self._settings.output
            ),
            stopping=self._stopping,
        )


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first; task groups nest."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def run(settings: Settings, *, once: bool = False) -> None:
    """Run until it is over; SIGTERM and SIGINT end it in good order, a second one at once.

    Raises:
        SidecarError: if there is no use in going on.
    """
    gc.disable()  # to look for garbage again and again while everything is imported takes 10 ms of the start
    daemon = Daemon(settings, os.environ)
    writer = log.configure(settings.log_level, settings.log_format, dropped=daemon.metrics.log_dropped.inc)
    try:
        asyncio.run(_until_told(daemon, once=once))
    finally:
        writer.close()
        gc.enable()


async def _until_told(daemon: Daemon, *, once: bool) -> None:
    loop = asyncio.get_running_loop()
    work = loop.create_task(daemon.run(once=once), name="daemon")
    told: list[int] = []

    def stop(number: int) -> None:
        if told:
            os._exit(128 + number)
        told.append(number)
        logger.info("stopping", signal=signal.Signals(number).name)
        work.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    logger.info("starting", version=__version__, once=once, **daemon.summary)
    try:
        await work
    except asyncio.CancelledError:
        if not told:
            raise
