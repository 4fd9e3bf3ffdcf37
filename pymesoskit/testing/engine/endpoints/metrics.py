"""``/metrics/snapshot`` of masters and agents. Source: docs/reference/operator-api.md 3.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.http.handler import Request, Responder, Response
from pymesoskit.testing.engine.http.v1 import check_timeout
from pymesoskit.wire import dumps_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pymesoskit.testing.runtime.rate_limiter import RateLimiter


class MetricsEndpoint:
    """Serves what ``read`` gives: at once, or as slowly as the limiter lets it."""

    def __init__(self, read: Callable[[], Mapping[str, float]], limiter: RateLimiter | None) -> None:
        self._read = read
        self._limiter = limiter

    def __call__(self, request: Request, responder: Responder) -> None:
        """All metrics are at hand at once, so the ``timeout`` that a request may give is only checked."""
        check_timeout(request)
        if self._limiter is None:
            self._answer(request, responder)
        else:
            responder.on_close(self._limiter.acquire(lambda: self._answer(request, responder)))

    def _answer(self, request: Request, responder: Responder) -> None:
        responder.respond(Response.jsonp(dumps_value(dict(self._read())), request.query().get("jsonp")))
