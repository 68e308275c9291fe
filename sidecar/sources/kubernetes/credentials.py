"""Who we are and where the API server is, as kubernetes-asyncio loads it, kept fresh.

The only module that knows kubernetes-asyncio. Its loaders are run again each minute and after a 401, into a new
``Configuration``: so a rotated token, a rotated CA and an expired exec plug-in token are all one case. A reading that
fails (an empty token file while the kubelet writes it, a plug-in that dies) keeps the old one. Never logs a token.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp
import msgspec
import structlog
from kubernetes_asyncio.config import (
    ConfigException,
    incluster_config,
    kube_config,
    load_incluster_config,
    load_kube_config,
)

from sidecar.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sidecar.observability.metrics import Metrics

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 60.0
"""client-go's period (transport/token_source.go); the kubelet rotates a token long before it expires."""

SERVICE_ACCOUNT = Path(incluster_config.SERVICE_TOKEN_FILENAME).parent
"""Where the kubelet mounts token, CA and namespace."""


UNREADABLE = (
    ConfigException,
    OSError,
    ValueError,
    KeyError,
    AssertionError,
    TypeError,  # a plug-in that answers {"status": null}, a kubeconfig that is one word
    AttributeError,
    RuntimeError,
    aiohttp.ClientError,  # an OIDC issuer that is away
)
"""What kubernetes-asyncio raises where the credentials are not what they should be."""


class Configuration(msgspec.Struct, kw_only=True):
    """What the loaders fill: these fields of kubernetes-asyncio's own, whose module costs 1.4 MiB."""

    host: str = ""
    ssl_ca_cert: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify_ssl: bool = True
    tls_server_name: str | None = None
    proxy: str | None = None
    api_key: dict[str, str] = {}


class Loader(Protocol):
    """Reads everything anew."""

    async def __call__(self, configuration: Configuration, *, afresh: bool) -> str:
        """Fill *configuration* and return the namespace that goes with it.

        Args:
            configuration: what to fill.
            afresh: do not even trust what is still good by its own account.
        """


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
    """A session that is never older than a minute.

    Args:
        load: reads everything anew.
        clock: monotonic seconds.
        metrics: counts the readings.
    """

    def __init__(self, load: Loader, clock: Callable[[], float], metrics: Metrics) -> None:
        self._load = load
        self._clock = clock
        self._metrics = metrics
        self._session_credentials: SessionCredentials | None = None
        self._read_at = float("-inf")
        self._afresh = False
        self._material = ""

    @property
    def host(self) -> str:
        """The API server's address, empty before the first reading."""
        return self._session_credentials.host if self._session_credentials else ""

    def invalidate(self) -> None:
        """Read anew before the next request, plug-ins included: the server answered 401."""
        self._read_at = float("-inf")
        self._afresh = True

    async def current(self) -> SessionCredentials:
        """The session for a request that is made now.

        Raises:
            SettingsError: if nothing could be read, and never was.
        """
        if self._session_credentials is None or self._clock() - self._read_at >= REFRESH_SECONDS:
            try:
                self._session_credentials = await self._read()
                self._metrics.token_reloads.labels("ok").inc()
                self._afresh = False
            except UNREADABLE as error:
                self._metrics.token_reloads.labels("error").inc()
                why = _without_secrets(error)
                if self._session_credentials is None:
                    raise SettingsError([f"The credentials for the API server cannot be read: {why}."]) from error
                log.warning("credentials kept", reason="they could not be read again", error=why)
            self._read_at = self._clock()
        return self._session_credentials

    async def _read(self) -> SessionCredentials:
        configuration = Configuration()
        namespace = await self._load(configuration, afresh=self._afresh)
        token = configuration.api_key.get("BearerToken", "").strip()
        if token in {"Bearer", "Basic"}:
            raise ValueError("the token is empty")
        if (
            not token and self._session_credentials and self._session_credentials.headers
        ):  # a kubeconfig's empty tokenFile is no token at all
            raise ValueError("there is no token any more")
        return SessionCredentials(
            host=configuration.host.rstrip("/"),
            headers={"Authorization": token} if token else {},
            tls=self._tls(configuration),
            server_name=configuration.tls_server_name,
            proxy=configuration.proxy,
            namespace=namespace,
        )

    def _tls(self, configuration: Configuration) -> ssl.SSLContext | bool:
        """The context for new connections: the old one unless the material changed and the new one is good."""
        if not configuration.host.startswith("https:"):
            return True
        files = [configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file]
        digest = hashlib.sha256(repr((configuration.verify_ssl, files)).encode())
        for file in filter(None, files):
            digest.update(Path(file).read_bytes())
        if self._session_credentials and digest.hexdigest() == self._material:
            return self._session_credentials.tls
        try:
            context = make_tls(configuration)
        except (ssl.SSLError, OSError) as error:
            self._metrics.ca_reloads.labels("error").inc()
            if self._session_credentials is None:
                raise ValueError(f"the TLS files {files} cannot be used: {error}") from error
            log.warning("TLS material kept", reason="the new one cannot be used", error=str(error))
            return self._session_credentials.tls
        self._metrics.ca_reloads.labels("ok").inc()
        self._material = digest.hexdigest()
        return context


def _without_secrets(error: Exception) -> str:
    """What went wrong, without the part of the kubeconfig that kubernetes-asyncio prints as a dictionary."""
    words = str(error).rstrip(".") or type(error).__name__
    return words.partition("{")[0]


def make_tls(configuration: Configuration) -> ssl.SSLContext:
    """The TLS context that *configuration* asks for."""
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def in_cluster(service_account: Path = SERVICE_ACCOUNT) -> Loader:
    """Load what the kubelet mounts into every pod."""

    async def load(configuration: Configuration, *, afresh: bool) -> str:  # noqa: ARG001 - it always reads all there is
        load_incluster_config(  # type: ignore[no-untyped-call]
            client_configuration=configuration,
            try_refresh_token=False,
            token_filename=str(service_account / "token"),
            cert_filename=str(service_account / "ca.crt"),
        )
        namespace = service_account / "namespace"
        return namespace.read_text(encoding="utf-8").strip() if namespace.is_file() else ""

    return load


def _expect(path: Path | None) -> None:
    """Say which kubeconfig is missing, for the loader only misses what should stand in it."""
    places = [path] if path else [Path(place) for place in kube_config.KUBE_CONFIG_DEFAULT_LOCATION.split(os.pathsep)]
    if not any(place.expanduser().exists() for place in places):
        raise ConfigException(f"there is no kubeconfig at {' or '.join(map(str, places))}")


def kubeconfig(path: Path | None, context: str | None) -> Loader:
    """Load a kubeconfig file, exec plug-ins and token files included."""
    loader: Any = None

    async def load(configuration: Configuration, *, afresh: bool) -> str:
        nonlocal loader
        if loader is None or afresh:
            _expect(path)
            # persist_config must be off: with it on, a refresh raises TypeError (KubeConfigMerger.save_changes).
            import yaml  # noqa: PLC0415 - 0.8 MB that a pod does not need

            try:
                loader = await load_kube_config(
                    config_file=str(path) if path else None,
                    context=context,
                    client_configuration=configuration,
                    persist_config=False,
                )
            except yaml.YAMLError as error:
                raise ConfigException(" ".join(str(error).split())) from error
        else:
            # The same loader, because it knows until when an exec plug-in's token is good.
            await loader.load_and_set(configuration)
        return str(loader.current_context["context"].get("namespace", ""))

    return load
