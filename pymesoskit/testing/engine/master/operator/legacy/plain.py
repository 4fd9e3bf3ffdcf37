"""Endpoints without a view on frameworks and agents: health, version, flags, redirection, logging.

Source: docs/reference/operator-api.md 3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine import version
from pymesoskit.testing.engine.http.handler import Response
from pymesoskit.testing.engine.master import leadership
from pymesoskit.testing.engine.master.operator.legacy.answers import json_answer
from pymesoskit.testing.runtime.system import system_model

if TYPE_CHECKING:
    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.http.handler import Request
    from pymesoskit.testing.engine.master.core import Core


def health(_: Request) -> Response:
    """``/health``: an empty answer is a healthy one."""
    return Response(200)


def serve_version(request: Request) -> Response:
    """``/version``."""
    return json_answer(version.version_model(), request)


def system_stats(request: Request) -> Response:
    """``/system/stats.json``."""
    return json_answer(system_model(), request)


def flags(core: Core, request: Request, _: Permissions) -> Response:
    """``/flags``."""
    return json_answer({"flags": core.flags.as_text()}, request)


def redirect(core: Core, request: Request) -> Response:
    """``/redirect``: to the leader, even on the leader itself. Paths below it are not redirected:
    a browser would go in circles.
    """
    if request.path.startswith(("/redirect/", "/master/redirect/")):
        return Response.text(404, "404 Not Found.")
    where = leadership.location(core)
    if where is None:
        return Response.text(503, "No leader elected")
    return Response(307, b"", (("Location", where),))
