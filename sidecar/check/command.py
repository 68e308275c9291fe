"""``membership-sidecar check``: reads the configuration as ``run`` does, looks at everything, prints what it finds."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import structlog

from sidecar.check.findings.facts import Facts
from sidecar.check.findings.finding import Finding, exit_code, in_json, in_text
from sidecar.check.findings.report import findings
from sidecar.check.probes import api, dns, volumes
from sidecar.check.targets import collections_of, permissions_of, requirements_of, targets_of
from sidecar.daemon import parts
from sidecar.errors import SettingsError, SourceError
from sidecar.observability.metrics import Metrics
from sidecar.sources.dns.resolver import Resolver
from sidecar.sources.kubernetes.connection import Connection, Timeouts
from sidecar.sources.kubernetes.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sidecar.check.findings.facts import Answers
    from sidecar.check.targets import Targets
    from sidecar.settings.values import Settings

TIMEOUTS = Timeouts(connect=5.0, list_total=20.0, list_read=10.0)
"""Seconds: somebody waits for the answer, in a terminal or as an init container."""

FORMATS = {"text": in_text, "json": in_json}


def main(read: Callable[[], Settings], form: str) -> int:
    """The command; returns its exit code: 0 no error, 1 an error was found, 2 the configuration is invalid.

    Args:
        read: returns the settings, or raises ``SettingsError``.
        form: one of ``FORMATS``.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout is for the findings
    try:
        settings = read()
    except SettingsError as error:
        found = [Finding("error", "configuration", problem) for problem in error.problems]
        code = 2
    else:
        found = [Finding("ok", "configuration", "It is valid."), *asyncio.run(examine(settings, os.environ))]
        code = exit_code(found)
    sys.stdout.write(FORMATS[form](found))
    return code


def _leave(number: int, frame: object) -> NoReturn:
    """A check that was ended early has found nothing, which must not look as if nothing were wrong."""
    del frame
    sys.exit(128 + number)


async def examine(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Look at everything that the settings name, and judge it."""
    requirements = requirements_of(settings)
    in_pod = "KUBERNETES_SERVICE_HOST" in environ
    metrics = Metrics([])
    credentials = Credentials(parts.loader(settings, in_pod=in_pod), asyncio.get_running_loop().time, metrics)
    access = await _access(credentials)
    if access.problem:
        requirements = requirements._replace(falls_back=in_pod)
    namespace = parts.own_namespace() if access.problem or requirements.source == "dns" else access.namespace
    targets = targets_of(settings, namespace or "default")
    async with asyncio.TaskGroup() as tasks:
        outputs = [output.path for output in settings.output]
        directories = tasks.create_task(asyncio.to_thread(volumes.look, outputs))
        asking = None
        if not access.problem:
            asking = tasks.create_task(
                _ask_api(Connection(credentials, metrics, TIMEOUTS), settings, targets, namespace)
            )
        resolver = Resolver(servers=settings.dns_server, zone=settings.cluster_domain, metrics=metrics)
        names = dns.look(resolver, targets.named, port=settings.port, family=settings.address_family)
        outcomes = tasks.create_task(names)
    answers = asking.result() if asking else access.problem
    facts = Facts(directories.result(), answers, outcomes.result(), targets.everywhere)
    return findings(facts, requirements, settings.fsync)


class _Access(NamedTuple):
    """Whether there are credentials for the API server."""

    namespace: str = ""
    problem: str = ""


async def _access(credentials: Credentials) -> _Access:
    try:
        return _Access((await credentials.current()).namespace)
    except SettingsError as error:
        remedy = "Name a kubeconfig with --kubeconfig, or mount the token of the pod's service account."
        return _Access(problem=f"{error} {remedy}")


async def _ask_api(connection: Connection, settings: Settings, targets: Targets, namespace: str) -> Answers | str:
    try:
        return await api.look(
            connection,
            permissions_of(settings, targets),
            targets.named,
            collections_of(settings, targets),
            (namespace, settings.pod_name) if settings.min_members.relative else None,
        )
    except SourceError as error:
        return error.message
    finally:
        await connection.close()
