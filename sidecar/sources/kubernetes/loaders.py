"""Where credentials come from: what the kubelet mounts into a pod, or a kubeconfig.

The only module that knows kubernetes-asyncio, whose loaders fill a ``Configuration``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import msgspec
from kubernetes_asyncio.config import (
    ConfigException,
    incluster_config,
    kube_config,
    load_incluster_config,
    load_kube_config,
)

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
            configuration: what to fill.
            afresh: do not even trust what is still valid by its own account.
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
    loader: Any = None

    async def load(configuration: Configuration, *, afresh: bool) -> str:
        nonlocal loader
        if loader is None or afresh:
            _expect_file(path)
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
            # The same loader, because it knows until when an exec plug-in's token is valid.
            await loader.load_and_set(configuration)
        return str(loader.current_context["context"].get("namespace", ""))

    return load


def _expect_file(path: Path | None) -> None:
    """Say which kubeconfig is missing; the loader would only say which of its entries are."""
    places = [path] if path else [Path(place) for place in kube_config.KUBE_CONFIG_DEFAULT_LOCATION.split(os.pathsep)]
    if not any(place.expanduser().exists() for place in places):
        raise ConfigException(f"there is no kubeconfig at {' or '.join(map(str, places))}")
