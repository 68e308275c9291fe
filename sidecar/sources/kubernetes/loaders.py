"""Where credentials come from: what the kubelet mounts into a pod, or a kubeconfig.

The only module that knows kubernetes-asyncio, whose loaders fill a ``Configuration``.
"""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import msgspec
from kubernetes_asyncio.config import incluster_config, kube_config, load_incluster_config
from kubernetes_asyncio.config.exec_provider import ExecProvider

from sidecar.sources.kubernetes.exec_plugins import run_plugin

SERVICE_ACCOUNT = Path(incluster_config.SERVICE_TOKEN_FILENAME).parent
"""Where the kubelet mounts token, CA and namespace."""

EXPIRY_MARGIN = timedelta(minutes=5)
"""A plug-in runs again so long before its token expires (kubernetes-asyncio's ``EXPIRY_SKEW_PREVENTION_DELAY``)."""


class Configuration(msgspec.Struct, kw_only=True):
    """What the loaders fill: these fields of kubernetes-asyncio's own class, whose module costs 1.4 MiB."""

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
            configuration: what to fill. Nothing in it can be trusted to have the type that it should have.
            afresh: do not even trust what is still valid by its own account.

        Raises:
            Exception: of any kind; kubernetes-asyncio is not particular about it.
        """


def in_cluster(service_account: Path = SERVICE_ACCOUNT) -> Loader:
    """Load what the kubelet mounts into every pod."""

    async def load(configuration: Configuration, *, afresh: bool) -> str:  # noqa: ARG001 - it always reads everything
        load_incluster_config(  # type: ignore[no-untyped-call]
            client_configuration=configuration,
            try_refresh_token=False,
            token_filename=str(service_account / "token"),
            cert_filename=str(service_account / "ca.crt"),
        )
        namespace = service_account / "namespace"
        return namespace.read_text(encoding="utf-8").strip() if namespace.is_file() else ""

    return load


def kubeconfig(path: Path | None, context: str | None) -> Loader:
    """Load a kubeconfig file, including its exec plug-ins and token files.

    Args:
        path: the file; None for the default places.
        context: its context; None for the current one.
    """
    loader: _KubeconfigLoader | None = None

    async def load(configuration: Configuration, *, afresh: bool) -> str:
        nonlocal loader
        # Usually the same loader, because it knows until when the token of a plug-in is valid.
        current = loader if loader and not afresh else _KubeconfigLoader(path, context)
        await current.load_and_set(configuration)
        loader = current
        return str((current.current_context or {})["context"].get("namespace") or "")

    return load


class _KubeconfigLoader(kube_config.KubeConfigLoader):
    """kubernetes-asyncio's loader, except for how it runs an exec plug-in."""

    def __init__(self, path: Path | None, context: str | None) -> None:
        super().__init__(config_dict=_read(path), config_base_path=None, active_context=context)
        self._valid_until: datetime | None = None

    async def load_from_exec_plugin(self) -> bool:
        """Run the plug-in, unless its last answer is still valid, and make the answer part of the user's entry.

        Returns:
            False, so that the entry is then read like any other.
        """
        user: Any = self._user
        if self._valid_until is None or datetime.now(UTC) + EXPIRY_MARGIN >= self._valid_until:
            plugin = ExecProvider(user["exec"])
            status = await run_plugin(plugin.args, plugin.env, str(plugin.api_version))
            self._valid_until = _expiry(status)
            user.value.update(_entry(status))
            vars(self).pop("cert_file", None)  # or it would keep the certificate of the last answer
        return False


def _entry(status: dict[str, Any]) -> dict[str, str]:
    """What a plug-in answered, as it stands in a kubeconfig."""
    entry = {"token": str(status.get("token") or "")}
    if status.get("clientCertificateData") and status.get("clientKeyData"):
        for key, field in (("certificate", "clientCertificateData"), ("key", "clientKeyData")):
            entry[f"client-{key}-data"] = base64.b64encode(str(status[field]).encode()).decode()
    elif not entry["token"]:
        raise ValueError("exec: the plug-in printed neither a token nor a client certificate with its key")
    return entry


def _expiry(status: dict[str, Any]) -> datetime | None:
    """Until when a plug-in's answer is valid; None if it does not say."""
    if not status.get("expirationTimestamp"):
        return None
    moment = datetime.fromisoformat(status["expirationTimestamp"])
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _read(path: Path | None) -> Any:  # noqa: ANN401 - kubernetes-asyncio has no types
    """The kubeconfig, merged of all its files."""
    places = [path] if path else [Path(place) for place in kube_config.KUBE_CONFIG_DEFAULT_LOCATION.split(os.pathsep)]
    if not any(place.expanduser().exists() for place in places):  # the library would only say which entry is missing
        raise ValueError(f"there is no kubeconfig at {' or '.join(map(str, places))}")
    import yaml  # noqa: PLC0415 - 0.8 MB that a pod does not need

    try:
        return kube_config.KubeConfigMerger(os.pathsep.join(map(str, places))).config
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
