"""Who we are and where the API server is, kept fresh.

The loader runs again each minute and after a 401, so that a rotated token, a rotated CA and an expired exec plug-in
token are all one case. A reading that fails (an empty token file while the kubelet writes it, a plug-in that dies or
hangs) keeps the previous credentials. A token is never logged.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import structlog

from sidecar.errors import SettingsError
from sidecar.sources.kubernetes.failures import cause
from sidecar.sources.kubernetes.loaders import Configuration
from sidecar.sources.kubernetes.tls import Tls

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from sidecar.observability.metrics import Metrics
    from sidecar.sources.kubernetes.loaders import Loader

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 60.0
"""client-go's period (transport/token_source.go); the kubelet rotates a token long before it expires."""

READING_SECONDS = 45.0
"""For one reading: an exec plug-in may take 30 s, an OIDC issuer has what is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCredentials:
    """What a request needs."""

    host: str
    headers: Mapping[str, str] = field(repr=False)
    tls: ssl.SSLContext | bool
    server_name: str | None
    proxy: str | None
    namespace: str


class UnreadableError(Exception):
    """The credentials are not what they should be; says why, without secrets."""


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
        self._reading = asyncio.Lock()
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
        """The credentials for a request that is made now. Whoever asks while they are read waits for that reading.

        Raises:
            SettingsError: if they cannot be read and never could.
        """
        async with self._reading:
            if self._current is None or self._clock() - self._read_at >= REFRESH_SECONDS:
                self._current = await self._read_again()
            return self._current

    async def _read_again(self) -> SessionCredentials:
        # What is noted here is noted before the reading, for it may be invalidated while it goes on.
        afresh, self._afresh = self._afresh, False
        self._read_at = self._clock()
        try:
            credentials = await self._read(afresh=afresh)
        except UnreadableError as error:
            self._afresh |= afresh
            self._metrics.token_reloads.labels("error").inc()
            if self._current is None:
                raise SettingsError([f"The credentials for the API server cannot be read: {error}."]) from error
            log.warning("credentials kept", reason="they could not be read again", error=str(error))
            return self._current
        self._metrics.token_reloads.labels("ok").inc()
        return credentials

    async def _read(self, *, afresh: bool) -> SessionCredentials:
        configuration = Configuration()
        try:
            async with asyncio.timeout(READING_SECONDS):
                namespace = await self._load(configuration, afresh=afresh)
            return self._checked(configuration, namespace)
        except TimeoutError as error:
            raise UnreadableError(f"reading them took longer than {READING_SECONDS:g} s") from error
        except Exception as error:  # a kubeconfig may be wrong in any way, see Loader
            raise UnreadableError(_without_secrets(error)) from error

    def _checked(self, configuration: Configuration, namespace: str) -> SessionCredentials:
        token = configuration.api_key.get("BearerToken", "").strip()
        if token in {"Bearer", "Basic"}:
            raise ValueError("the token is empty")
        if not token and self._current and self._current.headers:  # for a kubeconfig, an empty tokenFile is no token
            raise ValueError("there is no token any more")
        host, proxy, server_name = configuration.host, configuration.proxy, configuration.tls_server_name
        check_url("server", host)
        if proxy:
            check_url("proxy-url", proxy)
        if server_name and not isinstance(server_name, str):
            raise ValueError("tls-server-name is not a name")
        return SessionCredentials(
            host=host.rstrip("/"),
            headers={"Authorization": token} if token else {},
            tls=self._tls.context(configuration) if host.startswith("https:") else True,
            server_name=server_name or None,
            proxy=proxy or None,
            namespace=namespace,
        )


def check_url(name: str, url: object) -> None:
    """Refuse what is not the URL of an HTTP server or proxy. The message does not quote it, for it may hold a password.

    Raises:
        ValueError: says what is wrong with the entry *name*.
    """
    try:
        parts = urlsplit(str(url))
        usable = parts.hostname is not None and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        usable = False
        parts = urlsplit("")
    if parts.scheme and parts.scheme not in {"http", "https"}:
        raise ValueError(f"{name} has the scheme {parts.scheme!r}; only http and https are supported")
    if not (usable and parts.scheme):
        raise ValueError(f"{name} is not a URL such as https://10.0.0.1:6443")


def _without_secrets(error: Exception) -> str:
    """What went wrong, without the part of the kubeconfig that kubernetes-asyncio prints as a dictionary."""
    if isinstance(error, aiohttp.ClientConnectorError):  # an OIDC issuer that is away
        return f"{error.host} cannot be reached: {cause(error)}"
    if isinstance(error, aiohttp.ClientError):
        return f"a request failed: {cause(error)}"
    return str(error).rstrip(".").partition("{")[0] or type(error).__name__
