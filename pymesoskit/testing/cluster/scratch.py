"""Temporary directories that do not outlive a process that was killed for long.

Each holds a lock while its owner lives. Whoever makes one removes those whose owner is gone: an owner that ends in good
order removes its own, but SIGKILL leaves it no time to. A directory with very many files takes the file system minutes
to remove; nobody waits for that, but a process in the background goes on with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import tempfile
import time
from pathlib import Path

from attrs import define

from pymesoskit.testing.engine.machine.remover import remove

PREFIX = "pymesoskit-"
LOCK = ".lock"
#: How long the end of a cluster waits for its directory to be removed, in seconds.
PATIENCE = 1.0


@define
class Scratch:
    """A temporary directory with its lock."""

    path: Path
    _lock: int  # a descriptor

    @classmethod
    def make(cls) -> Scratch:
        """A new one; what is left of earlier ones is removed. Raises OSError."""
        path = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
        lock = os.open(path / f"{LOCK}.new", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        (path / f"{LOCK}.new").rename(path / LOCK)  # it is never there without being held
        remove_abandoned(path.parent)
        return cls(path, lock)

    def remove(self) -> None:
        """Removes it with all in it. What takes longer than ``PATIENCE`` goes on in the background, even after this
        process has ended.
        """
        try:
            remove_soon(self.path, self._lock)
        finally:
            os.close(self._lock)


def remove_soon(path: Path, lock: int) -> None:
    """Removes the directory, which is ours as long as the lock is held, in this process or in the background."""
    deadline = time.monotonic() + PATIENCE
    done = False
    try:
        done = remove(path, lambda: time.monotonic() < deadline)
    finally:  # also when the user has no patience: KeyboardInterrupt
        if not done:
            remove_in_background(path, lock)


def remove_in_background(path: Path, lock: int) -> None:
    """Starts a process that removes the directory. It inherits the lock, and removes the lock's file last."""
    with contextlib.suppress(OSError):
        subprocess.run(  # noqa: S603 (no input of others)
            ["/bin/sh", "-c", '(rm -rf -- "$1"/*; rm -rf -- "$1") &', "sh", str(path)],
            pass_fds=[lock],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            check=False,
        )


def remove_abandoned(parent: Path) -> None:
    """Removes the directories of owners that are gone; those of other users are left alone."""
    for path in parent.glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError):  # not ours, or removed by somebody else just now
            lock = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                if os.fstat(lock).st_uid == os.geteuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    remove_soon(path.parent, lock)
            finally:
                os.close(lock)
