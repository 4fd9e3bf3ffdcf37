"""One request and its answer on a connection: the ``Responder``, ``Stream`` and ``BodyStream`` that handlers hold.

Answers may be given in any order; an exchange whose turn has not come keeps its bytes until those before it are
complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pymesoskit.testing.engine.http.server.heads import GZIP_MINIMUM, LAST_CHUNK, accepts_gzip, chunk, compress, head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pymesoskit.testing.engine.http.handler import BodySource, Headers, Response

#: How much of a source is sent at a time: so much that the connection hands it on at once.
PIECE = 512 * 1024


class Connection(Protocol):
    """What an exchange needs of its connection."""

    def send(self, pieces: list[bytes]) -> None:
        """Sends the bytes of the exchange whose turn it is."""

    def finished(self) -> None:
        """The exchange whose turn it is has been answered in full."""

    def break_off(self) -> None:
        """Breaks the connection."""

    @property
    def ready(self) -> bool:
        """Whether the client takes what is sent now."""

    def date(self) -> str:
        """The line of the Date header."""


class Exchange:
    """A request that is to be answered; see ``http.Responder``."""

    __slots__ = (
        "_accept_encoding",
        "_answered",
        "_closed",
        "_connection",
        "_head_only",
        "_held",
        "_left",
        "_on_close",
        "_source",
        "_version",
        "body",
        "complete",
        "current",
        "keep_alive",
        "streaming",
    )

    def __init__(
        self, connection: Connection, *, version: str, method: str, keep_alive: bool, accept_encoding: str | None
    ) -> None:
        self._connection = connection
        self._version = version
        self._head_only = method == "HEAD"
        self._accept_encoding = accept_encoding
        self._on_close: Callable[[], None] | None = None
        self._held: list[bytes] = []  # what waits for its turn
        self._source: BodySource | None = None  # of the rest of the body
        self._left = 0  # how many bytes of it are to be sent
        self._answered = False
        self._closed = False  # by the other side, or broken off
        self.keep_alive: bool = keep_alive
        self.current: bool = False  # whether its turn has come
        self.complete: bool = False  # whether all of the answer has been given
        self.streaming: bool = False
        self.body: RequestBody | None = None  # of a request whose body goes on arriving

    # Responder

    def respond(self, response: Response) -> None:
        self._begin()
        if response.source is not None:
            self._respond_from(response.source, response)
            return
        body = response.body
        headers = response.headers
        if len(body) >= GZIP_MINIMUM and accepts_gzip(self._accept_encoding):
            body = compress(body)
            headers = (*headers, ("Content-Encoding", "gzip"))
        lines = [self._connection.date(), f"Content-Length: {len(body)}\r\n"]
        pieces = [head(response.status, headers, *lines, self._persistence())]
        if body and not self._head_only:
            pieces.append(body)
        self.complete = True
        self._on_close = None
        self._send(pieces)

    def _respond_from(self, source: BodySource, response: Response) -> None:
        self._source, self._left = source, 0 if self._head_only else source.size
        self.streaming = True
        lines = (self._connection.date(), f"Content-Length: {source.size}\r\n", self._persistence())
        self._on_close = None
        if not self._left or self._closed:
            self._drop_source()
            self.complete = True
        self._send([head(response.status, response.headers, *lines)])
        self.pull()

    def stream(self, status: int, headers: Headers, on_close: Callable[[], None]) -> ResponseStream:
        self._begin()
        chunked = self._version != "1.0"
        if not chunked:
            self.keep_alive = False  # only the end of the connection can end the body
        self.streaming = True
        self._on_close = on_close
        encoding = "Transfer-Encoding: chunked\r\n" if chunked else ""
        self._send([head(status, headers, self._connection.date(), encoding, self._persistence())])
        stream = ResponseStream(self, chunked=chunked, silent=self._head_only)
        if self._closed:
            on_close()
        elif self._head_only:
            stream.end()
        return stream

    def on_close(self, callback: Callable[[], None]) -> None:
        if not self.complete and not self._closed:
            self._on_close = callback

    # For the stream

    def write(self, pieces: list[bytes]) -> None:
        """Sends more of a streaming answer."""
        self._send(pieces)

    def end(self, pieces: list[bytes]) -> None:
        """Sends the last of a streaming answer."""
        self.complete = True
        self._on_close = None
        self._send(pieces)

    def abort(self) -> None:
        """Breaks the connection."""
        self._drop_source()
        self._on_close = None
        self.complete = True
        self._connection.break_off()

    @property
    def over(self) -> bool:
        """Whether nothing can be sent any more."""
        return self.complete or self._closed

    # For the connection

    def pull(self) -> None:
        """Sends more of a body that is read meanwhile, as long as the client takes it."""
        while self._source is not None and self.current and self._connection.ready:
            try:
                data = self._source.read(min(PIECE, self._left))
            except OSError:
                data = b""
            if not data:  # it has become shorter than was promised
                self.abort()
                return
            self._left -= len(data)
            if not self._left:
                self._drop_source()
                self.complete = True
            self._send([data])

    @property
    def watched(self) -> bool:
        """Whether the handler is to be told when the client goes away."""
        return self._on_close is not None

    def take_turn(self) -> None:
        """All before it has been sent: its own bytes may leave."""
        self.current = True
        held, self._held = self._held, []
        self._send(held)
        self.pull()

    def closed(self) -> None:
        """The connection is gone."""
        self._closed = True
        self._held = []
        self._drop_source()
        callback, self._on_close = self._on_close, None
        if self.body is not None:
            self.body.end()
        if callback is not None:
            callback()

    def _drop_source(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def _begin(self) -> None:
        if self._answered:
            raise RuntimeError("a request is answered once")
        self._answered = True

    def _persistence(self) -> str:
        if not self.keep_alive:
            return "Connection: close\r\n"
        return "Connection: keep-alive\r\n" if self._version == "1.0" else ""

    def _send(self, pieces: list[bytes]) -> None:
        if self._closed:
            return
        if not self.current:
            self._held += pieces
            return
        if pieces:
            self._connection.send(pieces)
        if self.complete:
            self._connection.finished()


class ResponseStream:
    """A streaming answer; see ``http.Stream``."""

    __slots__ = ("_chunked", "_exchange", "_silent")

    def __init__(self, exchange: Exchange, *, chunked: bool, silent: bool) -> None:
        self._exchange = exchange
        self._chunked = chunked
        self._silent = silent  # the answer to HEAD

    def write(self, data: bytes | Iterable[bytes]) -> None:
        if self._exchange.over or self._silent:
            return
        pieces = [data] if isinstance(data, bytes) else list(data)
        self._exchange.write(chunk(pieces) if self._chunked else pieces)

    def end(self) -> None:
        if not self._exchange.over:
            self._exchange.end([LAST_CHUNK] if self._chunked and not self._silent else [])

    def abort(self) -> None:
        if not self._exchange.over:
            self._exchange.abort()

    @property
    def closed(self) -> bool:
        return self._exchange.over


class RequestBody:
    """A request body that goes on arriving; see ``http.BodyStream``. What comes before somebody listens is kept."""

    __slots__ = ("_ended", "_held", "_on_data", "_on_end")

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._ended = False
        self._on_data: Callable[[bytes], None] | None = None
        self._on_end: Callable[[], None] | None = None

    def listen(self, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self._on_data, self._on_end = on_data, on_end
        held, self._held = self._held, []
        for data in held:
            on_data(data)
        if self._ended:
            on_end()

    @property
    def held(self) -> int:
        """How many bytes wait for a listener."""
        return sum(map(len, self._held))

    def feed(self, data: bytes) -> None:
        """More has arrived."""
        if self._on_data is None:
            self._held.append(data)
        else:
            self._on_data(data)

    def end(self) -> None:
        """It has ended, or the connection has."""
        if not self._ended:
            self._ended = True
            if self._on_end is not None:
                self._on_end()
