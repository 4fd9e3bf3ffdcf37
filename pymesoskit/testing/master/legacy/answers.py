"""How the older endpoints answer: JSON, wrapped into a function's call where ``jsonp`` asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymesoskit.testing.http import Response
from pymesoskit.wire import dumps_value

if TYPE_CHECKING:
    from pymesoskit.testing.http import Request


def json_answer(value: Any, request: Request) -> Response:
    """The value as JSON."""
    return json_text_answer(dumps_value(value), request)


def json_text_answer(text: str, request: Request) -> Response:
    """The text, which is JSON already."""
    function = request.query().get("jsonp")
    if function is None:
        return Response.json(text)
    return Response(200, f"{function}({text});".encode(), (("Content-Type", "text/javascript"),))
