"""What all v1 HTTP endpoints of master and agents share: the order of checks, content types, routing, event streams.

Here live the checks that come before a call is looked at (method, Content-Type, body, Accept), the encoding of answers
and events in the negotiated type, and libprocess's way of finding the handler of a path. What a call means lives with
master and agent. Source: docs/reference/scheduler-api.md 1.1 and 1.2, operator-api.md 1 and 2, agent-executor.md 6.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import unquote

from google.protobuf.message import DecodeError, Message

from pymesoskit.testing.engine.http.forms import durify
from pymesoskit.testing.engine.http.handler import Request, Responder, Response, Stream, admits
from pymesoskit.testing.engine.http.strings import bad_string
from pymesoskit.wire import ConversionError, JsonSyntaxError, encode_record, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
RECORDIO = "application/recordio"

#: Seconds between HEARTBEAT events on the master's streams (scheduler-api.md 3, operator-api.md 2.5).
HEARTBEAT_INTERVAL = 15.0

M = TypeVar("M", bound=Message)


class Refused(Exception):
    """A request that is answered with an error before its call is carried out; it carries that answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status, response.body)
        self.response = response


def refuse(status: int, text: str) -> Refused:
    """The exception that makes ``text`` the answer in plain text."""
    return Refused(Response.text(status, text))


# Before the call is looked at


def check_method(request: Request, *allowed: str) -> None:
    """Raises ``Refused`` (405 with ``Allow``) unless the request's method is one of these."""
    if request.method not in allowed:
        expected = ", ".join(f"'{method}'" for method in allowed)
        text = f"405 Method Not Allowed. Expecting one of {{ {expected} }}, but received '{request.method}'."
        raise Refused(Response.text(405, text, (("Allow", ", ".join(allowed)),)))


def check_timeout(request: Request) -> None:
    """Raises ``Refused`` (400) if the ``timeout`` in the query is no duration. All is at hand at once, so it is never
    needed.
    """
    timeout = request.query().get("timeout")
    if timeout is not None:
        try:
            durify(timeout)
        except ValueError as error:
            raise refuse(400, f"Invalid timeout '{timeout}': {error}.\n") from None


def parse_call(request: Request, call_type: type[M], name: str = "Call") -> M:
    """The call in the body; ``name`` is what error texts call it.

    Raises ``Refused``: 400 without Content-Type or for a bad body, 415 for another Content-Type (compared exactly: a
    charset parameter or capitals are not tolerated).
    """
    content_type = request.header("content-type")
    if content_type is None:
        raise refuse(400, "Expecting 'Content-Type' to be present")
    if content_type == PROTOBUF:
        return parse_protobuf(request.body, call_type, name)
    if content_type == JSON:
        return parse_json(request.body, call_type, name)
    raise refuse(415, f"Expecting 'Content-Type' of {JSON} or {PROTOBUF}")


def parse_protobuf(body: bytes, call_type: type[M], name: str = "Call") -> M:
    """Returns the protobuf message in the body.

    Raises ``Refused`` (400) if it is not one, lacks required fields, or has a string that is not UTF-8.
    """
    call = call_type()
    try:
        call.ParseFromString(body)
    except (DecodeError, UnicodeDecodeError):
        raise refuse(400, f"Failed to parse body into {name} protobuf") from None
    if not call.IsInitialized():
        raise refuse(400, f"Failed to parse body into {name} protobuf")
    check_strings(body, call, f"Failed to parse body into {name} protobuf")
    return call


def check_strings(data: bytes, message: Message, failure: str) -> None:
    """Raises ``Refused`` (400) if a string of the message, which was parsed from the data, is not UTF-8.

    The text is ``failure`` and the name of the field.
    """
    path = bad_string(data, message)
    if path is not None:
        raise refuse(400, f"{failure}: the string '{path}' is not valid UTF-8")


def parse_json(body: bytes, call_type: type[M], name: str = "Call") -> M:
    """The message in a body of Mesos JSON. Raises ``Refused`` (400) with the parser's or converter's reason."""
    try:
        return from_json(body, call_type)
    except JsonSyntaxError as error:
        raise refuse(400, f"Failed to parse body into JSON: {error}") from None
    except ConversionError as error:
        raise refuse(400, f"Failed to convert JSON into {name} protobuf: {error}") from None


def accepts(request: Request, media_type: str, header: str = "accept") -> bool:
    """Whether the header (``accept``, ``message-accept``) admits the type. Without the header, everything is."""
    value = request.header(header)
    return value is None or admits(value, media_type, f"{media_type.partition('/')[0]}/*", "*/*")


def negotiate(request: Request, header: str = "accept") -> str:
    """The type of the answer: JSON if it is accepted, else protobuf. Raises ``Refused`` (406) if neither is."""
    for media_type in (JSON, PROTOBUF):
        if accepts(request, media_type, header):
            return media_type
    raise refuse(406, f"Expecting 'Accept' to allow '{PROTOBUF}' or '{JSON}'")


# Answers


def encode(message: Message, content_type: str) -> bytes:
    """The message in one of the two types."""
    return message.SerializeToString() if content_type == PROTOBUF else to_json(message).encode()


def answer(message: Message, content_type: str, status: int = 200) -> Response:
    """A whole answer with the message in the negotiated type."""
    return Response(status, encode(message, content_type), (("Content-Type", content_type),))


class Event:
    """A message for streams, encoded at most once per content type, however many streams it goes to."""

    __slots__ = ("_json", "_protobuf", "message")

    def __init__(self, message: Message) -> None:
        self.message: Message = message
        self._json: bytes | None = None
        self._protobuf: bytes | None = None

    def record(self, content_type: str) -> bytes:
        """The RecordIO record."""
        if content_type == PROTOBUF:
            if self._protobuf is None:
                self._protobuf = encode_record(self.message.SerializeToString())
            return self._protobuf
        if self._json is None:
            self._json = encode_record(to_json(self.message).encode())
        return self._json


class EventStream:
    """A subscriber's stream of RecordIO events in its content type."""

    __slots__ = ("_stream", "content_type")

    def __init__(self, stream: Stream, content_type: str) -> None:
        self._stream = stream
        self.content_type: str = content_type

    @property
    def closed(self) -> bool:
        """Whether it has ended, by either side."""
        return self._stream.closed

    def send(self, event: Event) -> None:
        """Sends the event; ignored when the stream has ended."""
        self._stream.write(event.record(self.content_type))

    def end(self) -> None:
        """Ends the stream in good order."""
        self._stream.end()

    def abort(self) -> None:
        """Breaks the connection, as when the process at this end dies."""
        self._stream.abort()


# Routing


class RequestHandler(Protocol):
    """What serves an endpoint. Like ``http.Handler``, but it may raise ``Refused``."""

    def __call__(self, request: Request, responder: Responder) -> None: ...


#: What libprocess serves beside a master or an agent: processes of their own, whose paths do not exist below others.
_OTHER_PROCESSES = frozenset({"files", "logging", "metrics", "system"})


class Router:
    """Finds the handler of a path as libprocess does.

    ``/<process>/state`` and ``/state`` are the same (but for ``/metrics/snapshot`` and the like, which belong to other
    processes), a trailing slash does not count, and a path without a handler of
    its own is served by that of its longest prefix (``/api/v1/schedulers`` by ``/api/v1``). Percent escapes are decoded
    in the name of the process (``/slave%281%29/state``), and nowhere else. An unknown path is 404 ``404 Not Found.``,
    and so is one with ``/..``. A query that cannot be decoded is 400 on any path.

    ``assets`` finds what serves the parts of a path that has no handler.
    """

    def __init__(
        self,
        process: str,
        routes: Mapping[str, RequestHandler],
        assets: Callable[[tuple[str, ...]], RequestHandler | None] = lambda _: None,
    ) -> None:
        self._process = process
        self._assets = assets
        self._routes = {tuple(path.strip("/").split("/")): handler for path, handler in routes.items()}

    def find(self, path: str) -> RequestHandler | None:
        """The handler for a request's path, or None."""
        if "/.." in path:
            return None
        parts = tuple(part for part in path.split("/") if part)
        if parts and unquote(parts[0]) == self._process:
            parts = parts[1:]
            if parts and parts[0] in _OTHER_PROCESSES:
                return None
        for length in range(len(parts), 0, -1):
            handler = self._routes.get(parts[:length])
            if handler is not None:
                return handler
        return self._assets(parts)

    def paths(self) -> list[str]:
        """All paths that have a handler of their own."""
        return sorted("/" + "/".join(parts) for parts in self._routes)

    def __call__(self, request: Request, responder: Responder) -> None:
        """Serves the request (this makes the router an ``http.Handler``)."""
        try:
            request.query()
        except ValueError as error:
            responder.respond(Response.text(400, f"Failed to decode the request: {error}."))
            return
        handler = self.find(request.path)
        if handler is None:
            responder.respond(Response.text(404, "404 Not Found."))
            return
        try:
            handler(request, responder)
        except Refused as refused:
            responder.respond(refused.response)
