"""Temporary directories that do not outlive a process that was killed for long.

Each holds a lock while its owner lives. Whoever makes one removes those whose owner is gone: an owner that ends in good
order removes its own, but SIGKILL leaves it no time to.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from attrs import define

PREFIX = "pymesoskit-"
LOCK = ".lock"


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
        """Removes it with all in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def remove_abandoned(parent: Path) -> None:
    """Removes the directories of owners that are gone; those of other users are left alone."""
    for path in parent.glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError):  # not ours, or removed by somebody else just now
            lock = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                if os.fstat(lock).st_uid == os.geteuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path.parent, ignore_errors=True)
            finally:
                os.close(lock)
