"""The command: one walkthrough in a temporary directory, until it ends or a signal stops it."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path

from sidecar.demo.walkthrough import Walkthrough


def main(listen: str, seconds: float) -> int:
    """Run the demo and return its exit code: 0 at its end or after a signal, 1 if the sidecar failed.

    Args:
        listen: where the sidecar serves its status.
        seconds: how long the demo takes.
    """
    return asyncio.run(_run_until_stopped(listen, seconds))


async def _run_until_stopped(listen: str, seconds: float) -> int:
    with tempfile.TemporaryDirectory(prefix="membership-demo-") as directory:
        walkthrough = asyncio.ensure_future(Walkthrough(listen, seconds, Path(directory)).run())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, walkthrough.cancel)
        try:
            return 1 if await walkthrough else 0
        except asyncio.CancelledError:
            return 0
