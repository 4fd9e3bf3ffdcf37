"""The level of logging that operators may raise for a while. The cluster keeps it, but logs no more for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymesoskit.testing.clock import Timer
    from pymesoskit.testing.master.core import Core


class LoggingLevel:
    """A level that goes back to 0 by itself."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._timer: Timer | None = None
        self.level = 0

    def raise_to(self, level: int, duration: float) -> None:
        """Sets the level for that many seconds."""
        if self._timer is not None:
            self._timer.cancel()
        self.level = level
        self._timer = self._core.call_later(duration, self._reset)

    def _reset(self) -> None:
        self.level = 0
        self._timer = None
