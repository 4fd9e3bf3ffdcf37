"""The HTTP endpoints of an agent: who serves which path, and who may ask.

Source: docs/reference/operator-api.md 1 and 4, agent-executor.md 6.1.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pymesoskit.testing.engine.agent.auth import agent_gate, guarded
from pymesoskit.testing.engine.agent.container_api import ContainerApi
from pymesoskit.testing.engine.agent.executor_api import ExecutorApi
from pymesoskit.testing.engine.agent.legacy import Legacy
from pymesoskit.testing.engine.agent.metrics import snapshot
from pymesoskit.testing.engine.agent.operator_api import OperatorApi
from pymesoskit.testing.engine.authorization import Action
from pymesoskit.testing.engine.endpoints.files import FileRoots, routes
from pymesoskit.testing.engine.endpoints.metrics import MetricsEndpoint
from pymesoskit.testing.engine.http.handler import Response
from pymesoskit.testing.engine.http.v1 import Router
from pymesoskit.testing.runtime.rate_limiter import RateLimiter

if TYPE_CHECKING:
    from pymesoskit.testing.engine.agent.access import Access
    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.http.handler import Request, Responder
    from pymesoskit.testing.engine.http.v1 import RequestHandler
    from pymesoskit.testing.runtime.units import Rate


class AgentEndpoints:
    """Serves requests to an agent; ``process`` is its name in paths, ``files`` what ``/files`` shows."""

    def __init__(self, core: Core, process: str, files: FileRoots, access: Access, metrics_limit: Rate | None) -> None:
        self._core = core
        log = core.flags.external_log_file or core.log.path
        if log is not None:
            files.attach("/slave/log", Path(log).resolve(), lambda who: who.allows(Action.ACCESS_MESOS_LOG))
        self._operator_api = OperatorApi(core, files, ContainerApi(core), access)
        self._gate = agent_gate(core.flags, core.authenticator, core.permissions)
        later = core.lifeline.call_later
        limiter = RateLimiter(partial(later, 0.0), later, metrics_limit) if metrics_limit is not None else None
        self._metrics = MetricsEndpoint(lambda: snapshot(core), limiter)
        of_executors: dict[str, RequestHandler] = {"/api/v1/executor": ExecutorApi(core).handle}
        answers = {**Legacy(core, access).routes(), **routes(files)}
        served = {"/api/v1": self._serve_operator, "/metrics/snapshot": self._serve_metrics}
        self._router = Router(process, {**served, **of_executors, **guarded(self._gate, answers)})
        self._executor_socket_router = Router(process, {"/api/v1": self._serve_executor_socket, **of_executors})

    def paths(self) -> list[str]:
        """Returns the paths of all endpoints."""
        return self._router.paths()

    def http(self, request: Request, responder: Responder) -> None:
        """Serves the agent's HTTP port."""
        self._core.lifeline.deliver(self._serve, request, responder)

    def executor_socket(self, request: Request, responder: Responder) -> None:
        """Serves the executors' unix domain socket: the v1 APIs only."""
        if self._executor_socket_router.find(request.path) is None:
            responder.respond(Response.text(403, "403 Forbidden."))
        else:
            self._core.lifeline.deliver(self._executor_socket_router, request, responder)

    def _serve(self, request: Request, responder: Responder) -> None:
        self._core.log.write(f"HTTP {request.method} for {request.path}")
        self._router(request, responder)

    def _serve_metrics(self, request: Request, responder: Responder) -> None:
        self._gate.admit(request, "/metrics/snapshot")
        self._metrics(request, responder)

    def _serve_operator(self, request: Request, responder: Responder) -> None:
        self._operator_api.handle(request, responder, self._gate.admit(request, "/api/v1"))

    def _serve_executor_socket(self, request: Request, responder: Responder) -> None:
        """On the executors' own socket there is no authentication."""
        self._operator_api.handle(request, responder, self._core.permissions(None))
