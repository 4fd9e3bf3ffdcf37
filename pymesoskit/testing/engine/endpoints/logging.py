"""How operators raise the level of a process's log for a while.

Source: docs/reference/operator-api.md 2.2 (SET_LOGGING_LEVEL) and 3.2 (``/logging/toggle``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.http.forms import durify, numify
from pymesoskit.testing.engine.http.handler import Response
from pymesoskit.testing.engine.http.v1 import refuse

if TYPE_CHECKING:
    from pymesoskit.testing.engine.http.handler import Request
    from pymesoskit.testing.runtime.process_log import ProcessLog


def toggle_logging(log: ProcessLog, request: Request) -> Response:
    """``/logging/toggle?level=&duration=``: shows the level, or raises it for a while. Raises ``Refused``."""
    query = request.query()
    level, duration = query.get("level"), query.get("duration")
    if level is None and duration is None:
        return Response.text(200, f"{log.level}\n")
    if level is None:
        raise refuse(400, "Expecting 'level=value' in query.\n")
    if duration is None:
        raise refuse(400, "Expecting 'duration=value' in query.\n")
    try:
        number = numify(level, 32)
        if number < 0:
            raise refuse(400, f"Invalid level '{number}'.\n")
        seconds = durify(duration)
    except ValueError as error:
        raise refuse(400, f"{error}.\n") from None
    log.raise_to(number, seconds)
    return Response(200)
