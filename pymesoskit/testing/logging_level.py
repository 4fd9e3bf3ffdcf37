"""The level of logging that operators may raise for a while. The cluster keeps it, but logs no more for it.

Source: docs/reference/operator-api.md 2.2 (SET_LOGGING_LEVEL) and 3.2 (``/logging/toggle``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pymesoskit.testing.api import refuse
from pymesoskit.testing.flag_syntax import DURATION
from pymesoskit.testing.http import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.http import Request


class _Timer(Protocol):
    def cancel(self) -> None: ...


class _Timers(Protocol):
    """Whose life the level is part of."""

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> _Timer: ...


class LoggingLevel:
    """A level that goes back to 0 by itself."""

    def __init__(self, timers: _Timers) -> None:
        self._timers = timers
        self._timer: _Timer | None = None
        self.level = 0

    def raise_to(self, level: int, duration: float) -> None:
        """Sets the level for that many seconds."""
        if self._timer is not None:
            self._timer.cancel()
        self.level = level
        self._timer = self._timers.call_later(duration, self._reset)

    def _reset(self) -> None:
        self.level = 0
        self._timer = None


def toggle_logging(logging: LoggingLevel, request: Request) -> Response:
    """``/logging/toggle?level=&duration=``: shows the level, or raises it for a while. Raises ``Refused``."""
    query = request.query()
    level, duration = query.get("level"), query.get("duration")
    if level is None and duration is None:
        return Response.text(200, f"{logging.level}\n")
    if level is None:
        raise refuse(400, "Expecting 'level=value' in query.\n")
    if duration is None:
        raise refuse(400, "Expecting 'duration=value' in query.\n")
    if not (level.isascii() and level.isdigit()):
        raise refuse(400, f"Failed to convert '{level}' to number.\n")
    try:
        seconds = DURATION.parse(duration)
    except (ValueError, ArithmeticError) as error:
        raise refuse(400, f"{error}.\n") from None
    logging.raise_to(int(level), seconds)
    return Response(200)
