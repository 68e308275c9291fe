"""Log lines: JSON, one a line, and never a reason for the loop to wait."""

from __future__ import annotations

import io
import json
import logging
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import structlog

from sidecar.observability.log import CAPACITY, Writer, configure

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_lines_are_json_objects_with_time_and_level() -> None:
    """Those of the standard library's logging, too."""
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


def test_a_console_shows_any_text() -> None:
    """Also the name of a file that is not UTF-8."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as out, os.fdopen(reading) as reader:
        writer = configure("info", "console", dropped=lambda: None, out=out)
        structlog.get_logger("x").info("said", value="\udc80")
        structlog.get_logger("x").info("x" * 10_000 + "\udc80")
        assert "udc80" in reader.readline()
        assert "udc80" in reader.readline()
        writer.close()


def test_any_text_can_be_logged() -> None:
    """The name of a file need not be UTF-8, and what is no JSON is shown as Python does."""
    out = io.StringIO()
    writer = configure("info", "json", dropped=lambda: None, out=out)
    for value in ("\udc80", 1j, {"a": (1, None)}):
        structlog.get_logger("x").info("said", value=value)
    writer.close()
    assert [json.loads(line)["value"] for line in out.getvalue().splitlines()] == ["\udc80", "1j", {"a": [1, None]}]


def test_an_exception_is_in_the_line() -> None:
    """One of asyncio's, which nobody caught."""
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


def test_console_lines_are_for_people() -> None:
    """Without colours, since it may be a file."""
    out = io.StringIO()
    writer = configure("debug", "console", dropped=lambda: None, out=out)
    structlog.get_logger("x").info("published", members=3)
    writer.close()
    assert "published" in out.getvalue()
    assert "members=3" in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_a_reader_that_stops_reading_costs_lines_and_no_time() -> None:
    """A full pipe: what does not fit into the queue is dropped and counted, and writing returns at once."""
    reading, writing = os.pipe()
    dropped: list[int] = []
    pipe = os.fdopen(writing, "w")
    writer = Writer(pipe, lambda: dropped.append(1))
    started = time.monotonic()
    for _ in range(2 * CAPACITY):
        writer.write("x" * 100 + "\n")
    assert time.monotonic() - started < 5.0  # a blocked write would never end
    assert len(dropped) >= CAPACITY - 1000
    writer.close()
    os.close(reading)
    for _ in range(100):
        try:
            pipe.close()
            break
        except BrokenPipeError:
            break
        except (OSError, ValueError, RuntimeError):
            time.sleep(0.01)


def test_lines_of_any_length_come_in_order() -> None:
    """Whether there was room for them at once, or a thread had to wait for it."""
    lines = [f"{number} {'x' * (length - 10)}\n" for number, length in enumerate([100, 100, 100_000, 5_000, 100, 100])]
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        writer = Writer(pipe, lambda: None)
        for line in lines[:2]:
            writer.write(line)
        assert os.read(reading, 1000).decode() == "".join(lines[:2])  # without a thread they are there at once
        for line in lines[2:]:
            writer.write(line)
        with os.fdopen(reading) as reader:
            assert [reader.readline() for _ in lines[2:]] == lines[2:]
        writer.close()


@pytest.mark.parametrize("length", [10, 10_000])
def test_a_reader_that_is_gone_is_no_error(length: int) -> None:
    """The process is not killed by its log."""
    reading, writing = os.pipe()
    os.close(reading)
    pipe = os.fdopen(writing, "w")
    writer = Writer(pipe, lambda: None)
    writer.write("x" * length + "\n")
    writer.close()
    with suppress(BrokenPipeError):
        pipe.close()
