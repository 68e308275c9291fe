"""The log: one JSON object per line, written without ever blocking the event loop."""

from __future__ import annotations

import io
import json
import logging
import os
import select
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pytest
import structlog

from sidecar.observability.log import CAPACITY, FLUSH_SECONDS, Writer, configure

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    """Restore the logging configuration."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_lines_are_json_objects_with_time_and_level() -> None:
    """Also the records of the standard library's logging."""
    out = io.StringIO()
    writer = configure("info", "json", dropped=lambda: None, out=out)
    structlog.get_logger("x").info("published", members=3)
    structlog.get_logger("x").debug("too low")
    logging.getLogger("asyncio").log(logging.ERROR + 1, "task %s failed", "x")
    writer.close()
    ours, theirs = (json.loads(line) for line in out.getvalue().splitlines())
    assert (ours["event"], ours["members"], ours["level"]) == ("published", 3, "info")
    assert ours["time"].endswith("Z")
    assert (theirs["event"], theirs["level"]) == ("task x failed", "error")


def test_the_console_format_shows_any_text() -> None:
    """Even the name of a file that is not UTF-8."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as out, os.fdopen(reading) as reader:
        writer = configure("info", "console", dropped=lambda: None, out=out)
        structlog.get_logger("x").info("an event", value="\udc80")
        structlog.get_logger("x").info("x" * 10_000 + "\udc80")
        assert "udc80" in reader.readline()
        assert "udc80" in reader.readline()
        writer.close()


def test_any_text_can_be_logged() -> None:
    """A file name that is not UTF-8 is escaped, and a value that is not JSON is shown as in Python."""
    out = io.StringIO()
    writer = configure("info", "json", dropped=lambda: None, out=out)
    for value in ("\udc80", 1j, {"a": (1, None)}):
        structlog.get_logger("x").info("an event", value=value)
    writer.close()
    assert [json.loads(line)["value"] for line in out.getvalue().splitlines()] == ["\udc80", "1j", {"a": [1, None]}]


def test_an_exception_is_in_the_line() -> None:
    """For example one that asyncio reports because nothing caught it."""
    out = io.StringIO()
    writer = configure("info", "json", dropped=lambda: None, out=out)
    try:
        int("no number")
    except ValueError:
        logging.getLogger("asyncio").exception("task failed")
    writer.close()
    line = json.loads(out.getvalue())
    assert (line["event"], line["level"]) == ("task failed", "error")
    assert line["exception"].endswith("ValueError: invalid literal for int() with base 10: 'no number'")


def test_console_lines_are_readable_without_colours() -> None:
    """Because stdout may be a file."""
    out = io.StringIO()
    writer = configure("debug", "console", dropped=lambda: None, out=out)
    structlog.get_logger("x").info("published", members=3)
    writer.close()
    assert "published" in out.getvalue()
    assert "members=3" in out.getvalue()
    assert "\x1b" not in out.getvalue()


@contextmanager
def blocked_pipe(*, blocking: bool = True) -> Iterator[tuple[TextIO, int]]:
    """A pipe that has room for nothing more, and its end for reading; at the end, no log thread writes to it."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * select.PIPE_BUF)
    os.set_blocking(writing, blocking)
    pipe = os.fdopen(writing, "w")
    try:
        yield pipe, reading
    finally:
        os.close(reading)
        for thread in threading.enumerate():
            if thread.name == "log":
                thread.join(5)
                assert not thread.is_alive()
        pipe.close()


def test_when_nobody_reads_lines_are_dropped_and_counted_without_waiting() -> None:
    """A full pipe: the queue takes its number of lines, and all others are counted."""
    dropped: list[int] = []
    with blocked_pipe() as (pipe, _):
        writer = Writer(pipe, lambda: dropped.append(1))
        for _ in range(2 * CAPACITY):
            writer.write("x" * 100 + "\n")
        assert len(dropped) in (CAPACITY - 1, CAPACITY)  # the thread may have taken one
        writer.close()


def test_the_end_does_not_wait_for_a_blocked_reader() -> None:
    """Closing returns after a moment although the log thread is still blocked."""
    with blocked_pipe() as (pipe, _):
        writer = Writer(pipe, lambda: None)
        writer.write("a line\n")
        closing = threading.Thread(target=writer.close, daemon=True)
        closing.start()
        closing.join(20 * FLUSH_SECONDS)
        assert not closing.is_alive()
        assert [thread for thread in threading.enumerate() if thread.name == "log"]


def test_a_non_blocking_stdout_loses_no_line() -> None:
    """A full pipe is not an error: the thread waits until there is room, and goes on."""
    dropped: list[int] = []
    with blocked_pipe(blocking=False) as (pipe, reading):
        writer = Writer(pipe, lambda: dropped.append(1))
        lines = [f"{number} {'y' * 5_000}\n" for number in range(20)]
        for line in lines:
            writer.write(line)
        text = ""
        while not text.endswith(lines[-1]):
            text += os.read(reading, 65_536).decode()
        assert text.lstrip("x") == "".join(lines)
        assert dropped == []
        writer.close()


def test_after_a_failed_write_the_log_goes_on(tmp_path: Path) -> None:
    """A full disk costs the lines that do not fit, and they are counted."""
    dropped: list[int] = []
    with Path("/dev/full").open("w") as out, (tmp_path / "log").open("w") as file:
        writer = Writer(out, lambda: dropped.append(1))
        writer.write("lost\n")
        while not dropped:
            time.sleep(0.01)
        os.dup2(file.fileno(), out.fileno())  # there is room again
        writer.write("written\n")
        writer.close()
    assert (tmp_path / "log").read_text() == "written\n"
    assert dropped == [1]


def test_a_record_with_a_wrong_format_string_is_logged() -> None:
    """It is a mistake of whoever logs, but it must not raise into the code that does."""
    out = io.StringIO()
    writer = configure("info", "json", dropped=lambda: None, out=out)
    logging.getLogger("asyncio").error("task %s failed with %d", "x", "y")
    logging.getLogger("asyncio").error("100% of %(name)s", {})
    writer.close()
    assert [json.loads(line)["event"][:14] for line in out.getvalue().splitlines()] == [
        "task %s failed",
        "100% of %(name",
    ]


def test_lines_of_any_length_are_written_in_order() -> None:
    """Whether they were written directly or by the thread."""
    lines = [f"{number} {'x' * (length - 10)}\n" for number, length in enumerate([100, 100, 100_000, 5_000, 100, 100])]
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        writer = Writer(pipe, lambda: None)
        for line in lines[:2]:
            writer.write(line)
        assert os.read(reading, 1000).decode() == "".join(lines[:2])  # written directly, without a thread
        for line in lines[2:]:
            writer.write(line)
        with os.fdopen(reading) as reader:
            assert [reader.readline() for _ in lines[2:]] == lines[2:]
        writer.close()


@pytest.mark.parametrize("length", [10, 10_000])
def test_a_closed_reader_is_not_an_error(length: int) -> None:
    """The process goes on without its log."""
    reading, writing = os.pipe()
    os.close(reading)
    pipe = os.fdopen(writing, "w")
    writer = Writer(pipe, lambda: None)
    writer.write("x" * length + "\n")
    writer.close()
    with suppress(BrokenPipeError):
        pipe.close()
