"""Addresses that answer HTTP: listening, freezing, ending; keeping a port while nobody listens on it.

All of it happens on the event loop of a ``ThreadActor``, so handlers run in the actor's turn. Connections live in
``connection.py``.
"""

from __future__ import annotations

import errno
import os
import socket
from functools import partial
from typing import TYPE_CHECKING

from pymesoskit.testing.engine.http.server.connection import Limits, ServerConnection, Site
from pymesoskit.testing.engine.http.server.heads import DateHeader
from pymesoskit.testing.engine.http.web_pages import WebPages

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable
    from pathlib import Path

    from pymesoskit.testing.engine.http.handler import Handler
    from pymesoskit.testing.runtime.actor import ThreadActor
    from pymesoskit.testing.runtime.history import History

#: How many connections may wait to be accepted.
BACKLOG = 1024


class ListenError(OSError):
    """An address cannot be listened on; the text says which and why."""


class HttpServer:
    """Serves a handler at one address. All methods are to be called in the actor's turn.

    ``open`` listens; ``close`` ends all connections and stops listening, but the port stays this server's (connecting
    to it is refused) until it is opened again or released: so master and agents keep their addresses when they restart.

    ``pages`` decides which web pages may send requests; the servers of one cluster share it. ``names`` are host names
    of this server.
    """

    def __init__(
        self,
        actor: ThreadActor,
        handler: Handler,
        history: History,
        name: str,
        *,
        limits: Limits | None = None,
        pages: WebPages | None = None,
        names: Iterable[str] = (),
    ) -> None:
        self._actor = actor
        self._history = history
        self._name = name
        self._listener: socket.socket | None = None
        self._holder: socket.socket | None = None  # bound but not listening
        self._path: Path | None = None
        self._accepting: set[asyncio.Task[object]] = set()  # the loop holds tasks only weakly
        self._date = DateHeader()
        self._pages = pages if pages is not None else WebPages()
        self._names = tuple(names)
        self._site = Site(
            handler,
            pages=self._pages,
            limits=limits if limits is not None else Limits(),
            date=lambda: self._date.line(actor.clock.time()),
            note=lambda text: history.note(name, text),
            report=lambda error: history.report(f"{name}, answering a request", error),
            happened=actor.happened,
        )

    @property
    def port(self) -> int:
        """The port that it has, listening or not; 0 if it has none."""
        held = self._listener or self._holder
        return int(held.getsockname()[1]) if held is not None and held.family != socket.AF_UNIX else 0

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._site.connections)

    def reserve(self, ip: str, port: int = 0) -> int:
        """Takes a port (any free one for 0) without listening yet; returns it. Raises ``ListenError``."""
        self._holder = _bind(ip, port)
        self._pages.add_server(ip, self.port, self._names)
        return self.port

    def open(self, handler: Handler | None = None) -> None:
        """Listens on the reserved port, from now on for ``handler`` if one is given. Raises ``ListenError``."""
        if self._listener is not None or self._holder is None:
            raise RuntimeError("a port is reserved and not listened on when a server is opened")
        if handler is not None:
            self._site.handler = handler
        self._listen(self._holder)
        self._holder = None

    def open_unix(self, path: Path) -> None:
        """Listens on a unix domain socket instead. Raises ``ListenError``."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(path))
        except OSError as error:
            listener.close()
            raise ListenError(f"cannot listen on {path}: {error.strerror or error}") from None
        self._path = path
        self._listen(listener)

    def close(self) -> None:
        """Breaks all connections, as when the process ends, and stops listening; the port is kept."""
        self.break_connections()
        listener, self._listener = self._listener, None
        self._site.frozen = False
        if listener is None:
            return
        self._actor.loop.remove_reader(listener)
        if listener.family == socket.AF_UNIX:
            listener.close()
            if self._path is not None:
                self._path.unlink(missing_ok=True)
            return
        ip, port = listener.getsockname()[:2]
        listener.close()
        self._holder = _bind(ip, port)

    def release(self) -> None:
        """Closes, and gives up the port."""
        self.close()
        if self._holder is not None:
            self._holder.close()
            self._holder = None

    def break_connections(self) -> None:
        """Breaks all connections, as when the process at this end dies."""
        self._site.life += 1
        for connection in list(self._site.connections):
            connection.break_off()

    def reset_connections(self) -> None:
        """Breaks all connections with RST, as a network fault does."""
        for connection in list(self._site.connections):
            connection.reset()

    def freeze(self) -> None:
        """From now on clients can connect and send, but nothing is read or answered until ``thaw``."""
        if self._site.frozen:
            return
        self._site.frozen = True
        if self._listener is not None:
            self._actor.loop.remove_reader(self._listener)  # the kernel still accepts: as for a stopped process
        for connection in list(self._site.connections):
            connection.freeze()

    def thaw(self) -> None:
        """Goes on, with all that was sent meanwhile."""
        if not self._site.frozen:
            return
        self._site.frozen = False
        if self._listener is not None:
            self._actor.loop.add_reader(self._listener, self._accept)
        for connection in list(self._site.connections):
            connection.thaw()

    def _listen(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        listener.listen(BACKLOG)
        self._listener = listener
        self._actor.loop.add_reader(listener, self._accept)

    def _accept(self) -> None:
        listener, loop = self._listener, self._actor.loop
        for _ in range(BACKLOG):
            if listener is None:
                return
            try:
                accepted, _address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                    self._out_of_files(listener, error)
                    return
                raise
            accepted.setblocking(False)
            if accepted.family != socket.AF_UNIX:
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection = partial(ServerConnection, self._site, loop, self._site.life)
            task = loop.create_task(loop.connect_accepted_socket(connection, accepted))
            self._accepting.add(task)
            task.add_done_callback(self._accepting.discard)

    def _out_of_files(self, listener: socket.socket, error: OSError) -> None:
        """The process can open no more: those who connect wait a second."""
        self._history.note(self._name, f"cannot accept connections: {os.strerror(error.errno or 0)}")
        self._actor.loop.remove_reader(listener)

        def again() -> None:
            if self._listener is listener and not self._site.frozen:
                self._actor.loop.add_reader(listener, self._accept)

        self._actor.loop.call_later(1.0, again)


def _bind(ip: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((ip, port))
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise ListenError(f"cannot listen on {ip}:{port}: the port is taken by another process") from None
        raise ListenError(f"cannot listen on {ip}:{port}: {error.strerror or error}") from None
    except OverflowError:
        bound.close()
        raise ListenError(f"cannot listen on {ip}:{port}: a port is at most 65535") from None
    return bound
