"""Which path is served by what, and who may: all endpoints of the operator's side of one master.

Each endpoint belongs to a realm, or to none and is open to all; ``authorization/gate.py`` lets in. Source:
docs/reference/operator-api.md 1 and 3.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pymesoskit.testing.engine.authorization import Action, Gate
from pymesoskit.testing.engine.endpoints import files
from pymesoskit.testing.engine.endpoints.logging import toggle_logging
from pymesoskit.testing.engine.endpoints.metrics import MetricsEndpoint
from pymesoskit.testing.engine.master import leadership
from pymesoskit.testing.engine.master.auth import READONLY, READWRITE
from pymesoskit.testing.engine.master.gauges import read_metrics
from pymesoskit.testing.engine.master.operator.api import OperatorApi
from pymesoskit.testing.engine.master.operator.events import OperatorEvents
from pymesoskit.testing.engine.master.operator.legacy import changing, plain, reading
from pymesoskit.testing.runtime.rate_limiter import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.http.authentication import Authenticator
    from pymesoskit.testing.engine.http.handler import Request, Responder, Response
    from pymesoskit.testing.engine.http.v1 import RequestHandler
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.runtime.units import Rate

    #: Answers a request at once, to somebody who may see and do so much.
    Answer = Callable[[Core, Request, Permissions], Response]


#: Endpoints of the leading master (others send there) that only show something.
_READING: Mapping[str, Answer] = {
    "/state": reading.state,
    "/state-summary": reading.state_summary,
    "/slaves": reading.slaves,
    "/frameworks": reading.frameworks,
    "/tasks": reading.tasks,
    "/roles": reading.all_roles,
}

#: The same for those that change something. Reading from one of these needs the right to write, too.
_CHANGING: Mapping[str, Answer] = {
    "/quota": changing.serve_quota,
    "/weights": changing.serve_weights,
    "/maintenance/schedule": changing.serve_schedule,
    "/maintenance/status": changing.serve_maintenance_status,
    "/machine/down": changing.machine_down,
    "/machine/up": changing.machine_up,
    "/teardown": changing.serve_teardown,
    "/reserve": changing.reserve,
    "/unreserve": changing.unreserve,
    "/create-volumes": changing.create_volumes,
    "/destroy-volumes": changing.destroy_volumes,
}

#: The realm of each endpoint; those that are not here are open to all.
REALMS: Mapping[str, str] = {
    **dict.fromkeys(_READING, READONLY),
    **dict.fromkeys(_CHANGING, READWRITE),
    **dict.fromkeys(files.PATHS, READONLY),
    "/api/v1": READWRITE,
    "/flags": READONLY,
    "/metrics/snapshot": READONLY,
    "/logging/toggle": READWRITE,
    "/allocator/offer_constraints_debug": READONLY,
}


class OperatorEndpoints:
    """The operator's side of one master: its routes, its event stream, its files."""

    def __init__(self, core: Core, authenticator: Authenticator, metrics_limit: Rate | None = None) -> None:
        self._core = core
        self._gate = Gate(REALMS, authenticator.authenticate, core.permissions)
        limiter = RateLimiter(core.post, core.call_later, metrics_limit) if metrics_limit is not None else None
        self._metrics = MetricsEndpoint(self.read_metrics, limiter)
        self.files: files.FileRoots = files.FileRoots()
        self.events: OperatorEvents = OperatorEvents(
            core.state, core.lifeline, core.flags.max_operator_event_stream_subscribers
        )
        core.listeners.append(self.events)
        self._api = OperatorApi(core, self.events, self.files)
        log = core.flags.external_log_file or core.log.path
        if log is not None:
            self.files.attach("/master/log", Path(log).resolve(), lambda who: who.allows(Action.ACCESS_MESOS_LOG))

    def routes(self) -> dict[str, RequestHandler]:
        """All paths (without the process's name) and what serves them."""
        routes: dict[str, RequestHandler] = {
            "/api/v1": self._serve_api,
            "/health": _open(plain.health),
            "/version": _open(plain.serve_version),
            "/redirect": _open(lambda request: plain.redirect(self._core, request)),
            "/metrics/snapshot": self._serve_metrics,
            "/system/stats.json": _open(plain.system_stats),
        }
        for path, answer in {**_READING, **_CHANGING}.items():
            routes[path] = self._guarded(path, answer, led=True)
        of_every_master: dict[str, Answer] = {
            "/flags": plain.flags,
            "/logging/toggle": lambda core, request, _: toggle_logging(core.log, request),
            "/allocator/offer_constraints_debug": reading.constraints_debug,
        }
        for path, answer in of_every_master.items():
            routes[path] = self._guarded(path, answer)
        for path, serve in files.routes(self.files).items():
            routes[path] = self._guarded(path, _without_core(serve))
        return routes

    def read_metrics(self) -> dict[str, float]:
        """All metrics of the master, by name."""
        return read_metrics(self._core, len(self.events))

    def close(self) -> None:
        """Breaks the event streams: the master ends."""
        self.events.close()

    def _serve_api(self, request: Request, responder: Responder) -> None:
        permissions = self._gate.admit(request, "/api/v1")
        leadership.require_recovered(self._core, request)
        self._api.handle(request, responder, permissions)

    def _serve_metrics(self, request: Request, responder: Responder) -> None:
        self._gate.admit(request, "/metrics/snapshot")
        self._metrics(request, responder)

    def _guarded(self, path: str, answer: Answer, *, led: bool = False) -> RequestHandler:
        """An endpoint behind the gate; ``led``: of the leading master, others send there."""

        def serve(request: Request, responder: Responder) -> None:
            permissions = self._gate.admit(request, path)
            if led:
                leadership.require(self._core, request)
            responder.respond(answer(self._core, request, permissions))

        return serve


def _without_core(answer: Callable[[Request, Permissions], Response]) -> Answer:
    return lambda _, request, permissions: answer(request, permissions)


def _open(answer: Callable[[Request], Response]) -> RequestHandler:
    def serve(request: Request, responder: Responder) -> None:
        responder.respond(answer(request))

    return serve
