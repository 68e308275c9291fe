"""The command: one walkthrough in a temporary directory, until it ends or a signal stops it."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

from sidecar.demo.walkthrough import Walkthrough


def main(listen: str, seconds: float) -> int:
    """Run the demo and return the exit code.

    Args:
        listen: where the sidecar serves its status.
        seconds: how long the demo takes.
    """
    asyncio.run(_run_until_stopped(listen, seconds))
    return 0


async def _run_until_stopped(listen: str, seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="membership-demo-") as directory:
        walkthrough = asyncio.ensure_future(Walkthrough(listen, seconds, Path(directory)).run())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, walkthrough.cancel)
        with suppress(asyncio.CancelledError):
            await walkthrough
