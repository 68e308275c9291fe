"""Runs an exec plug-in of a kubeconfig (client.authentication.k8s.io), which prints a token or a client certificate.

kubernetes-asyncio's own runner waits for ever and leaves the process behind. Here it has a limit, after which it is
killed with all that it has started. Its output goes to memory and not through pipes: those stay open for as long as
anything that it has started lives, and until then asyncio would wait for a process that has ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PLUGIN_SECONDS = 30.0
"""How long a plug-in may take: it may call a cloud's API, but nobody can answer a prompt."""

POLL_SECONDS = 0.02
"""Between two looks at whether it has ended."""

KILLED_SECONDS = 1.0
"""How long a killed process is waited for: one that is stuck in the kernel does not end."""

LONGEST_OUTPUT = 2**20
"""Bytes that are read; an ExecCredential has some thousand."""


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
    environ = {**environ, "KUBERNETES_EXEC_INFO": json.dumps(request)}
    with _memory() as output, _memory() as errors:
        code = await _run(command, environ, output.fileno(), errors.fileno(), seconds)
        printed, complaint = (os.pread(file.fileno(), LONGEST_OUTPUT, 0).strip() for file in (output, errors))
    if code:
        raise ValueError(f"exec: process returned {code}. {complaint.decode(errors='replace')}".rstrip(". "))
    return _status(printed, api_version)


def _memory() -> Any:  # noqa: ANN401 - an open file
    return os.fdopen(os.memfd_create("exec-plugin"), "rb")


async def _run(command: Sequence[str], environ: Mapping[str, str], output: int, errors: int, seconds: float) -> int:
    """Run *command* to its end, and return its exit code."""
    process = subprocess.Popen(  # noqa: ASYNC220, S603 - starting it takes a millisecond; the kubeconfig is trusted
        command, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, start_new_session=True
    )
    try:
        async with asyncio.timeout(seconds):
            while process.poll() is None:  # noqa: ASYNC110 - a process has no event
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError as error:
        raise ValueError(f"exec: {command[0]} did not finish within {seconds:g} s") from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                process.wait(KILLED_SECONDS)
    return int(process.returncode)


def _status(printed: bytes, api_version: str) -> dict[str, Any]:
    try:
        answer = json.loads(printed)
        version, status = answer["apiVersion"], dict(answer["status"])
    except (ValueError, TypeError, KeyError):  # without its words, for they may quote a token
        raise ValueError("exec: what the plug-in printed is not an ExecCredential with a status") from None
    if version != api_version:
        raise ValueError(f"exec: the plug-in printed an ExecCredential of {version}, not of {api_version}")
    return status
