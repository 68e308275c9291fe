"""``membership-sidecar check``: reads the configuration as ``run`` does, looks at everything, prints what it finds."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

import structlog

from sidecar.check.findings.facts import Facts
from sidecar.check.findings.finding import Finding, exit_code, in_json, in_text
from sidecar.check.findings.report import findings
from sidecar.check.probes import api, volumes
from sidecar.check.targets import collections_of, permissions_of, requirements_of, targets_of
from sidecar.daemon import parts
from sidecar.errors import SettingsError, SourceError
from sidecar.observability.metrics import Metrics
from sidecar.sources.dns.query import ServiceQuery
from sidecar.sources.dns.records import Wanted
from sidecar.sources.dns.resolver import Resolver
from sidecar.sources.kubernetes.connection import Connection, Timeouts
from sidecar.sources.kubernetes.credentials import Credentials
from sidecar.sources.kubernetes.objects import EVERYWHERE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sidecar.check.findings.facts import Answers
    from sidecar.check.targets import Targets
    from sidecar.settings.values import Settings
    from sidecar.sources.dns.records import Outcome

PATIENCE = Timeouts(connect=5.0, list_total=20.0, list_read=10.0)
"""Seconds: somebody waits for the answer, in a terminal or as an init container."""

FORMATS = {"text": in_text, "json": in_json}


def main(read: Callable[[], Settings], form: str) -> int:
    """The command; returns its exit code: 0 nothing is wrong, 1 something is, 2 the configuration is.

    Args:
        read: gives the settings, or raises ``SettingsError``.
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
        found = [Finding("ok", "configuration", "It has no mistakes."), *asyncio.run(examine(settings, os.environ))]
        code = exit_code(found)
    sys.stdout.write(FORMATS[form](found))
    return code


def _leave(number: int, frame: object) -> NoReturn:
    """A check that was not finished has found nothing, which must not look like nothing to find."""
    del frame
    sys.exit(128 + number)


async def examine(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Look at everything that the settings name, and say what is found."""
    metrics = Metrics([])
    loader = parts.loader(settings, in_pod="KUBERNETES_SERVICE_HOST" in environ)
    credentials = Credentials(loader, asyncio.get_running_loop().time, metrics)
    namespace, requirements, trouble = "", requirements_of(settings), ""
    try:
        namespace = (await credentials.current()).namespace
    except SettingsError as error:
        trouble = f"{error} Name a kubeconfig with --kubeconfig, or mount the token of the pod's service account."
        requirements = requirements._replace(falls_back="KUBERNETES_SERVICE_HOST" in environ)
    if trouble or requirements.source == "dns":
        namespace = parts.own_namespace()
    targets = targets_of(settings, namespace or "default")
    async with asyncio.TaskGroup() as tasks:
        outputs = [output.path for output in settings.output]
        directories = tasks.create_task(asyncio.to_thread(volumes.look, outputs))
        answers = None if trouble else tasks.create_task(_ask_api(credentials, metrics, settings, targets, namespace))
        outcomes = tasks.create_task(_ask_dns(metrics, settings, targets))
    facts = Facts(directories.result(), answers.result() if answers else trouble, outcomes.result())
    return findings(facts, requirements, settings.fsync)


async def _ask_api(
    credentials: Credentials, metrics: Metrics, settings: Settings, targets: Targets, namespace: str
) -> Answers | str:
    connection = Connection(credentials, metrics, PATIENCE)
    try:
        return await api.look(
            connection,
            permissions_of(settings, targets),
            [target for target in targets.services if target[0] != EVERYWHERE],
            collections_of(settings, targets),
            (namespace, settings.pod_name) if settings.min_members.relative else None,
        )
    except SourceError as error:
        return error.message
    finally:
        await connection.close()


async def _ask_dns(metrics: Metrics, settings: Settings, targets: Targets) -> dict[str, Mapping[str, Outcome]]:
    resolver = Resolver(servers=settings.dns_server, zone=settings.cluster_domain, metrics=metrics)
    return {
        f"{namespace}/{name}": await ServiceQuery(
            resolver,
            Wanted(service=name, namespace=namespace, port=settings.port, family=settings.address_family),
        ).ask()
        for namespace, name in targets.services
        if namespace != EVERYWHERE
    }
