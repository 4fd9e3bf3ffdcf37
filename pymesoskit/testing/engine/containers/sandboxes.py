"""The sandboxes that an agent shows under /files, and removes when they have been there long enough.

Source: docs/reference/agent-executor.md 12 (gc), operator-api.md 3.4.
"""

from __future__ import annotations

import shutil
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from pymesoskit.testing.engine.containers.commands import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.containers.layout import RunLayout
    from pymesoskit.testing.engine.endpoints.files import FileRoots
    from pymesoskit.testing.runtime.clock import Clock


@frozen
class _Waiting:
    """A sandbox whose executor has ended."""

    run: RunLayout
    directory: str
    since: float


class Sandboxes:
    """Attaches sandboxes to ``/files`` and sees to their removal.

    One is removed ``gc_delay`` x max(0, 1 - ``headroom`` - use of the disk) after its executor ended. ``enters`` says
    who may look into the sandbox of a run.
    """

    def __init__(
        self,
        clock: Clock,
        files: FileRoots,
        gc_delay: float,
        headroom: float,
        enters: Callable[[RunLayout, Permissions], bool],
    ) -> None:
        self._clock = clock
        self._files = files
        self._gc_delay = gc_delay
        self._headroom = headroom
        self._enters = enters
        self._waiting: deque[_Waiting] = deque()
        self._shown: dict[str, str] = {}  # virtual path -> directory
        self._timer_set = False
        self._removed = {True: 0, False: 0}  # how many could be, and could not

    def removals(self) -> dict[str, int]:
        """How many sandboxes were removed, could not be, and will be."""
        return {"succeeded": self._removed[True], "failed": self._removed[False], "pending": len(self._waiting)}

    def opened(self, run: RunLayout, directory: Path) -> None:
        """A sandbox is in use: it can be looked at, by its path and as the latest of its executor."""

        def access(permissions: Permissions) -> bool:
            return self._enters(run, permissions)

        self._files.attach(str(directory), directory, access)
        self._files.attach(run.virtual, directory, access)
        self._shown[run.virtual] = str(directory)

    def closed(self, run: RunLayout, directory: str) -> None:
        """Its executor has ended."""
        if directory and Path(directory).exists():
            self._waiting.append(_Waiting(run, directory, self._clock.monotonic()))
            self._set_timer()

    def allowed_age(self, usage: Callable[[str], float]) -> float:
        """How long sandboxes stay, in seconds; ``usage`` tells the used fraction of a path's disk."""
        used = usage(self._waiting[0].directory) if self._waiting else 0.0
        return self._gc_delay * max(0.0, 1.0 - self._headroom - used)

    def _set_timer(self) -> None:
        if not self._timer_set and self._waiting:
            self._timer_set = True
            due = self._waiting[0].since + self.allowed_age(disk_usage)
            self._clock.call_later(max(60.0, due - self._clock.monotonic()), self._collect)

    def _collect(self) -> None:
        self._timer_set = False
        horizon = self._clock.monotonic() - (self.allowed_age(disk_usage) if self._waiting else 0.0)
        while self._waiting and self._waiting[0].since <= horizon:
            old = self._waiting.popleft()
            self._files.detach(old.directory)
            if self._shown.get(old.run.virtual) == old.directory:
                del self._shown[old.run.virtual]
                self._files.detach(old.run.virtual)
            remove_tree(Path(old.directory))
            self._removed[not Path(old.directory).exists()] += 1
        self._set_timer()


def disk_usage(path: str) -> float:
    """The used fraction of the disk that holds the path; 0 if that is not known."""
    try:
        use = shutil.disk_usage(path if Path(path).exists() else "/")
    except OSError:
        return 0.0
    return use.used / use.total if use.total else 0.0
