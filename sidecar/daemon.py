"""The composition root: makes the parts from the settings, runs them, and ends them.

Nothing else knows everything. The flow is the one in the package's docstring; here it is wired.
"""

from __future__ import annotations

import asyncio
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from sidecar import __version__, log
from sidecar.errors import SettingsError
from sidecar.keeper import Keeper
from sidecar.metrics import Metrics
from sidecar.pipeline import Pipeline
from sidecar.policy.timing import Gate, Pace
from sidecar.publisher import Publisher
from sidecar.server import Server
from sidecar.sources.api import Connection
from sidecar.sources.backoff import Backoff
from sidecar.sources.credentials import SERVICE_ACCOUNT, Credentials, in_cluster, kubeconfig
from sidecar.sources.objects import SERVICE_NAME, EndpointSlices, Projection, endpoint_slice_origin
from sidecar.sources.reflector import Collection, Reflector, Timing
from sidecar.status import OutputStatus, SourceStatus, Status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor

    from sidecar.settings import Settings
    from sidecar.sources.credentials import Loader

logger = structlog.get_logger(__name__)


def dice() -> float:
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

    async def run(self, *, once: bool = False) -> None:
        """Keep the files true until cancelled; with *once*, until they are published.

        Raises:
            SidecarError: if there is no use in going on.
        """
        publisher = Publisher([output.path for output in self._settings.output], fsync=self._settings.fsync)
        publisher.prepare()
        async with AsyncExitStack() as stack:
            self._credentials = Credentials(self._loader(), asyncio.get_running_loop().time, self.metrics)
            connection = Connection(self._credentials, self.metrics)
            stack.push_async_callback(connection.close)
            grant = await self._credentials.current()
            self._sources = self._reflectors(connection, publisher, grant.namespace)
            self._pipeline = self._make_pipeline()
            executor = ThreadPoolExecutor(1, thread_name_prefix="publish")
            stack.callback(executor.shutdown, wait=False, cancel_futures=True)
            self._keeper = self._make_keeper(publisher, executor)
            self._publisher = publisher
            if self._settings.listen and not once:
                await self._serve(stack)
            await self._work(once=once)

    async def _work(self, *, once: bool) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(self._keeper.follow(source), name=source.scope) for source in self._sources
                ]
                running.append(tasks.create_task(self._keeper.publish_forever(), name="publish"))
                if once:
                    await self._keeper.first_publication.wait()
                    for task in running:
                        task.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self._stopping = True

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

    def _loader(self) -> Loader:
        settings = self._settings
        pod = "KUBERNETES_SERVICE_HOST" in self._environ and (SERVICE_ACCOUNT / "token").exists()
        if pod and not settings.kubeconfig and not settings.context:
            return in_cluster()
        return kubeconfig(settings.kubeconfig, settings.context or None)

    def _reflectors(self, connection: Connection, publisher: Publisher, own_namespace: str) -> list[Reflector]:
        """One for each namespace: a Role covers one, and so does a resourceVersion that is asked for."""
        default = self._settings.namespace or own_namespace or "default"
        names: dict[str, set[str]] = {}
        for service in self._settings.service:
            names.setdefault(service.namespace or default, set()).add(service.name)
        projection = Projection(
            port=self._settings.port,
            family=self._settings.address_family,
            pod_uid=self._settings.pod_uid,
            pod_name=self._settings.pod_name,
            namespace=own_namespace or default,
        )
        clock = asyncio.get_running_loop().time
        reflectors = []
        for namespace, services in sorted(names.items()):
            collection = endpoint_slices(namespace, sorted(services), projection)
            self.metrics.expect(collection.scope)
            reflector = Reflector(
                connection,
                collection,
                metrics=self.metrics,
                floor=publisher.floor.revisions.get(collection.scope, ""),
                clock=clock,
                dice=dice,
                timing=Timing(),
            )
            reflectors.append(reflector)
        return reflectors

    def _make_pipeline(self) -> Pipeline:
        return Pipeline(
            [source.scope for source in self._sources],
            [output.form for output in self._settings.output],
            source="endpointslice",
            family=self._settings.address_family,
            not_ready=self._settings.not_ready,
        )

    def _make_keeper(self, publisher: Publisher, executor: Executor) -> Keeper:
        settings = self._settings
        clock = asyncio.get_running_loop().time
        return Keeper(
            self._pipeline,
            publisher,
            pace=Pace(settle=settings.settle, settle_max=settings.settle_max),
            gate=Gate(min_members=settings.min_members, start_timeout=settings.start_timeout),
            metrics=self.metrics,
            retry=Backoff(clock=clock, dice=dice),
            clock=clock,
            executor=executor,
        )

    def status(self) -> Status:
        """What ``/status`` shows."""
        now = asyncio.get_running_loop().time()
        scopes = self._pipeline.state.scopes
        errors = {error.path: error.sentence for error in self._keeper.errors}
        return Status(
            version=__version__,
            published=self._keeper.published,
            generation=self._publisher.floor.generation,
            members=len(self._pipeline.rendered),
            selected=len(self._pipeline.selected),
            held=self._keeper.held,
            synced=self._pipeline.state.synced,
            sources=tuple(
                SourceStatus(
                    scope=source.scope,
                    synced=scopes[source.scope].synced,
                    resource_version=scopes[source.scope].revision,
                    failing=scopes[source.scope].failing,
                    idle_seconds=round(now - source.progressed, 3),
                )
                for source in self._sources
            ),
            outputs=tuple(
                OutputStatus(format=output.form.name, path=str(output.path), error=errors.get(str(output.path), ""))
                for output in self._settings.output
            ),
            stopping=self._stopping,
        )


def endpoint_slices(namespace: str, services: list[str], projection: Projection) -> Collection:
    """The EndpointSlices of some Services of a namespace."""
    slices = EndpointSlices(projection)
    selector = f"{SERVICE_NAME}={services[0]}" if len(services) == 1 else f"{SERVICE_NAME} in ({','.join(services)})"
    return Collection(
        scope=f"endpointslice/{namespace}/{','.join(services)}",
        path=f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices",
        query={"labelSelector": selector},
        project=slices.project,
        origin=endpoint_slice_origin,
        forget=slices.forget,
    )


def run(settings: Settings, *, once: bool = False) -> None:
    """Run until it is over; SIGTERM and SIGINT end it in good order, a second one at once.

    Raises:
        SidecarError: if there is no use in going on.
    """
    daemon = Daemon(settings, os.environ)
    writer = log.configure(settings.log_level, settings.log_format, dropped=daemon.metrics.log_dropped.inc)
    try:
        asyncio.run(_until_told(daemon, once=once))
    finally:
        writer.close()


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
    logger.info("starting", version=__version__, once=once, pid=os.getpid(), cwd=str(Path.cwd()))
    try:
        await work
    except asyncio.CancelledError:
        if not told:
            raise
