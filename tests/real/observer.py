"""A reader of the json file that looks all the time, and keeps everything that it ever saw."""

import json
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.api import Json

BETWEEN_LOOKS = 0.0002
"""Seconds. Without a pause it would take a whole core from those whom it looks at; a publication stands for 200 ms."""


class Observer:
    """Reads a file in a thread, thousands of times a second, from ``with`` to the end of it.

    Args:
        file: which may not be there yet; once it was, it must be.
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
        """What it saw, one after the other, without repetitions.

        Raises:
            ValueError: if one of them was not complete.
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
