"""The log: one JSON object per line on stdout, written without ever blocking the event loop.

When nobody reads stdout, a write to it blocks; on the event loop that would stop the watch (measured: 1.5 s for a pipe
that was blocked for 1.5 s). So a line is written directly only into a pipe that has room for it. From the first line on
for which that is not certain, lines go into a bounded queue and a thread writes them; lines that do not fit are dropped
and counted. Records of the standard library's logging (asyncio, aiohttp) are written in the same way.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import select
import stat
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO, cast

import msgspec
import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

CAPACITY = 10_000
"""Lines in the queue; at most about 3 MB."""

FLUSH_SECONDS = 0.3
"""How long the end of the program waits for the queued lines to be written."""

LEVELS = ("debug", "info", "warning", "error")


class Writer:
    """A file that accepts lines without blocking.

    Args:
        out: where the lines are written.
        dropped: called for each line that is lost.
    """

    def __init__(self, out: TextIO, dropped: Callable[[], None]) -> None:
        self._out = out
        self._dropped = dropped
        self._descriptor = _descriptor(out)
        self._room = select.poll()
        if self._descriptor is not None:
            self._room.register(self._descriptor, select.POLLOUT)
        self._is_pipe = self._descriptor is not None and stat.S_ISFIFO(os.fstat(self._descriptor).st_mode)
        self._lines: queue.Queue[bytes | None] = queue.Queue(CAPACITY)
        self._thread: threading.Thread | None = None
        self._given_up = False

    def write(self, line: str) -> None:
        """Accept a line, or a piece of one."""
        body = line.encode(errors="backslashreplace")
        if self._thread is None and self._write_now(body):
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_queued, name="log", daemon=True)
            self._thread.start()
        try:
            self._lines.put_nowait(body)
        except queue.Full:
            self._dropped()

    def flush(self) -> None:
        """Do nothing: a line has been written, or the thread will write it."""

    def close(self) -> None:
        """Write what is queued, as far as stdout is read in time."""
        if self._thread is None:
            return
        with suppress(queue.Full):
            self._lines.put_nowait(None)
            self._thread.join(FLUSH_SECONDS)
        self._given_up = True

    def _write_now(self, line: bytes) -> bool:
        """Write *line* if that cannot block: a writable pipe has room for PIPE_BUF bytes (pipe(7))."""
        if self._descriptor is None or not self._is_pipe or len(line) > select.PIPE_BUF or not self._room.poll(0):
            return False
        try:
            os.write(self._descriptor, line)
        except BlockingIOError:  # another process has filled it meanwhile
            return False
        except OSError:
            self._dropped()
        return True

    def _write_queued(self) -> None:
        """Write lines until the end. A line that cannot be written is lost, and the next one is tried."""
        while not self._given_up and (line := self._lines.get()) is not None:
            try:
                self._write_whole(line)
            except (OSError, ValueError):  # the reader is gone, the disk is full, the file is closed
                self._dropped()

    def _write_whole(self, line: bytes) -> None:
        if self._descriptor is None:
            self._out.write(line.decode())
            return
        while line:
            try:
                line = line[os.write(self._descriptor, line) :]
            except BlockingIOError:  # stdout is non-blocking: a terminal or a pipe that another process made so
                self._room.poll()


class StandardLogs(logging.Handler):
    """Passes the records of the standard library's logging to structlog, whose own handler would take 0.2 MB."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record as one of ours, with one of the usual levels. Whatever is wrong with it is not raised."""
        level = min(max(record.levelno // 10, 1), 5) * 10
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - formatting runs code of the arguments
            message = f"{record.msg} (its arguments do not fit)"
        structlog.get_logger().log(level, message, exc_info=record.exc_info)


def _json(line: object, default: Callable[[object], object]) -> str:
    """*line* as JSON: by msgspec, which is faster, or by the standard library, which accepts any text."""
    try:
        return msgspec.json.encode(line, enc_hook=default).decode()
    except UnicodeEncodeError:  # the name of a file that is not UTF-8
        return json.dumps(line, default=default)


def _descriptor(out: TextIO) -> int | None:
    """The file descriptor of *out*, if it has one."""
    with suppress(OSError):
        return out.fileno()
    return None


def configure(level: str, form: str, *, dropped: Callable[[], None], out: TextIO | None = None) -> Writer:
    """Send all log lines of the process through a ``Writer``.

    Args:
        level: the lowest of ``LEVELS`` that is written.
        form: ``json`` or ``console``.
        dropped: called for each line that is lost.
        out: where the lines are written, stdout by default.

    Returns:
        The writer, to be closed at the end.
    """
    writer = Writer(out or sys.stdout, dropped)
    render: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
        if form == "console"
        else structlog.processors.JSONRenderer(_json)
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", writer)),  # it only writes and flushes
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[StandardLogs()], force=True)
    return writer
