"""Who we are and where the API server is, kept fresh.

The loader runs again each minute and after a 401, so that a rotated token, a rotated CA and an expired exec plug-in
token are all one case. A reading that fails (an empty token file while the kubelet writes it, a plug-in that dies)
keeps the previous credentials. A token is never logged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from sidecar.errors import SettingsError
from sidecar.sources.kubernetes.loaders import UNREADABLE, Configuration
from sidecar.sources.kubernetes.tls import Tls

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from sidecar.observability.metrics import Metrics
    from sidecar.sources.kubernetes.loaders import Loader

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 60.0
"""client-go's period (transport/token_source.go); the kubelet rotates a token long before it expires."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCredentials:
    """What a request needs."""

    host: str
    headers: Mapping[str, str] = field(repr=False)
    tls: ssl.SSLContext | bool
    server_name: str | None
    proxy: str | None
    namespace: str


class Credentials:
    """Credentials that are never older than a minute.

    Args:
        load: reads everything anew.
        clock: monotonic seconds.
        metrics: counts the readings.
    """

    def __init__(self, load: Loader, clock: Callable[[], float], metrics: Metrics) -> None:
        self._load = load
        self._clock = clock
        self._metrics = metrics
        self._tls = Tls(metrics)
        self._current: SessionCredentials | None = None
        self._read_at = float("-inf")
        self._afresh = False

    @property
    def host(self) -> str:
        """The API server's address, empty before the first reading."""
        return self._current.host if self._current else ""

    def invalidate(self) -> None:
        """Read anew before the next request, and run plug-ins again: the server answered 401."""
        self._read_at = float("-inf")
        self._afresh = True

    async def current(self) -> SessionCredentials:
        """The credentials for a request that is made now.

        Raises:
            SettingsError: if they cannot be read and never could.
        """
        if self._current is None or self._clock() - self._read_at >= REFRESH_SECONDS:
            try:
                self._current = await self._read()
                self._metrics.token_reloads.labels("ok").inc()
                self._afresh = False
            except UNREADABLE as error:
                self._metrics.token_reloads.labels("error").inc()
                why = _without_secrets(error)
                if self._current is None:
                    raise SettingsError([f"The credentials for the API server cannot be read: {why}."]) from error
                log.warning("credentials kept", reason="they could not be read again", error=why)
            self._read_at = self._clock()
        return self._current

    async def _read(self) -> SessionCredentials:
        configuration = Configuration()
        namespace = await self._load(configuration, afresh=self._afresh)
        token = configuration.api_key.get("BearerToken", "").strip()
        if token in {"Bearer", "Basic"}:
            raise ValueError("the token is empty")
        if not token and self._current and self._current.headers:  # for a kubeconfig, an empty tokenFile is no token
            raise ValueError("there is no token any more")
        return SessionCredentials(
            host=configuration.host.rstrip("/"),
            headers={"Authorization": token} if token else {},
            tls=self._tls.context(configuration) if configuration.host.startswith("https:") else True,
            server_name=configuration.tls_server_name,
            proxy=configuration.proxy,
            namespace=namespace,
        )


def _without_secrets(error: Exception) -> str:
    """What went wrong, without the part of the kubeconfig that kubernetes-asyncio prints as a dictionary."""
    words = str(error).rstrip(".") or type(error).__name__
    return words.partition("{")[0]
