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

#: Where directories wait for their removal, below the work directory.
WAITING = "removing"


class Remover:
    """Removes directories below one work directory. The thread is started by the first removal."""

    def __init__(self, work_dir: Path) -> None:
        self._aside = work_dir / WAITING
        self._numbers = itertools.count(1)
        self._queue: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def remove(self, directory: Path) -> bool:
        """Removes the directory from its place, and its contents later. Returns False if it cannot be moved."""
        target = self._aside / f"{os.getpid()}-{next(self._numbers)}"
        try:
            self._aside.mkdir(mode=0o700, exist_ok=True)
            directory.rename(target)
        except OSError:
            return False
        self._start()
        self._queue.put(target)
        return True

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
            self._remove(directory)

    def _remove(self, directory: Path) -> None:
        """Removes the tree from its leaves upwards, as long as the cluster runs."""
        for parent, directories, files in os.walk(directory, topdown=False):
            if self._closed.is_set():
                return
            for path in (Path(parent, name) for name in (*files, *directories)):
                with contextlib.suppress(OSError):
                    if path.is_dir() and not path.is_symlink():
                        path.rmdir()
                    else:
                        path.unlink()
        shutil.rmtree(directory, ignore_errors=True)  # itself, and what was unreadable or has appeared meanwhile
