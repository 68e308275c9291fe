"""Log lines: one JSON object a line on stdout, and never a reason to wait.

A stdout that nobody reads blocks the writer; on the event loop that would stop the watch (measured: 1.5 s for a pipe
blocked for 1.5 s). So a line is written at once only into a pipe that has room for it. From the first one on for which
that cannot be said, lines go into a bounded queue and one thread writes them; what does not fit is counted and dropped.
Lines of the standard library's logging (asyncio, aiohttp) take the same way.
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
"""Lines; about 3 MB at most."""

FLUSH_SECONDS = 0.3
"""How long the end of the program waits for the rest to be written."""

LEVELS = ("debug", "info", "warning", "error")


class Writer:
    """A file that takes lines without waiting.

    Args:
        out: where the lines go.
        dropped: called for each line that does not fit.
    """

    def __init__(self, out: TextIO, dropped: Callable[[], None]) -> None:
        self._out = out
        self._dropped = dropped
        self._pipe = _pipe(out)
        self._room = select.poll()
        if self._pipe is not None:
            self._room.register(self._pipe, select.POLLOUT)
        self._lines: queue.Queue[str | None] = queue.Queue(CAPACITY)
        self._thread: threading.Thread | None = None

    def write(self, line: str) -> None:
        """Take a line (or a piece of one)."""
        body = line.encode(errors="backslashreplace")
        if self._thread is None and self._write_now(body):
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
            self._thread.start()
        try:
            self._lines.put_nowait(body.decode())
        except queue.Full:
            self._dropped()

    def flush(self) -> None:
        """Nothing: a line is written at once, or the thread flushes."""

    def close(self) -> None:
        """Write what is left, if it is read in time."""
        if self._thread is None:
            return
        try:
            self._lines.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(FLUSH_SECONDS)

    def _write_now(self, line: bytes) -> bool:
        """Write *line* if that cannot block: a pipe that is writable has room for PIPE_BUF bytes (pipe(7))."""
        if self._pipe is None or len(line) > select.PIPE_BUF or not self._room.poll(0):
            return False
        with suppress(OSError):
            os.write(self._pipe, line)
        return True

    def _write_all(self) -> None:
        with suppress(OSError, ValueError):  # the reader is gone; so is the use of saying so
            while (line := self._lines.get()) is not None:
                self._out.write(line)
                if self._lines.empty():
                    self._out.flush()
            self._out.flush()


class Relay(logging.Handler):
    """Gives the standard library's log records to structlog. Its own ProcessorFormatter would be 0.2 MB for that."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it like a line of ours, with one of the levels that everybody knows."""
        level = min(max(record.levelno // 10, 1), 5) * 10
        structlog.get_logger().log(level, record.getMessage(), exc_info=record.exc_info)


def _json(line: object, default: Callable[[object], object]) -> str:
    """*line* as JSON, by msgspec because it is quicker; the standard library takes every text in return."""
    try:
        return msgspec.json.encode(line, enc_hook=default).decode()
    except UnicodeEncodeError:  # the name of a file that is not UTF-8
        return json.dumps(line, default=default)


def _pipe(out: TextIO) -> int | None:
    """The pipe that *out* writes to, if it is one: a container's stdout is."""
    with suppress(OSError):
        number = out.fileno()
        return number if stat.S_ISFIFO(os.fstat(number).st_mode) else None
    return None


def configure(level: str, form: str, *, dropped: Callable[[], None], out: TextIO | None = None) -> Writer:
    """Send all log lines of the process through a ``Writer``.

    Args:
        level: the lowest of ``LEVELS`` that is written.
        form: ``json`` or ``console``.
        dropped: called for each line that is dropped.
        out: where to, stdout by default.

    Returns:
        The writer, to close at the end.
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
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[Relay()], force=True)
    return writer
