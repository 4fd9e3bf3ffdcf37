"""How the older endpoints answer: JSON, wrapped into a function's call where ``jsonp`` asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymesoskit.testing.engine.http.handler import Response
from pymesoskit.wire import dumps_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymesoskit.testing.engine.http.handler import Request


class Listing:
    """A list whose items are made and written one by one: with 100,000 tasks they should not all exist at once."""

    __slots__ = ("items",)

    def __init__(self, items: Iterable[Any]) -> None:
        self.items: Iterable[Any] = items


def json_text(value: Any) -> str:
    """A value as JSON. Listings may be it, or members of a dict that is it or is in a listing."""
    if isinstance(value, Listing):
        return f"[{','.join(map(json_text, value.items))}]"
    if isinstance(value, dict) and any(isinstance(member, Listing) for member in value.values()):
        members = (f"{dumps_value(name)}:{json_text(member)}" for name, member in value.items())
        return f"{{{','.join(members)}}}"
    return dumps_value(value)


def json_answer(value: Any, request: Request) -> Response:
    """The value as JSON (see ``json_text``)."""
    return json_text_answer(json_text(value), request)


def json_text_answer(text: str, request: Request) -> Response:
    """The text, which is JSON already."""
    return Response.jsonp(text, request.query().get("jsonp"))
