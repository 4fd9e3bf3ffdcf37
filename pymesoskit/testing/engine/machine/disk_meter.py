"""Measures the disk usage of directories, as ``du`` does, in a thread of its own."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pymesoskit.testing.runtime.actor import Actor

#: The unit of ``st_blocks``, in bytes.
BLOCK = 512


class ThreadMeter:
    """Measures directories. The first measurement starts the thread."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._pool: ThreadPoolExecutor | None = None

    def measure(self, directory: Path, done: Callable[[int | None], None]) -> None:
        """Calls ``done(bytes)`` in a later turn with the size on disk of the directory and everything below it.

        Calls ``done(None)`` if it cannot be measured.
        """
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "pymesoskit-meter")

        def measured(future: Future[int]) -> None:
            if not future.cancelled():
                self._actor.post(done, None if future.exception() is not None else future.result())

        self._pool.submit(disk_use, directory).add_done_callback(measured)

    def close(self) -> None:
        """Waits for the measurement that is under way, and drops the others."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def disk_use(directory: Path) -> int:
    """Returns the bytes that the directory and everything below it take on the disk.

    Links are not followed, files with several names count once, and files that disappear meanwhile do not count.
    Raises OSError if the path is not a directory; a link to a directory does not count as one.
    """
    top = os.lstat(directory)
    if not stat.S_ISDIR(top.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(directory))
    total = top.st_blocks
    seen: set[tuple[int, int]] = set()
    todo = [os.fspath(directory)]
    while todo:
        try:
            entries = list(os.scandir(todo.pop()))
        except OSError:
            continue
        for entry in entries:
            with contextlib.suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                if found.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                    if (found.st_dev, found.st_ino) in seen:
                        continue
                    seen.add((found.st_dev, found.st_ino))
                total += found.st_blocks
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)
    return total * BLOCK
