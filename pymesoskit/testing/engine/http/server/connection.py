"""One client's connection: bytes to requests and answers back, in order, within bounds.

HTTP/1.1 with keep-alive, pipelining, chunked and compressed bodies both ways, 100-continue. A request that cannot be
read is answered with 4xx and the connection ends; nothing that a client sends raises. What requests mean is the
handler's business. Source: docs/reference/scheduler-api.md 1.1.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import zlib
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools
from attrs import frozen

from pymesoskit.testing.engine.http.forms import decode_form
from pymesoskit.testing.engine.http.handler import Request, Response
from pymesoskit.testing.engine.http.server.exchange import Exchange, RequestBody

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.http.handler import Handler
    from pymesoskit.testing.engine.http.web_pages import WebPages

#: Bytes of answers that are gathered before they leave.
FLUSH_SIZE = 256 * 1024

#: Seconds for which a client's bytes are still taken after the last answer.
LINGER = 1.0

#: To zlib: a gzip header, and the largest window.
_GZIP = 31

#: A request body of this type is handed to the handler while it arrives.
RECORDIO = "application/recordio"

#: Bodies of these types may be as large as ``Limits.body``.
_LARGE_TYPES = frozenset({RECORDIO, "application/x-protobuf"})


@frozen
class Limits:
    """How much of the cluster's memory one client may take."""

    head: int = 64 * 1024  # bytes of a request's line and headers
    body: int = 128 * 1024 * 1024  # bytes of a request's body in protobuf, or of records that have not been read
    text: int = 8 * 1024 * 1024  # bytes of any other body: reading JSON takes a second for so many, and others wait
    unread: int = 128 * 1024 * 1024  # bytes sent to a client that it has not read; beyond, its connection is broken
    pipelined: int = 64  # requests under way on one connection; further ones wait


class Site:
    """What all connections to one address share."""

    __slots__ = ("connections", "date", "frozen", "handler", "happened", "life", "limits", "note", "pages", "report")

    def __init__(
        self,
        handler: Handler,
        *,
        pages: WebPages,
        limits: Limits,
        date: Callable[[], str],
        note: Callable[[str], None],
        report: Callable[[BaseException], None],
        happened: Callable[[], None],
    ) -> None:
        self.handler: Handler = handler
        self.pages: WebPages = pages
        self.limits: Limits = limits
        self.date: Callable[[], str] = date
        self.note: Callable[[str], None] = note
        self.report: Callable[[BaseException], None] = report
        self.happened: Callable[[], None] = happened
        self.frozen: bool = False
        self.life: int = 0  # grows when all connections are broken
        self.connections: set[ServerConnection] = set()


class ServerConnection(asyncio.Protocol):
    """One connection of a client: parses requests, hands them to the handler, sends the answers in order."""

    def __init__(self, site: Site, loop: asyncio.AbstractEventLoop, life: int | None = None) -> None:
        self._site = site
        self._life = site.life if life is None else life  # when it was accepted
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._here: tuple[str, int] | None = None  # the IP address and port that the client connected to
        self._parser = httptools.HttpRequestParser(self)
        self._exchanges: deque[Exchange] = deque()  # in the order of their requests; the first one's turn it is
        self._waiting: deque[tuple[Request | Response, Exchange]] = deque()  # read, but not yet handed to the handler
        self._out: list[bytes] = []  # what leaves in one go
        self._out_size = 0
        self._flushing = False  # whether a flush is due
        self._reading = False  # whether bytes are being parsed: what is answered meanwhile leaves in one go
        self._writable = True
        self._paused = False
        self._dispatching = False
        self._settling = False  # whether complete answers are being taken off
        self._closing = False  # no further requests are read
        self._ending = False  # nothing more is sent
        self._reset_message()

    def _reset_message(self) -> None:
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._message = object()  # tells one message from the next
        self._head_size = 0  # what is known of its head
        self._unfinished_size = 0  # what arrived of a line of it that has not ended
        self._in_head = False
        self._body: list[bytes] = []
        self._body_size = 0
        self._exchange: Exchange | None = None  # of the request that is being read
        self._body_limit = self._site.limits.body
        self._streamed: RequestBody | None = None
        self._unpack: zlib._Decompress | None = None  # of a body that is compressed
        self._undecodable = False  # the body says that it is compressed, and is not

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._life != self._site.life:  # accepted, and then the process at this end died
            self._closing = self._ending = True
            self._transport.abort()
            return
        address = transport.get_extra_info("sockname")
        self._here = address[:2] if isinstance(address, tuple) else None
        self._transport.set_write_buffer_limits(high=FLUSH_SIZE)
        self._site.connections.add(self)
        if self._site.frozen:
            self.freeze()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self._reading = True
        try:
            self._parse(data)
        except _RefusedError as refused:
            self._refuse(refused.status, refused.text)
        except httptools.HttpParserError as error:
            cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else None
            if isinstance(cause, _LastRequestError):
                self._closing = True  # what follows is not read
            elif isinstance(cause, _RefusedError):
                self._refuse(cause.status, cause.text)
            elif cause is not None:
                self._site.report(cause)
                self._refuse(500, "")
            else:
                self._refuse(400, f"Failed to decode the request: {str(error).rstrip('.')}.")
        finally:
            self._reading = False
            self._dispatch()
            self._flush()
            if self._closing and not self._exchanges and not self._waiting:
                self._end()

    def eof_received(self) -> bool:
        """The client sends nothing more. It still gets whole answers; but a subscriber that closes its side is gone,
        and so is who waits for something that the handler would stop for a client that is gone.
        """
        self._closing = True
        pending = [exchange for exchange in self._exchanges if not exchange.complete]
        return bool(pending) and self._exchange is None and not any(exchange.watched for exchange in pending)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._site.connections.discard(self)
        self._transport = None
        self._closing = True
        self._out.clear()
        self._waiting.clear()
        exchanges, self._exchanges = self._exchanges, deque()
        for exchange in exchanges:
            self._guarded(exchange.closed)
        self._site.happened()

    def pause_writing(self) -> None:
        self._writable = False
        self._update_reading()

    def resume_writing(self) -> None:
        self._writable = True
        if self._ending:
            self._half_close()
            return
        self._pull()
        self._dispatch()
        self._update_reading()

    # httptools

    def on_message_begin(self) -> None:
        self._reset_message()
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        self._count_head(len(url))
        self._target += url

    def on_header(self, name: bytes, value: bytes | None) -> None:
        value = value or b""
        self._count_head(len(name) + len(value) + 4)
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._parser.get_http_version() not in {"1.0", "1.1"}:
            raise _RefusedError(400, "Failed to decode the request: its HTTP version is neither 1.0 nor 1.1")
        if self._parser.should_upgrade():
            return  # `_parse` goes on with it
        self._take_authority_of_target()
        if b"%" in self._target and not _is_decodable(self._target):
            self._reset_message()
            raise _LastRequestError  # and no answer to it, as in Mesos
        headers = dict(reversed(self._headers))  # the first of each name
        refusal = self._site.pages.refusal(self._target.decode("latin-1"), headers, self._here)
        if refusal is not None:
            raise _RefusedError(refusal.status, refusal.text)
        content_type, length = headers.get("content-type"), headers.get("content-length", "")
        if content_type not in _LARGE_TYPES:
            self._body_limit = min(self._site.limits.text, self._body_limit)
        if length.isdigit() and int(length) > self._body_limit and content_type != RECORDIO:
            raise self._body_too_large()
        method = self._parser.get_method().decode("latin-1")
        self._exchange = Exchange(
            self,
            version=self._parser.get_http_version(),
            method=method,
            keep_alive=bool(self._parser.should_keep_alive()),
            accept_encoding=headers.get("accept-encoding"),
        )
        if headers.get("content-encoding") == "gzip":
            self._unpack = zlib.decompressobj(wbits=_GZIP)
        if headers.get("expect", "").strip().lower() == "100-continue" and not self._exchanges:
            self._out.append(b"HTTP/1.1 100 Continue\r\n\r\n")
        if content_type == RECORDIO:
            self._streamed = self._exchange.body = RequestBody()
            self._take(method, self._exchange)

    def on_body(self, data: bytes) -> None:
        if self._undecodable:
            return
        if self._unpack is not None:
            try:
                data = self._unpack.decompress(data, self._body_limit)
            except zlib.error:
                self._cannot_decode()
                return
            if self._unpack.unconsumed_tail:
                raise self._body_too_large()
        if self._streamed is not None:
            self._guarded(lambda: self._streamed.feed(data) if self._streamed else None)
            if self._streamed.held > self._site.limits.body:
                raise self._body_too_large()
            return
        self._body_size += len(data)
        if self._body_size > self._body_limit:
            raise self._body_too_large()
        self._body.append(data)

    def on_message_complete(self) -> None:
        exchange = self._exchange
        if exchange is None or self._parser.should_upgrade():
            return
        if self._unpack is not None and not self._unpack.eof and not self._undecodable:
            self._cannot_decode()
        if self._undecodable:
            self._waiting.append((Response.text(500, "failed to decode body"), exchange))
            self._dispatch()
        elif self._streamed is not None:
            self._guarded(self._streamed.end)
        else:
            self._take(self._parser.get_method().decode("latin-1"), exchange)
        self._reset_message()
        if not exchange.keep_alive:
            raise _LastRequestError

    # Exchanges

    def send(self, pieces: list[bytes]) -> None:
        self._out += pieces
        self._out_size += sum(map(len, pieces))
        if self._out_size > FLUSH_SIZE:
            self._flush()  # so that it shows at once if the client does not read
        elif not self._reading and not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def finished(self) -> None:
        if self._settling:
            return  # it was the next one's turn, and it was complete already: the loop below goes on with it
        self._settling = True
        exchanges = self._exchanges
        while exchanges and exchanges[0].complete:
            if not exchanges.popleft().keep_alive:
                self._end()
                break
            if exchanges:
                exchanges[0].take_turn()
        self._settling = False
        if not self._dispatching:
            self._dispatch()
        if not self._reading:
            self._flush()  # at once: a stream that a TEARDOWN ends has ended before the call is answered
        if self._closing and not exchanges and not self._waiting and not self._reading:
            self._end()

    def break_off(self) -> None:
        """Breaks the connection: what was sent before may still arrive, the answer stays incomplete."""
        if self._transport is not None:
            self._flush()
            self._transport.abort()

    def date(self) -> str:
        return self._site.date()

    # The server

    def reset(self) -> None:
        """Breaks the connection with RST: the client sees an error, not an end."""
        if self._transport is not None:
            raw = self._transport.get_extra_info("socket")
            if raw is not None and raw.family != socket.AF_UNIX:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    @property
    def ready(self) -> bool:
        """Whether the client takes what is sent now."""
        transport = self._transport
        return self._writable and not self._site.frozen and transport is not None and not transport.is_closing()

    def _pull(self) -> None:
        if self._exchanges:
            self._exchanges[0].pull()

    def freeze(self) -> None:
        """Neither reads nor sends until ``thaw``."""
        self._update_reading()

    def thaw(self) -> None:
        """Goes on."""
        self._update_reading()
        self._flush()
        self._pull()

    # Inside

    def _parse(self, data: bytes) -> None:
        while data:
            unfinished = self._message if self._in_head else None
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._head_without_upgrade() + data[upgrade.args[0] :]
                self._parser = httptools.HttpRequestParser(self)
                continue
            if self._in_head and self._message is unfinished:  # all of it went into a line that has not ended yet
                self._unfinished_size += len(data)
                if self._unfinished_size > self._site.limits.head:
                    raise self._head_too_large()
            return

    def _head_without_upgrade(self) -> bytes:
        """The head of the request that was just read, as if it did not offer to speak something else."""
        method, version = self._parser.get_method(), self._parser.get_http_version().encode()
        if method == b"CONNECT":
            raise _RefusedError(405, "This is not a proxy.")
        lines = []
        for name, value in self._headers:
            if name == "connection":
                kept = [option for option in value.split(",") if option.strip().lower() != "upgrade"]
                lines.append(f"{name}: {','.join(kept)}\r\n" if kept else "")
            elif name != "upgrade":
                lines.append(f"{name}: {value}\r\n")
        return b"%s %s HTTP/%s\r\n%s\r\n" % (method, self._target, version, "".join(lines).encode("latin-1"))

    def _take_authority_of_target(self) -> None:
        """A target in absolute form (``http://host/path``, as for a proxy) is one at that host, whatever ``Host`` says
        (RFC 9112, 3.2.2).
        """
        if self._target.startswith(b"/"):
            return
        scheme, separator, rest = self._target.partition(b"://")
        if separator and scheme.lower() in {b"http", b"https"}:
            authority = re.split(rb"[/?#]", rest, maxsplit=1)[0]
            path = rest[len(authority) :]
            self._target = path if path.startswith(b"/") else b"/" + path
            host = ("host", authority.decode("latin-1"))
            self._headers = [host, *(header for header in self._headers if header[0] != "host")]

    def _cannot_decode(self) -> None:
        """The body is not what it says. A handler that is reading it while it arrives cannot be told; its client is."""
        if self._streamed is not None:
            raise _RefusedError(500, "failed to decode body")
        self._undecodable = True
        self._body.clear()

    def _count_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self._site.limits.head:
            raise self._head_too_large()

    def _head_too_large(self) -> _RefusedError:
        return _RefusedError(431, f"The request's head is larger than {self._site.limits.head} bytes.")

    def _body_too_large(self) -> _RefusedError:
        limits = self._site.limits
        more = f" In protobuf, up to {limits.body} bytes are taken." if self._body_limit < limits.body else ""
        return _RefusedError(413, f"The request's body is larger than {self._body_limit} bytes.{more}")

    def _take(self, method: str, exchange: Exchange) -> None:
        """A request has been read (or its head, if its body goes on arriving)."""
        body = b"" if self._streamed is not None else b"".join(self._body)
        target = self._target.decode("latin-1")
        request = Request(method, target, tuple(self._headers), body, self._streamed, connection=self)
        self._waiting.append((request, exchange))
        self._dispatch()

    def _dispatch(self) -> None:
        """Hands waiting requests to the handler, as many as may be under way."""
        if self._dispatching:
            return
        self._dispatching = True
        try:
            while self._waiting and self._writable and len(self._exchanges) < self._site.limits.pipelined:
                request, exchange = self._waiting.popleft()  # or the answer, if it could not be read
                self._exchanges.append(exchange)
                exchange.current = len(self._exchanges) == 1
                if isinstance(request, Response):
                    exchange.respond(request)
                    continue
                try:
                    self._site.handler(request, exchange)
                except Exception as error:  # noqa: BLE001 (whatever a request did, the server goes on)
                    self._site.report(error)
                    if exchange.streaming:
                        exchange.abort()
                    elif not exchange.over:
                        exchange.respond(Response(500))
        finally:
            self._dispatching = False
            self._site.happened()
        self._update_reading()

    def _guarded(self, callback: Callable[[], object]) -> None:
        try:
            callback()
        except Exception as error:  # noqa: BLE001 (as above)
            self._site.report(error)

    def _refuse(self, status: int, text: str) -> None:
        """Answers what could not be read as a request, after those before it, and ends."""
        self._closing = True
        exchange = Exchange(self, version="1.1", method="GET", keep_alive=False, accept_encoding=None)
        response = Response.text(status, text)
        refused = self._exchange
        if refused is not None and refused in self._exchanges:  # its body was arriving while it was served
            if refused.over or refused.streaming:
                self.break_off()
                return
            refused.keep_alive = False
            refused.respond(response)
            return
        if self._waiting and self._waiting[-1][1] is refused:  # its body was arriving while it waited
            self._waiting.pop()
        self._waiting.append((response, exchange))
        self._dispatch()

    def _end(self) -> None:
        """Nothing more is sent. What the client still sends is thrown away for a while: were the connection closed
        while something is unread, the client might see an error in place of the answer.
        """
        self._closing = True
        transport = self._transport
        if transport is None or transport.is_closing() or self._ending:
            return
        self._ending = True
        self._flush()
        if transport.can_write_eof():
            transport.set_write_buffer_limits(high=0)  # resume_writing is called when all has left
            self._half_close()
            self._loop.call_later(LINGER, transport.close)
        else:
            transport.close()

    def _half_close(self) -> None:
        """Tells the client that nothing more comes, once all has left. It may be gone by then."""
        transport = self._transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size():
            return
        try:
            transport.write_eof()
        except OSError:
            transport.abort()

    def _update_reading(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        pause = self._site.frozen or not self._writable or len(self._waiting) >= self._site.limits.pipelined
        if pause != self._paused:
            self._paused = pause
            if pause:
                transport.pause_reading()
            else:
                transport.resume_reading()

    def _flush(self) -> None:
        self._flushing = False
        transport = self._transport
        if not self._out or transport is None or self._site.frozen:
            return
        out, self._out, self._out_size = self._out, [], 0
        transport.write(out[0] if len(out) == 1 else b"".join(out))
        unread = transport.get_write_buffer_size()
        if unread > self._site.limits.unread:
            self._site.note(
                f"a client has not read {unread} bytes that were sent to it, more than the {self._site.limits.unread} "
                f"that are kept for one: its connection was broken"
            )
            transport.abort()


def _is_decodable(target: bytes) -> bool:
    """Whether the percent escapes in the query are sound."""
    try:
        decode_form(target.partition(b"?")[2])
    except ValueError:
        return False
    return True


class _LastRequestError(Exception):
    """Nothing more is read from the connection."""


class _RefusedError(Exception):
    """A request that is not taken; it carries the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
