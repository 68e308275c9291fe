"""A reader of the json file that reads it all the time and keeps every content that it saw."""

import json
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.api import Json

BETWEEN_LOOKS = 0.0002
"""Seconds. Without a pause the reader would take a whole core; a published file stays for at least 200 ms."""


class Observer:
    """Reads a file in a thread, thousands of times a second, until the end of the ``with`` block.

    Args:
        file: the file; it may be missing at first, but not once it has existed.
    """

    def __init__(self, file: Path) -> None:
        self.looks = 0
        self._file = file
        self._bodies: list[bytes] = []
        self._losses = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="observer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def contents(self) -> list[Json]:
        """The contents that it saw, in order and without repetitions.

        Raises:
            ValueError: if one of them was incomplete.
        """
        assert self._losses == 0
        return [json.loads(body) for body in self._bodies]

    def _look(self) -> None:
        while not self._over.wait(BETWEEN_LOOKS):
            try:
                body = self._file.read_bytes()
            except FileNotFoundError:
                self._losses += bool(self._bodies)
                continue
            self.looks += 1
            if not self._bodies or body != self._bodies[-1]:
                self._bodies.append(body)
