"""Which path is served by what, and who may: all endpoints of the operator's side of one master.

Each endpoint belongs to a realm, or to none and is open to all. Source: docs/reference/operator-api.md 1 and 3.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pymesoskit.testing import files
from pymesoskit.testing.master import leadership
from pymesoskit.testing.master.auth import READONLY, READWRITE
from pymesoskit.testing.master.gauges import read_metrics
from pymesoskit.testing.master.legacy import changing, plain, reading
from pymesoskit.testing.master.operator.api import OperatorApi
from pymesoskit.testing.master.operator.events import OperatorEvents
from pymesoskit.testing.metrics_endpoint import MetricsEndpoint
from pymesoskit.testing.rate_limiter import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.api import RequestHandler
    from pymesoskit.testing.authentication import Authenticator
    from pymesoskit.testing.flag_syntax import Rate
    from pymesoskit.testing.http import Handler, Request, Responder, Response
    from pymesoskit.testing.master.core import Core

    #: Answers a request at once.
    Answer = Callable[[Core, Request], Response]
    #: The same, for those that have to know who asks.
    PrincipalAnswer = Callable[[Core, Request, str | None], Response]


_READING: dict[str, Answer] = {
    "/state": reading.state,
    "/state-summary": reading.state_summary,
    "/slaves": reading.slaves,
    "/frameworks": reading.frameworks,
    "/tasks": reading.tasks,
    "/roles": reading.all_roles,
}

#: Reading from one of these needs the right to write, too.
_CHANGING: dict[str, Answer] = {
    "/quota": changing.serve_quota,
    "/weights": changing.serve_weights,
    "/maintenance/schedule": changing.serve_schedule,
    "/maintenance/status": changing.serve_maintenance_status,
    "/machine/down": changing.machine_down,
    "/machine/up": changing.machine_up,
    "/teardown": changing.serve_teardown,
}

_RESERVING: dict[str, PrincipalAnswer] = {
    "/reserve": changing.reserve,
    "/unreserve": changing.unreserve,
    "/create-volumes": changing.create_volumes,
    "/destroy-volumes": changing.destroy_volumes,
}


class OperatorEndpoints:
    """The operator's side of one master: its routes, its event stream, its files."""

    def __init__(self, core: Core, authenticator: Authenticator, metrics_limit: Rate | None = None) -> None:
        self._core = core
        self._authenticator = authenticator
        limiter = RateLimiter(core.actor.post, core.call_later, metrics_limit) if metrics_limit is not None else None
        self._metrics = MetricsEndpoint(self.read_metrics, limiter)
        self.files = files.FileRoots()
        self.events = OperatorEvents(core.state, core.actor.clock, core.flags.max_operator_event_stream_subscribers)
        core.listeners.append(self.events)
        self._api = OperatorApi(core, self.events, self.files)
        log = core.flags.external_log_file or core.log.path
        if log is not None:
            self.files.attach("/master/log", Path(log).resolve())

    def routes(self) -> dict[str, RequestHandler]:
        """All paths (without the process's name) and what serves them."""
        routes: dict[str, RequestHandler] = {
            "/api/v1": self._serve_api,
            "/health": _open(plain.health),
            "/version": _open(plain.serve_version),
            "/flags": self._checked(READONLY, plain.flags),
            "/redirect": _open(lambda request: plain.redirect(self._core, request)),
            "/metrics/snapshot": self._guarded(READONLY, self._metrics),
            "/system/stats.json": _open(plain.system_stats),
            "/logging/toggle": self._checked(READWRITE, plain.toggle_logging),
            "/allocator/offer_constraints_debug": self._checked(READONLY, reading.constraints_debug),
        }
        for path, answer in _READING.items():
            routes[path] = self._led(READONLY, answer)
        for path, answer in _CHANGING.items():
            routes[path] = self._led(READWRITE, answer)
        for path, reserve in _RESERVING.items():
            routes[path] = self._for_principal(READWRITE, reserve)
        for path, serve in files.routes(self.files).items():
            routes[path] = self._guarded(READONLY, serve)
        return routes

    def read_metrics(self) -> dict[str, float]:
        """All metrics of the master, by name."""
        return read_metrics(self._core, len(self.events))

    def close(self) -> None:
        """Breaks the event streams: the master ends."""
        self.events.close()

    def _serve_api(self, request: Request, responder: Responder) -> None:
        principal = self._authenticator.authenticate(request, READWRITE)
        leadership.require(self._core, request)
        self._api.handle(request, responder, principal)

    def _checked(self, realm: str, answer: Answer) -> RequestHandler:
        """An endpoint of every master."""

        def serve(request: Request, responder: Responder) -> None:
            self._authenticator.authenticate(request, realm)
            responder.respond(answer(self._core, request))

        return serve

    def _led(self, realm: str, answer: Answer) -> RequestHandler:
        """An endpoint of the leading master; others send there."""
        return self._for_principal(realm, lambda core, request, _: answer(core, request))

    def _for_principal(self, realm: str, answer: PrincipalAnswer) -> RequestHandler:
        """The same for those that have to know who asks."""

        def serve(request: Request, responder: Responder) -> None:
            principal = self._authenticator.authenticate(request, realm)
            leadership.require(self._core, request)
            responder.respond(answer(self._core, request, principal))

        return serve

    def _guarded(self, realm: str, handler: Handler) -> RequestHandler:
        def serve(request: Request, responder: Responder) -> None:
            self._authenticator.authenticate(request, realm)
            handler(request, responder)

        return serve


def _open(answer: Callable[[Request], Response]) -> RequestHandler:
    def serve(request: Request, responder: Responder) -> None:
        responder.respond(answer(request))

    return serve
