"""Runs an exec plug-in of a kubeconfig (client.authentication.k8s.io), which prints a token or a client certificate.

kubernetes-asyncio's own runner waits for ever and leaves the process behind. Here it has a limit, and whatever it has
started is killed with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PLUGIN_SECONDS = 30.0
"""How long a plug-in may take: it may ask a cloud's API, but nobody can answer a prompt."""


async def run_plugin(
    command: Sequence[str], environ: Mapping[str, str], api_version: str, seconds: float = PLUGIN_SECONDS
) -> dict[str, Any]:
    """The ``status`` that a plug-in prints.

    Args:
        command: the program and its arguments.
        environ: its environment.
        api_version: that of the ExecCredential that it is to print.
        seconds: how long it may take.

    Raises:
        OSError: if it cannot be started.
        ValueError: if it fails, takes too long, or prints something else.
    """
    request = {"apiVersion": api_version, "kind": "ExecCredential", "spec": {"interactive": False}}
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**environ, "KUBERNETES_EXEC_INFO": json.dumps(request)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            printed, complaints = await process.communicate()
    except TimeoutError as error:
        raise ValueError(f"exec: {command[0]} did not finish within {seconds:g} s") from error
    finally:
        await _end(process)
    if process.returncode:
        complaint = complaints.strip().decode(errors="replace")
        raise ValueError(f"exec: process returned {process.returncode}" + (f". {complaint}" if complaint else ""))
    return _status(printed, api_version)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the process, and all that it has started, if it has not ended by itself."""
    if process.returncode is None or not process.stdout or not process.stdout.at_eof():
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _status(printed: bytes, api_version: str) -> dict[str, Any]:
    try:
        answer = json.loads(printed)
        version, status = answer["apiVersion"], dict(answer["status"])
    except (ValueError, TypeError, KeyError):  # without its words, for they may quote a token
        raise ValueError("exec: what the plug-in printed is not an ExecCredential with a status") from None
    if version != api_version:
        raise ValueError(f"exec: the plug-in printed an ExecCredential of {version}, not of {api_version}")
    return status
