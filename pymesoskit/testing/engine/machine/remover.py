"""Removes directories in a thread of its own, so that nobody waits for the file system.

A directory that is to be removed is first moved aside, which takes no time and cannot collide with a new directory of
the same name. What has been moved aside and not yet removed when the cluster ends is removed when it starts again.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Where directories wait for their removal, below the work directory.
WAITING = "removing"


class Remover:
    """Removes directories below one work directory. The thread is started by the first removal."""

    def __init__(self, work_dir: Path) -> None:
        """``work_dir`` must be absolute and without links."""
        self._work_dir = work_dir
        self._aside = work_dir / WAITING
        self._numbers = itertools.count(1)
        self._queue: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def remove(self, directory: Path) -> bool:
        """Removes the directory from its place, and its contents later.

        Returns False if it cannot be moved, or if a link stands for a directory above it: what the link leads to stays.
        """
        if os.path.realpath(directory) != str(directory):
            return False
        target = self._aside / f"{os.getpid()}-{next(self._numbers)}"
        try:
            self._aside.mkdir(mode=0o700, exist_ok=True)
            directory.rename(target)
        except OSError:
            return False
        self._start()
        self._queue.put(target)
        return True

    def empty(self) -> None:
        """Removes all that is in the work directory."""
        with contextlib.suppress(FileNotFoundError):
            for path in list(self._work_dir.iterdir()):
                if path.is_dir() and not path.is_symlink():
                    if path != self._aside:
                        self.remove(path)
                else:
                    path.unlink(missing_ok=True)

    def resume(self) -> None:
        """Removes what an earlier cluster has moved aside but not removed."""
        with contextlib.suppress(OSError):
            for left in list(self._aside.iterdir()):
                self._start()
                self._queue.put(left)

    def close(self) -> None:
        """Gives up what has not been removed yet; returns within moments."""
        self._closed.set()
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="pymesoskit-remover", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (directory := self._queue.get()) is not None and not self._closed.is_set():
            remove(directory, lambda: not self._closed.is_set())


def remove(directory: Path, goes_on: Callable[[], bool]) -> bool:
    """Removes a directory from its leaves upwards, and returns whether that is done. It stops as soon as ``goes_on()``
    is false, which is asked for each directory in it. What cannot be removed is left.
    """
    for parent, directories, files in os.walk(directory, topdown=False):
        if not goes_on():
            return False
        for path in (Path(parent, name) for name in (*files, *directories)):
            with contextlib.suppress(OSError):
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()
                else:
                    path.unlink()
    shutil.rmtree(directory, ignore_errors=True)  # itself, and what was unreadable or has appeared meanwhile
    return True
