"""HTTP as master and agents see it: no sockets, no bytes on a wire.

The front end (``server/``) and the in-process transport turn what they get into a ``Request`` and hand it to a
``Handler`` in the actor's turn, with a ``Responder`` for the answer. A handler answers exactly once: at once or later
(long polls), whole or as a stream. The front end adds ``Date``, ``Content-Length``, chunking and gzip, and keeps the
order of answers on a connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from attrs import field, frozen

from pymesoskit.testing.engine.http.forms import decode_form

Headers = tuple[tuple[str, str], ...]


@frozen
class Request:
    """A request whose body has arrived in full, or (``body_stream``) goes on arriving."""

    method: str
    target: str  # path and query, as sent
    headers: Headers = ()  # names in lower case, in order
    body: bytes = b""
    body_stream: BodyStream | None = None  # only for Content-Type application/recordio; ``body`` is empty then
    connection: object = field(default=None, eq=False, repr=False)  # the same for all requests on one connection
    path: str = field(init=False)  # without the query, not unquoted

    @path.default
    def _path(self) -> str:
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """The value of the last header of that (lower-case) name."""
        return next((value for key, value in reversed(self.headers) if key == name), None)

    def query(self) -> dict[str, str]:
        """The query's parameters, decoded; of several of one name the last. Raises ``ValueError`` for a bad escape:
        who routes requests has seen to it that handlers get none.
        """
        return decode_form(self.target.partition("?")[2].encode("latin-1"))


class BodySource(Protocol):
    """A body that is read while it is sent, because it may be larger than memory."""

    @property
    def size(self) -> int:
        """How many bytes it has."""

    def read(self, count: int) -> bytes:
        """The next bytes, at most so many; none if there are no more after all."""

    def close(self) -> None:
        """It is not needed any more."""


@frozen
class Response:
    """A whole answer."""

    status: int
    body: bytes = b""
    headers: Headers = ()
    source: BodySource | None = None  # of the body, in place of ``body``

    def whole_body(self) -> bytes:
        """The body in one piece; a source is used up by that."""
        if self.source is None:
            return self.body
        try:
            return self.source.read(self.source.size)
        finally:
            self.source.close()

    @classmethod
    def text(cls, status: int, text: str, headers: Headers = ()) -> Response:
        """An answer in plain text: how Mesos tells of errors. Bytes of a request that were no UTF-8 go back as they
        came.
        """
        body = text.encode(errors="surrogateescape")
        return cls(status, body, (("Content-Type", "text/plain; charset=utf-8"), *headers))

    @classmethod
    def json(cls, text: str | bytes, status: int = 200) -> Response:
        """An answer whose body is a JSON document, already written."""
        return cls(status, text.encode() if isinstance(text, str) else text, (("Content-Type", "application/json"),))

    @classmethod
    def jsonp(cls, text: str | bytes, function: str | None) -> Response:
        """The same, wrapped into the call of a function if one is named (``?jsonp=``)."""
        if function is None:
            return cls.json(text)
        body = text.encode() if isinstance(text, str) else text
        wrapped = b"%b(%b)" % (function.encode("utf-8", "surrogateescape"), body)
        return cls(200, wrapped, (("Content-Type", "text/javascript"),))


class BodyStream(Protocol):
    """A request body that goes on arriving."""

    def listen(self, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        """``on_data`` gets each piece, ``on_end`` is called once when the body or the connection ends."""


class Stream(Protocol):
    """A streaming answer, as the one who writes it holds it. All in the actor's turn."""

    def write(self, data: bytes | Iterable[bytes]) -> None:
        """Sends the bytes (each of several as they are, in one go). Ignored when the stream has ended."""

    def end(self) -> None:
        """Ends the answer in good order."""

    def abort(self) -> None:
        """Breaks the connection at once."""

    @property
    def closed(self) -> bool:
        """Whether it has ended, by either side."""


class Responder(Protocol):
    """Where the answer to one request goes."""

    def respond(self, response: Response) -> None:
        """Answers in full."""

    def stream(self, status: int, headers: Headers, on_close: Callable[[], None]) -> Stream:
        """Begins a streaming answer. ``on_close`` is called once if the *other* side ends it."""

    def on_close(self, callback: Callable[[], None]) -> None:
        """``callback`` is called once if the client goes away before a late answer was given."""

    def abort(self) -> None:
        """Breaks the connection without an answer."""


def admits(header: str, *candidates: str) -> bool:
    """Whether a header that lists what a client wants (``Accept``, ``Accept-Encoding``) admits something.

    ``candidates`` are its names in lower case, the most specific one first. The first of them that is listed decides,
    by its first entry: it is wanted unless its ``q`` is no number above 0. What is not listed is not wanted. Source:
    docs/reference/scheduler-api.md 1.1.
    """
    entries = [entry.split(";") for entry in header.translate(_NO_SPACE).split(",")]
    for candidate in candidates:
        for name, *parameters in entries:
            if name.lower() == candidate:
                weights = [value for key, _, value in (each.partition("=") for each in parameters) if key == "q"]
                return len(weights) != 1 or _is_positive(weights[0])
    return False


_NO_SPACE = str.maketrans("", "", " \t\n")


def _is_positive(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False


#: What serves an address: ``handler(request, responder)``, in the actor's turn.
Handler = Callable[[Request, Responder], None]
