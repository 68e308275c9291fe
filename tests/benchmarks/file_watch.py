"""When a change is visible to a reader: its text is in the file, under the file's final name.

A thread sleeps until the kernel reports a rename in the directory (inotify(7)), records the time, and only then looks
which of the expected texts are in the file. It needs nothing of the program under test and costs the same for each.
"""

import ctypes
import mmap
import os
import select
import struct
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

IN_MOVED_TO = 0x80
IN_CLOEXEC = 0o2000000
_EVENT = struct.Struct("iIII")
"""struct inotify_event, without the name that follows it."""


class FileWatch:
    """Watches one file while it is open: ``with FileWatch(path) as file_watch: ...``.

    Args:
        path: the file; its directory exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._awaited: set[bytes] = set()
        self._seen: dict[bytes, int] = {}
        self._changed = threading.Condition()
        libc = ctypes.CDLL(None, use_errno=True)
        self._inotify: int = libc.inotify_init1(IN_CLOEXEC)
        if self._inotify < 0 or libc.inotify_add_watch(self._inotify, os.fsencode(path.parent), IN_MOVED_TO) < 0:
            raise OSError(ctypes.get_errno(), f"cannot watch {path.parent}")
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._wait_for_renames, name="file_watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._waker)
        self._thread.join()
        os.close(self._wake)
        os.close(self._inotify)

    def expect(self, text: bytes) -> None:
        """Look for *text* from the next rename on."""
        with self._changed:
            self._awaited.add(text)

    def seen(self, text: bytes, *, seconds: float) -> int:
        """When *text* was visible, in nanoseconds of the monotonic clock.

        Raises:
            TimeoutError: if it is not visible in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: text in self._seen, seconds):
                raise TimeoutError(f"{text.decode()} is not in {self._path} after {seconds:.0f} s")
            return self._seen[text]

    def _wait_for_renames(self) -> None:
        poll = select.poll()
        poll.register(self._inotify, select.POLLIN)
        poll.register(self._wake, select.POLLHUP)
        while True:
            ready = poll.poll()
            now = time.monotonic_ns()
            if any(fd == self._wake for fd, _ in ready):
                return
            if self._path.name in _names(os.read(self._inotify, 2**16)):
                self._look(now)

    def _look(self, now: int) -> None:
        with self._path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as body, self._changed:
            found = {text for text in self._awaited if body.find(text) >= 0}
            self._awaited -= found
            self._seen |= dict.fromkeys(found, now)
            self._changed.notify_all()


def _names(events: bytes) -> set[str]:
    """The names in a buffer of inotify events."""
    names = set()
    at = 0
    while at < len(events):
        length = _EVENT.unpack_from(events, at)[3]
        at += _EVENT.size
        names.add(os.fsdecode(events[at : at + length].rstrip(b"\0")))
        at += length
    return names
