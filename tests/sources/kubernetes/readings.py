"""Readings of credentials, by a clock that stands still: what the tests of credentials share."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest
import structlog

from sidecar.errors import SettingsError
from sidecar.observability.metrics import Metrics
from sidecar.sources.kubernetes.credentials import Credentials, SessionCredentials

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from pathlib import Path

    from sidecar.sources.kubernetes.loaders import Loader
    from tests.support.builders import Json

SECRET = "secret-0"  # noqa: S105 - of nobody


@dataclass
class Clock:
    """Stands still until told."""

    now: float = 1000.0

    def seconds(self) -> float:
        """What it shows."""
        return self.now


class Reading:
    """Credentials, their clock, and what was counted and logged."""

    def __init__(self, load: Loader) -> None:
        self.clock = Clock()
        self.metrics = Metrics([])
        self.credentials = Credentials(load, self.clock.seconds, self.metrics)
        self.logged: list[MutableMapping[str, object]] = []

    async def session(self, *, after: float = 0.0) -> SessionCredentials:
        """The session for a request so much later."""
        self.clock.now += after
        with structlog.testing.capture_logs() as logged:
            session = await self.credentials.current()
        self.logged += cast("list[MutableMapping[str, object]]", logged)
        return session

    async def token(self, *, after: float = 0.0) -> str:
        """What stands in its header."""
        return (await self.session(after=after)).headers.get("Authorization", "")

    def count(self, name: str, result: str) -> float | None:
        """A counter of readings."""
        return self.metrics.registry.get_sample_value(f"membership_{name}_reloads_total", {"result": result})


async def refusal(load: Loader) -> str:
    """The message with which the first reading fails."""
    with pytest.raises(SettingsError) as raised:
        await Reading(load).credentials.current()
    (message,) = raised.value.problems
    assert message.startswith("The credentials for the API server cannot be read: ")
    assert message.endswith(".")
    assert "secret" not in message
    return message


def authorities(session: SessionCredentials) -> list[str]:
    """The names of the CAs that are trusted."""
    assert isinstance(session.tls, ssl.SSLContext)
    subjects = [cast("tuple[tuple[tuple[str, str]]]", ca["subject"]) for ca in session.tls.get_ca_certs()]
    return [subject[0][0][1] for subject in subjects]


def write(directory: Path, user: Json, *, cluster: Json | None = None, **context: str) -> Path:
    """A kubeconfig with one context, and another one that is not meant."""
    file = directory / "config"
    server = {"server": "https://127.0.0.1:6443", "insecure-skip-tls-verify": True} | (cluster or {})
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "cluster", "cluster": server}],
        "users": [{"name": "me", "user": user}, {"name": "other", "user": {"token": "other"}}],
        "contexts": [
            {"name": "here", "context": {"cluster": "cluster", "user": "me", **context}},
            {"name": "there", "context": {"cluster": "cluster", "user": "other", "namespace": "there"}},
        ],
    }
    file.write_text(json.dumps(config), encoding="utf-8")
    return file


LATER, EARLIER = "2999-01-01T00:00:00Z", "2001-01-01T00:00:00Z"


def plug_in(directory: Path, status: str) -> Json:
    """A user whose token a program makes: with each run another one, $n in *status*."""
    program, runs = directory / "plug-in", directory / "runs"
    answer = f'{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{status}}}'
    program.write_text(
        f"""#!/bin/sh
[ -e {directory}/broken ] && {{ echo {SECRET}; echo out of order >&2; exit 3; }}
echo run >> {runs}
n=$(grep -c run {runs})
cat << END
{answer}
END
""",
        encoding="utf-8",
    )
    program.chmod(0o700)
    exec_ = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "interactiveMode": "Never"}
    return {"exec": exec_}
