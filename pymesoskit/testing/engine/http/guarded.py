"""Answers of a process that can freeze and end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.http.handler import Headers, Responder, Response, Stream
    from pymesoskit.testing.runtime.lifeline import Lifeline


class Guarded:
    """A ``Responder`` whose news for the process pass its lifeline; what the process says goes straight out."""

    __slots__ = ("_lifeline", "_responder")

    def __init__(self, responder: Responder, lifeline: Lifeline) -> None:
        self._responder = responder
        self._lifeline = lifeline

    def respond(self, response: Response) -> None:
        self._responder.respond(response)

    def stream(self, status: int, headers: Headers, on_close: Callable[[], None]) -> Stream:
        return self._responder.stream(status, headers, lambda: self._lifeline.deliver(on_close))

    def on_close(self, callback: Callable[[], None]) -> None:
        self._responder.on_close(lambda: self._lifeline.deliver(callback))

    def abort(self) -> None:
        self._responder.abort()
