"""Translates what aiohttp, the socket and the API server report as a failure into ``SourceError``.

What an operator then reads is written in ``explanations``.
"""

from __future__ import annotations

import asyncio
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
    except aiohttp.ClientConnectorCertificateError as error:
        raise _tls_error(host, error.certificate_error) from error
    except (aiohttp.ClientSSLError, ssl.SSLError) as error:
        raise _tls_error(host, error) from error
    except TimeoutError as error:
        raise _error(explanations.no_answer(host)) from error
    except (aiohttp.ClientConnectorError, ConnectionRefusedError) as error:
        raise SourceError("refused", f"{host} cannot be reached: {error}.") from error
    except (aiohttp.ClientError, OSError) as error:
        raise SourceError(
            "connection", f"The connection to {host} broke: {str(error) or type(error).__name__}."
        ) from error
    except ValueError as error:  # a header that HTTP forbids, a line that is no chunk
        raise SourceError("malformed", f"{host} or the credentials for it are malformed: {error}.") from error


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
    return _error(explanations.tls(host, str(error), getattr(error, "verify_code", 0)))


def _error(explanation: explanations.Explanation, retry_after: float = 0.0) -> SourceError:
    return SourceError(explanation.reason, explanation.message, retry_after)
