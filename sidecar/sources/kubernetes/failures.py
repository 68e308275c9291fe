"""Translates what aiohttp, the socket and the API server report as a failure into ``SourceError``.

What an operator then reads is written in ``explanations``.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import aiohttp

from sidecar.errors import SourceError
from sidecar.sources.kubernetes import explanations
from sidecar.sources.kubernetes.responses import decode_status

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_EXPLANATION = 2**16
"""Bytes that are read of an error's body; a Status has a few hundred."""


@contextmanager
def translated(host: str) -> Iterator[None]:
    """Turn what aiohttp and the socket raise into ``SourceError``."""
    try:
        yield
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError) as error:
        raise _tls_error(host, error) from error
    except TimeoutError as error:
        raise _error(explanations.no_answer(host)) from error
    except aiohttp.ClientProxyConnectionError as error:
        raise SourceError("refused", f"The proxy for {host} cannot be reached: {cause(error)}.") from error
    except (aiohttp.ClientConnectorError, ConnectionRefusedError) as error:
        raise SourceError("refused", f"{host} cannot be reached: {cause(error)}.") from error
    except (aiohttp.ClientError, OSError) as error:
        raise SourceError("connection", f"The connection to {host} broke: {cause(error)}.") from error
    except ValueError as error:  # a header that HTTP forbids, a line that is no chunk
        message = f"The token or the address of {host} has a character that HTTP forbids, or its response is malformed."
        raise SourceError("malformed", message) from error


def cause(error: Exception) -> str:  # noqa: PLR0911 - a table by type
    """What happened, for an operator: aiohttp's own texts show objects and URLs."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return cause(error.certificate_error)
        case aiohttp.ClientConnectorError():
            return cause(error.os_error)
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answered {error.status} {error.message}".rstrip()
        case aiohttp.ClientError() if text := next((text for kind, text in _TEXTS if isinstance(error, kind)), ""):
            return text
        case ssl.SSLError() | ssl.CertificateError():
            return _PLACES.sub("", str(error))
        case OSError(errno=int(number)) if not isinstance(error, socket.gaierror):
            return os.strerror(number)
        case OSError():
            return error.strerror or "no connection could be made"
        case _:
            return str(error) or type(error).__name__


_TEXTS = (
    (aiohttp.ClientPayloadError, "it ended in the middle of a response"),
    (aiohttp.ServerDisconnectedError, "it was closed before a response"),
    (aiohttp.ClientConnectionResetError, "it was closed"),
    (aiohttp.ClientResponseError, "what came is not HTTP"),
    (aiohttp.InvalidURL, "its address is not a URL"),
)
"""What happened, by the type of the error."""

_PLACES = re.compile(r"^\[[^\]]*\] *| *\(_ssl\.c:\d+\)$")
"""OpenSSL's ``[SSL: WRONG_VERSION_NUMBER]`` in front, and Python's ``(_ssl.c:1006)`` behind."""


async def refusal(verb: str, path: str, response: aiohttp.ClientResponse, seconds: float) -> SourceError:
    """The error for a response whose status is one.

    Args:
        verb: of the request, as RBAC names it.
        path: of the request.
        response: the response, of which only the head has been read.
        seconds: how long to wait for its body.
    """
    body = await _explanation(response, seconds)
    status = decode_status(body)
    said = (status.message or body[:200].decode(errors="replace").strip().partition("\n")[0]).rstrip(".")
    after = response.headers.get("Retry-After", "")
    retry_after = float(after) if after.isdecimal() else 0.0
    if status.details:
        retry_after = max(retry_after, status.details.retry_after_seconds)
        if any(cause.reason == "ResourceVersionTooLarge" for cause in status.details.causes or ()):
            return _error(explanations.behind(said), retry_after)
    return _error(explanations.refusal(response.status, verb, path, said), retry_after)


async def _explanation(response: aiohttp.ClientResponse, seconds: float) -> bytes:
    """The body of an error, however many pieces it comes in; what has arrived of it, if it breaks off or stalls."""
    body = b""
    with suppress(SourceError), translated(str(response.url.host)):
        async with asyncio.timeout(seconds):
            while len(body) < LONGEST_EXPLANATION and (piece := await response.content.readany()):
                body += piece
    return body


def _tls_error(host: str, error: Exception) -> SourceError:
    reason = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    said = cause(reason).rstrip(".")
    return _error(explanations.tls(host, said, getattr(reason, "reason", "") or "", getattr(reason, "verify_code", 0)))


def _error(explanation: explanations.Explanation, retry_after: float = 0.0) -> SourceError:
    return SourceError(explanation.reason, explanation.message, retry_after)
