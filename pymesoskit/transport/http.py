"""HTTP/1.1 over real sockets: a thread with an event loop, and pipelining connections.

Made for many small calls: heads are rendered once per connection, what one turn posts leaves in one write, and the
answer that Mesos gives to nearly every call (202 without a body, the same bytes for a whole second) is recognised by
comparing bytes; only others are parsed, by httptools. Nothing here knows what is in a body. Rules: docs/reference
scheduler-api.md 1.1.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import httptools
from attrs import frozen

from pymesoskit.transport.deaths import announce
from pymesoskit.transport.errors import (
    ConnectFailed,
    ConnectionClosed,
    ConnectionLost,
    DriverStateError,
    LocalError,
    TransportError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.transport.address import Address
    from pymesoskit.transport.base import Head, Headers, Reply, Sink, Timer
    from pymesoskit.transport.deaths import Death, Peer

__all__ = ["HttpTransport"]

_log = logging.getLogger(__name__)

#: Bytes that the head of an answer may have, and the body of an answer to a call; more of it breaks the connection.
HEAD_LIMIT = 1 << 18
BODY_LIMIT = 1 << 24


@frozen
class HttpTransport:
    """HTTP over TCP, TLS (``https``) or a unix socket. ``tls`` is the context for ``https`` addresses; None takes
    Python's default.
    """

    connect_timeout: float = 5.0  # seconds
    tls: ssl.SSLContext | None = None

    def reactor(self, name: str) -> ThreadReactor:
        return ThreadReactor(name, self)


class ThreadReactor:
    """A thread with an asyncio event loop. The thread is a daemon: a program that ends without ending its driver does
    not hang.
    """

    threaded = True

    def __init__(self, name: str, transport: HttpTransport) -> None:
        self.chance: random.Random = random.Random()  # noqa: S311  # waits, not secrets
        self._name = name
        self._transport = transport
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._connections: set[HttpConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._peers: set[Peer] = set()  # all that it has been connected to
        self._stopping = False

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def hand_over(self, callback: Callable[..., object], *args: Any) -> None:
        self.post(callback, *args)

    def post(self, callback: Callable[..., object], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing runs any more
            self._loop.call_soon_threadsafe(callback, *args)

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        return self._loop.call_later(delay, callback, *args)

    def connect(
        self, address: Address, on_open: Callable[[], None], on_lost: Callable[[TransportError], None]
    ) -> HttpConnection:
        connection = HttpConnection(address, on_open, on_lost, self._connections)
        task = self._loop.create_task(self._open(connection, address))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return connection

    async def _open(self, connection: HttpConnection, address: Address) -> None:
        try:
            async with asyncio.timeout(self._transport.connect_timeout):
                if address.scheme == "unix":
                    await self._loop.create_unix_connection(lambda: connection, address.host)
                else:
                    secure = (
                        (self._transport.tls or ssl.create_default_context()) if address.scheme == "https" else None
                    )
                    transport, _ = await self._loop.create_connection(
                        lambda: connection, address.host, address.port, ssl=secure
                    )
                    if (peer := transport.get_extra_info("peername")) is not None:
                        self._peers.add(peer[:2])
        except TimeoutError:
            connection.not_made(ConnectFailed(f"{address}: no connection within {self._transport.connect_timeout:g} s"))
        except OSError as error:
            connection.not_made(ConnectFailed(f"{address}: {error.strerror or error}"))
        except UnicodeError as error:
            connection.not_made(ConnectFailed(f"{address}: the host name is not valid: {error}"))

    def start(self, on_crash: Callable[[BaseException], None]) -> None:
        if self._thread.ident is not None:
            raise DriverStateError("already started")

        def crashed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if isinstance(error, BaseException):
                on_crash(error)
            else:
                loop.default_exception_handler(context)

        self._loop.set_exception_handler(crashed)
        self._thread.start()

    def stop(self) -> None:
        if self._thread.ident is None:
            self._loop.close()
            return
        self.post(self._stop_loop)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def died(self, death: Death) -> None:
        announce(self._peers.copy(), death)

    def _stop_loop(self) -> None:
        if not self._stopping:  # a second time would cut the closing short
            self._stopping = True
            self._loop.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._close())
        finally:
            self._loop.close()

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in list(self._connections):
            connection.close(ConnectionLost("this side has ended"))
        await asyncio.sleep(0)  # transports close in a callback of their own


class _own_errors:  # noqa: N801  # used like a function; a class costs less per read than a generator
    """Around what is called back: asyncio takes an ``OSError`` out of a protocol for a failure of the socket, closes it
    and says nothing. Here it is somebody's else, a store on a full disk for example, and has to end the reactor's user.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise LocalError(f"{type(error).__name__}: {error}") from error


class HttpConnection(asyncio.Protocol):
    """One ordered, pipelined keep-alive connection."""

    def __init__(
        self,
        address: Address,
        on_open: Callable[[], None],
        on_lost: Callable[[TransportError], None],
        registry: set[HttpConnection],
    ) -> None:
        self._address = address
        self._on_open = on_open
        self._on_lost = on_lost
        self._registry = registry
        self._transport: asyncio.Transport | None = None
        self._closed = False
        self._out: list[bytes] = []
        self._flush_posted = False
        self._head: Head | None = None  # the one rendered last
        self._rendered = b""
        self._replies: deque[Reply] = deque()
        self._sink: Sink | None = None
        # What is being read.
        self._parser = httptools.HttpResponseParser(self)
        self._between = True  # two answers
        self._known = b""  # the bytes of an answer without a body, as last seen
        self._known_status = 0
        self._known_headers: Headers = ()
        self._rest = b""  # the beginning of an answer that so far looks like the known one
        self._headers: list[tuple[str, str]] = []
        self._head_size = 0
        self._body: list[bytes] = []
        self._body_size = 0
        self._stream_body: list[bytes] = []

    # What is sent.

    @property
    def oldest(self) -> Reply | None:
        return self._replies[0] if self._replies else None

    def post(self, head: Head, body: bytes, reply: Reply) -> None:
        if self._closed:
            reply.on_failure(ConnectionLost(f"{self._address}: the connection is closed"), sent=False)
            return
        self._replies.append(reply)
        if head is not self._head:
            self._render(head)
        self._out.append(b"%b%d\r\n\r\n%b" % (self._rendered, len(body), body))
        if not self._flush_posted and self._transport is not None:
            self._flush_posted = True
            asyncio.get_running_loop().call_soon(self._flush)

    def stream(self, head: Head, body: bytes, sink: Sink) -> None:
        self._sink = sink
        self._render(head)
        self._out.append(b"%b%d\r\n\r\n%b" % (self._rendered, len(body), body))
        if self._transport is not None:
            self._flush()

    def _render(self, head: Head) -> None:
        lines = [f"POST {head.target} HTTP/1.1", f"Host: {self._address.netloc}"]
        lines += [f"{name}: {value}" for name, value in head.headers]
        self._head = head
        self._rendered = ("\r\n".join(lines) + "\r\nContent-Length: ").encode("latin-1")

    def _flush(self) -> None:
        self._flush_posted = False
        if self._transport is not None and self._out:
            out, self._out = self._out, []
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    def pause(self) -> None:
        if self._transport is not None and not self._closed:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._closed:
            self._transport.resume_reading()

    # How it ends.

    def close(self, reason: TransportError) -> None:
        if self._closed:
            return
        self._closed = True
        self._registry.discard(self)
        if self._transport is not None:
            self._transport.abort()
        self._fail_replies(reason)

    def not_made(self, error: TransportError) -> None:
        """The connection could not be made."""
        self._lost(error)

    def _lost(self, error: TransportError) -> None:
        if self._closed:
            return
        self._closed = True
        self._registry.discard(self)
        self._fail_replies(error)
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.on_end(error)
        self._on_lost(error)

    def _fail_replies(self, error: TransportError) -> None:
        sent = self._transport is not None
        unsent = len(self._out) if not isinstance(error, ConnectFailed) else len(self._replies)
        replies, self._replies = self._replies, deque()
        safe = 0 if isinstance(error, ConnectionClosed) else len(replies) - unsent
        for number, reply in enumerate(replies):
            reply.on_failure(error, sent=sent and number < safe)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self._closed:
            transport.abort()
            return
        self._transport = transport
        self._registry.add(self)
        self._flush()
        with _own_errors():
            self._on_open()

    def connection_lost(self, exc: Exception | None) -> None:
        with _own_errors():
            self._connection_lost(exc)

    def _connection_lost(self, exc: Exception | None) -> None:
        if exc is None and not self._replies and self._sink is not None and not self._between:
            # An answer without a length ends with the connection: behind some proxies streams do.
            sink, self._sink = self._sink, None
            sink.on_end(None)
        reason = f"{self._address}: " + (
            f"the connection broke: {exc}" if exc is not None else "the other side closed the connection"
        )
        self._lost(ConnectionLost(reason))

    def data_received(self, data: bytes) -> None:
        with _own_errors():
            self._data_received(data)

    def _data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
            self._rest = b""
        try:
            while data and not self._closed:
                if self._between and self._known:
                    data = self._take_known(data)
                    if not data:
                        break
                data = self._parse_some(data)
        except httptools.HttpParserCallbackError as error:
            raise (error.__context__ or error) from None  # not the other side's fault
        except httptools.HttpParserError as error:
            if not self._closed:
                self._break(f"the answer is not HTTP: {error!r}")

    def _closed_by_answer(self) -> None:
        """The other side reads nothing behind the call that it has just answered (RFC 9112, 9.6)."""
        if self._closed:
            return
        if self._transport is not None:
            self._transport.abort()
        self._out.clear()
        self._lost(ConnectionClosed(f"{self._address}: the other side has closed the connection after an answer"))

    def _break(self, problem: str) -> None:
        """The other side does not keep to HTTP."""
        if self._transport is not None:
            self._transport.abort()
        self._lost(ConnectionLost(f"{self._address}: {problem}"))

    def _take_known(self, data: bytes) -> bytes:
        """Takes all answers at the beginning that equal the known one; returns the rest."""
        known = self._known
        size, at = len(known), 0
        replies, status, headers = self._replies, self._known_status, self._known_headers
        while data.startswith(known, at):
            if not replies:
                self._break("an answer to nothing came")
                return b""
            at += size
            replies.popleft().on_reply(status, headers, b"")
            if self._closed:
                return b""
        if at:
            data = data[at:]
        if 0 < len(data) < size and known.startswith(data):
            self._rest = data
            return b""
        return data

    def _parse_some(self, data: bytes) -> bytes:
        """Parses one answer without a body if there is one at the beginning, else everything; returns what was not
        parsed.
        """
        if self._between and self._sink is None:
            end = data.find(b"\r\n\r\n") + 4
            if end >= 4:
                self._parse_first(data if end == len(data) else data[:end])
                return data[end:]
        self._parser.feed_data(data)
        if self._stream_body:
            body, self._stream_body = self._stream_body, []
            if self._sink is not None:
                self._sink.on_data(body[0] if len(body) == 1 else b"".join(body))
        return b""

    def _parse_first(self, head: bytes) -> None:
        """Parses the head of an answer; if that is all of it, the same bytes will be known next time."""
        self._parser.feed_data(head)
        if self._between and not self._closed:
            self._known, self._known_status = head, self._parser.get_status_code()
            self._known_headers = tuple(self._headers)

    # httptools' callbacks

    def on_message_begin(self) -> None:
        self._between = False
        self._head_size = 0
        self._body_size = 0
        self._headers = []
        self._body = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_size += len(name) + len(value)
        if self._head_size > HEAD_LIMIT:
            self._break(f"the head of an answer is longer than {HEAD_LIMIT} bytes")
        elif not self._closed:
            self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        if self._sink is not None and not self._closed:
            self._sink.on_head(self._parser.get_status_code(), tuple(self._headers))

    def on_body(self, body: bytes) -> None:
        if self._sink is not None:
            self._stream_body.append(body)
            return
        self._body_size += len(body)
        if self._body_size > BODY_LIMIT:
            self._break(f"the answer to a call is longer than {BODY_LIMIT} bytes")
        elif not self._closed:
            self._body.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200 or self._closed:
            return
        self._between = True
        if self._sink is not None:
            sink, self._sink = self._sink, None
            if self._stream_body:
                body, self._stream_body = self._stream_body, []
                sink.on_data(b"".join(body))
            sink.on_end(None)
            return
        if not self._replies:
            self._break("an answer to nothing came")
            return
        headers = tuple(self._headers)
        self._replies.popleft().on_reply(status, headers, b"".join(self._body))
        if _closes(headers, self._parser.get_http_version()):
            self._closed_by_answer()


def _closes(headers: Headers, version: str) -> bool:
    """Whether an answer with these headers is the last on its connection (RFC 9112, 9.3)."""
    options = {option.strip() for name, value in headers if name == "connection" for option in value.lower().split(",")}
    return "close" in options or (version == "1.0" and "keep-alive" not in options)
