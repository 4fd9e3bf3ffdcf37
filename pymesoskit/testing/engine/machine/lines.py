"""Connections of threads that can be aborted from outside, so that the end of a cluster waits for no remote side.

The fetcher and the prober make their connections with ``Lines``; ``close`` makes all their reads and writes fail at
once.
"""

from __future__ import annotations

import contextlib
import http.client
import math
import socket
import threading
import urllib.request
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    import ssl


class Lines:
    """A set of connections that are aborted together. Its methods can be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._closed = False

    def add(self, line: socket.socket) -> None:
        """Adds a socket. Closes it and raises OSError if ``close`` has been called already."""
        with self._lock:
            if not self._closed:
                self._sockets.add(line)
                return
        line.close()
        raise OSError(0, "the cluster has ended")

    def connect(
        self, address: tuple[str, int], timeout: Any = None, source_address: tuple[str, int] | None = None
    ) -> socket.socket:
        """Connects as ``socket.create_connection`` does. Raises OSError."""
        error: OSError | None = None
        for family, kind, protocol, _, where in socket.getaddrinfo(*address, 0, socket.SOCK_STREAM):
            line = socket.socket(family, kind, protocol)
            try:
                self.add(line)
                if isinstance(timeout, (int, float)):
                    line.settimeout(None if timeout == math.inf else timeout)
                if source_address is not None:
                    line.bind(source_address)
                line.connect(where)
            except OSError as failed:
                line.close()
                error = failed
            else:
                return line
        raise error or OSError(0, f"no address found for {address[0]}")

    def opener(self, context: ssl.SSLContext | None, *handlers: Any) -> urllib.request.OpenerDirector:
        """Returns an opener that opens URLs over such connections."""
        return urllib.request.build_opener(_HttpHandler(self), _HttpsHandler(self, context), *handlers)

    def close(self) -> None:
        """Aborts all connections, and refuses new ones."""
        with self._lock:
            self._closed = True
            lines = list(self._sockets)
        for line in lines:
            with contextlib.suppress(OSError):  # it is not connected (any more)
                socket.socket.shutdown(line, socket.SHUT_RDWR)


class _HttpConnection(http.client.HTTPConnection):
    def __init__(self, host: str, *, lines: Lines, **options: Any) -> None:
        super().__init__(host, **options)
        self._create_connection = lines.connect


class _HttpsConnection(http.client.HTTPSConnection):
    def __init__(self, host: str, *, lines: Lines, **options: Any) -> None:
        super().__init__(host, **options)
        self._lines = lines
        self._create_connection = lines.connect

    def connect(self) -> None:
        super().connect()
        self._lines.add(self.sock)  # which is another one now


class _HttpHandler(urllib.request.HTTPHandler):
    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HttpConnection, request, lines=self._lines)  # type: ignore[arg-type]


class _HttpsHandler(urllib.request.HTTPSHandler):
    def __init__(self, lines: Lines, context: ssl.SSLContext | None) -> None:
        super().__init__(context=context)
        self._lines = lines
        self._own_context = context

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        options: dict[str, Any] = {"lines": self._lines, "context": self._own_context}
        return self.do_open(_HttpsConnection, request, **options)  # type: ignore[arg-type]
