"""One run, from the settings to the end: connects, has the parts assembled, and runs them until something ends it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import structlog

from sidecar.backoff import Backoff
from sidecar.daemon import parts
from sidecar.daemon.assembly import Resources, assemble, jitter
from sidecar.daemon.desired import follow_replicas
from sidecar.daemon.report import status_of
from sidecar.errors import SettingsError
from sidecar.observability.metrics import Metrics
from sidecar.observability.server import Server
from sidecar.output.lock import Locks
from sidecar.output.publisher import Publisher
from sidecar.sources.kubernetes.connection import Connection
from sidecar.sources.kubernetes.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sidecar.daemon.assembly import Parts
    from sidecar.observability.status import Status
    from sidecar.output.file import System
    from sidecar.settings.values import Settings

log = structlog.get_logger(__name__)

LAST_WRITE_SECONDS = 0.5
"""That a write which is in progress may still take when the program ends."""


class Daemon:
    """One run.

    Args:
        settings: what to do.
        environ: tells whether this is a pod.
        once: whether to end when the files are published.
        system: ``os``, for the publisher.
    """

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], *, once: bool = False, system: System = os
    ) -> None:
        self.metrics = Metrics(str(output.path) for output in settings.output)
        self.published = False
        """Whether this run has published to every output."""
        self._settings = settings
        self._in_pod = "KUBERNETES_SERVICE_HOST" in environ
        self._once = once
        self._system = system
        self._stopping = False
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="publish")

    @property
    def summary(self) -> dict[str, object]:
        """What it will do, for the first line of the log."""
        settings = self._settings
        services = [f"{name.name}.{name.namespace}" if name.namespace else name.name for name in settings.service]
        whose = {"selector": settings.selector} if settings.selector else {"services": services}
        outputs = [f"{output.form.name}={output.path}" for output in settings.output]
        return {"source": settings.source, "once": self._once, **whose, "outputs": outputs}

    async def run(self) -> None:
        """Keep the files up to date until cancelled; with *once*, until they are published.

        Raises:
            SidecarError: if there is no use in going on.
        """
        outputs = [output.path for output in self._settings.output]
        publisher = Publisher(outputs, fsync=self._settings.fsync, system=self._system)
        publisher.prepare()
        async with AsyncExitStack() as stack:
            stack.enter_context(Locks(outputs))
            connection, namespace = await self._connect(stack)
            namespace = namespace or self._settings.namespace or "default"
            clock = asyncio.get_running_loop().time
            resources = Resources(namespace, connection, self._executor, clock, self.metrics, self._once)
            made = assemble(self._settings, publisher, resources)
            gc.freeze()  # what was imported stays
            gc.enable()
            await self._work(made, resources, stack)

    async def _work(self, made: Parts, resources: Resources, stack: AsyncExitStack) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(made.failover.run(), name="follow"),
                    tasks.create_task(made.publish_loop.publish_forever(), name="publish"),
                ]
                if self._settings.min_members.relative and resources.connection:
                    retry = Backoff(clock=resources.clock, jitter=jitter)
                    asking = follow_replicas(
                        resources.connection, resources.namespace, self._settings.pod_name, made.publish_loop, retry
                    )
                    running.append(tasks.create_task(asking, name="replicas"))
                if self._settings.listen and not self._once:
                    await self._serve(made, stack)  # only now, for the first list is on its way meanwhile
                await made.publish_loop.first_publication.wait()
                self.published = True
                if self._once:
                    for task in running:
                        task.cancel()
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            self._stopping = True

    def is_writing(self) -> bool:
        """Whether a write is still in progress, after it was given a moment to end."""
        after = self._executor.submit(int)
        done, _ = concurrent.futures.wait([after], timeout=LAST_WRITE_SECONDS)
        self._executor.shutdown(wait=False, cancel_futures=True)
        return not done

    async def _connect(self, stack: AsyncExitStack) -> tuple[Connection | None, str]:
        """The connection to the API server and the own namespace; no connection where DNS does without one."""
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
            log.warning("source changed", source="dns", reason=str(error))
            return None, parts.own_namespace()
        connection = Connection(credentials, self.metrics)
        stack.push_async_callback(connection.close)
        return connection, session.namespace

    async def _serve(self, made: Parts, stack: AsyncExitStack) -> None:
        listen = self._settings.listen
        assert listen is not None  # noqa: S101 - the caller asked

        def status() -> Status:
            now = asyncio.get_running_loop().time()
            return status_of(made, self._settings, now, stopping=self._stopping)

        server = Server(status, self.metrics.registry, probed=made.publish_loop.verify)
        try:
            url = await server.start(listen.host, listen.port)
        except OSError as error:
            reason = (error.strerror or str(error)).partition(" (while")[0]  # Python adds the address once more
            raise SettingsError([f"--listen {listen} cannot be used: {reason}."]) from error
        stack.push_async_callback(server.stop)
        log.info("serving", url=url)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first; task groups nest."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
