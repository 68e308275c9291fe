"""The TLS context of new connections, kept as long as its files stay the same."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from sidecar.observability.metrics import Metrics
    from sidecar.sources.kubernetes.loaders import Configuration

log = structlog.get_logger(__name__)


class Tls:
    """The newest context that could be made.

    Args:
        metrics: counts the changes.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._context: ssl.SSLContext | None = None
        self._digest = ""

    def context(self, configuration: Configuration) -> ssl.SSLContext:
        """The context for *configuration*: the previous one, unless the files changed and the new ones can be used.

        Raises:
            OSError: if a file cannot be read.
            ValueError: if the files cannot be used, and there is no previous context.
        """
        files = [configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file]
        digest = _digest(files, verify=configuration.verify_ssl)
        if self._context and digest == self._digest:
            return self._context
        try:
            context = _make_context(configuration)
        except (ssl.SSLError, OSError) as error:
            self._metrics.ca_reloads.labels("error").inc()
            if self._context is None:
                raise ValueError(f"the TLS files {files} cannot be used: {error}") from error
            log.warning("TLS material kept", reason="the new one cannot be used", error=str(error))
            return self._context
        self._metrics.ca_reloads.labels("ok").inc()
        self._context, self._digest = context, digest
        return context


def _digest(files: list[str | None], *, verify: bool) -> str:
    digest = hashlib.sha256(repr((verify, files)).encode())
    for file in filter(None, files):
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()


def _make_context(configuration: Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
