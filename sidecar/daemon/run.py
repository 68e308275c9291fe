"""Runs a daemon as a program: log, signals, exit code."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from typing import TYPE_CHECKING, NoReturn

import structlog

from sidecar import __version__
from sidecar.daemon.daemon import Daemon
from sidecar.errors import SidecarError
from sidecar.observability import log

if TYPE_CHECKING:
    from sidecar.output.file import System
    from sidecar.settings.values import Settings

logger = structlog.get_logger(__name__)


def run(settings: Settings, *, once: bool = False, system: System = os) -> int:
    """Run until it is over, and return the exit code.

    SIGTERM and SIGINT end it in good order, a second one at once. That is success for a daemon; ``once``, which other
    containers wait for, has not succeeded before its files are published: then it is 128 and the signal's number.

    Args:
        settings: what to do.
        once: whether to end when the files are published.
        system: ``os``, for the publisher.

    Raises:
        SidecarError: if there is no use in going on.
    """
    gc.disable()  # looking for garbage again and again while everything is imported takes 10 ms of the start
    daemon = Daemon(settings, os.environ, once=once, system=system)
    writer = log.configure(settings.log_level, settings.log_format, dropped=daemon.metrics.log_dropped.inc)
    try:
        told = asyncio.run(_until_told(daemon))
    except SidecarError as error:
        if daemon.is_writing():
            logger.error("fatal", reason=str(error))  # noqa: TRY400 - a message for operators, not a traceback
            _leave_at_once(writer, 1)
        raise
    else:
        code = 128 + told if told and once and not daemon.published else 0
        if daemon.is_writing():
            _leave_at_once(writer, code)
        return code
    finally:
        writer.close()
        gc.enable()


def _leave_at_once(writer: log.Writer, code: int) -> NoReturn:
    """End the process although a write hangs: the interpreter would wait for its thread."""
    writer.close()
    os._exit(code)


async def _until_told(daemon: Daemon) -> int:
    """Run *daemon*; return the number of the signal that ended it, 0 if none did."""
    loop = asyncio.get_running_loop()
    work = loop.create_task(daemon.run(), name="daemon")
    told: list[int] = []

    def stop(number: int) -> None:
        if told:
            os._exit(128 + number)
        told.append(number)
        logger.info("stopping", signal=signal.Signals(number).name)
        work.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    logger.info("starting", version=__version__, **daemon.summary)
    try:
        await work
    except asyncio.CancelledError:
        if not told:
            raise
    return told[0] if told else 0
