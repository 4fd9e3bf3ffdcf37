"""A client's transport that leads straight into a cluster's handlers: no sockets, no bytes on a wire, no thread of its
own.

Here the client (``pymesoskit.transport``) and the cluster (``http.Handler``) meet; nowhere else do they know of each
other. The client's connections and timers live in the cluster's actor: over a ``ThreadActor`` in its thread, over a
``SimulatedActor`` in virtual time, where a driver's handlers run in the same turns and a whole history is the same on
each run.

Each request, answer and piece of a stream is a turn of its own, as it would be over a socket.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections import deque
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from attrs import field, frozen

from pymesoskit.testing.engine.http.handler import Request, Response
from pymesoskit.testing.runtime.actor import SimulatedActor, ThreadActor
from pymesoskit.testing.runtime.lines import Line
from pymesoskit.transport.address import Address
from pymesoskit.transport.errors import ConnectFailed, ConnectionLost, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pymesoskit.testing.engine.http.handler import Handler, Headers
    from pymesoskit.testing.runtime.actor import Actor
    from pymesoskit.testing.runtime.clock import Timer
    from pymesoskit.transport.base import Head, Reply, Sink
    from pymesoskit.transport.deaths import Death

__all__ = ["ActorReactor", "Address", "InProcessConnection", "InProcessTransport"]


@frozen
class InProcessTransport:
    """Joins clients with the handlers of a cluster.

    ``resolve`` returns the handler that serves an address now, or None. ``died`` is called when a driver has died.
    ``seed`` determines the chance of the clients. ``handler_time`` draws how many seconds pass before what was read is
    handled, as if handlers took that long (virtual time only).

    The clients of one transport can be killed, frozen and thawed together, as the process that they would live in.
    """

    actor: Actor
    resolve: Callable[[Address], Handler | None]
    died: Callable[[Death], None] | None = None
    seed: str = ""
    handler_time: Callable[[], float] | None = None
    _reactors: WeakSet[ActorReactor] = field(factory=WeakSet, init=False, repr=False)
    _numbers: Iterator[int] = field(factory=itertools.count, init=False, repr=False)

    def reactor(self, name: str) -> ActorReactor:
        chance = random.Random(f"{self.seed}/{name}/{next(self._numbers)}")  # noqa: S311  # a seeded history
        reactor = ActorReactor(name, self.actor, self.resolve, self.died, chance, self.handler_time)
        self._reactors.add(reactor)
        return reactor

    def _in_order(self) -> list[ActorReactor]:
        return sorted(self._reactors, key=lambda reactor: reactor.number)

    def kill(self) -> None:
        """Ends all clients without a farewell and without a callback, as by SIGKILL. In the cluster's turn."""
        for reactor in self._in_order():
            reactor.kill()

    def pause(self) -> None:
        """Freezes all clients, as by SIGSTOP: their connections stay open. In the cluster's turn."""
        for reactor in self._in_order():
            reactor.pause()

    def resume(self) -> None:
        """Lets all clients go on, as by SIGCONT. In the cluster's turn."""
        for reactor in self._in_order():
            reactor.resume()

    def reset_connections(self, serves: Callable[[Address], bool]) -> None:
        """Breaks the connections to addresses for which ``serves`` is true. In the cluster's turn."""
        for reactor in self._in_order():
            reactor.reset_connections(serves)


class ActorReactor:
    """The cluster's turn, for one client."""

    _numbers = itertools.count()

    def __init__(
        self,
        name: str,
        actor: Actor,
        resolve: Callable[[Address], Handler | None],
        died: Callable[[Death], None] | None = None,
        chance: random.Random | None = None,
        handler_time: Callable[[], float] | None = None,
    ) -> None:
        self.name = name
        self.chance: random.Random = random.Random(0) if chance is None else chance  # noqa: S311  # a seeded history
        self._handler_time = handler_time
        self._handlers = Line(actor.clock)  # what is to be handled
        self._frozen: list[tuple[Callable[..., object], tuple[Any, ...]]] | None = None
        self.number: int = next(self._numbers)  # in the order in which they were made
        self.threaded: bool = not isinstance(actor, SimulatedActor)
        self._actor = actor
        self._resolve = resolve
        self._died = died
        self._on_crash: Callable[[BaseException], None] | None = None
        self._stopped = False
        self._over = threading.Event()  # set once it has stopped
        self._connections: dict[InProcessConnection, None] = {}  # in the order in which they were made
        self._turn: int | None = None  # the actor's thread, while it is in this client's turn

    def time(self) -> float:
        return self._actor.clock.time()

    def monotonic(self) -> float:
        return self._actor.clock.monotonic()

    def hand_over(self, callback: Callable[..., object], *args: Any) -> None:
        if self._handler_time is None:
            self.post(callback, *args)
        else:
            self._handlers.carry(self._handler_time(), (), self.post, callback, *args)

    def post(self, callback: Callable[..., object], *args: Any) -> None:
        if not self._stopped:
            self._actor.post(self._run, callback, args)

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        return self._actor.clock.call_later(delay, self._run, callback, args)

    def connect(
        self, address: Address, on_open: Callable[[], None], on_lost: Callable[[TransportError], None]
    ) -> InProcessConnection:
        connection = InProcessConnection(self, address, on_open, on_lost)
        self._connections[connection] = None
        self.post(connection.open, self._resolve)
        return connection

    def start(self, on_crash: Callable[[BaseException], None]) -> None:
        self._on_crash = on_crash
        if isinstance(self._actor, ThreadActor):
            self._actor.at_end(self._cluster_gone)

    def stop(self) -> None:
        if self._on_crash is None or self._stopped:
            return
        if not self.threaded or self._turn == threading.get_ident():
            self._stop("this side has ended")
        else:
            self._actor.post(self._stop, "this side has ended")
            self._over.wait()

    def died(self, death: Death) -> None:
        if self._died is not None:
            self._died(death)

    def _stop(self, why: str) -> None:
        if self._stopped:
            return
        self._stopped = True
        if isinstance(self._actor, ThreadActor):
            self._actor.not_at_end(self._cluster_gone)
        for connection in list(self._connections):
            connection.close(ConnectionLost(why))
        self._over.set()

    def _cluster_gone(self) -> None:
        """The cluster has ended before its client. This is the last turn, so the client ends in it."""
        if self._on_crash is not None and not self._stopped:
            self._on_crash(ConnectionLost("the cluster has ended"))
        self._stop("the cluster has ended")

    def kill(self) -> None:
        """Ends at once: nothing is called back any more, and its connections break."""
        self._stopped = True
        self._handlers.drop()
        if isinstance(self._actor, ThreadActor):
            self._actor.not_at_end(self._cluster_gone)
        for connection in list(self._connections):
            connection.vanish()
        self._over.set()

    def pause(self) -> None:
        """Runs nothing from now on."""
        if self._frozen is None:
            self._frozen = []

    def resume(self) -> None:
        """Runs what has come meanwhile, in order, and goes on."""
        held, self._frozen = self._frozen or [], None
        for callback, args in held:
            self._actor.post(self._run, callback, args)

    def _run(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        if self._stopped:
            return
        if self._frozen is not None:
            self._frozen.append((callback, args))
            return
        self._turn = threading.get_ident()
        try:
            callback(*args)
        except BaseException as error:  # whatever it is, the client must end with it and the cluster must not
            if self._on_crash is None:
                raise
            self._on_crash(error)
        finally:
            self._turn = None

    def reset_connections(self, serves: Callable[[Address], bool]) -> None:
        """Breaks the connections to addresses for which ``serves`` is true."""
        for connection in list(self._connections):
            if serves(connection.address):
                self.post(connection.broken, ConnectionLost(f"{connection.address}: the connection was reset"))

    def forget(self, connection: InProcessConnection) -> None:
        """The connection is closed."""
        self._connections.pop(connection, None)

    def call_server(self, callback: Callable[..., object], *args: Any) -> None:
        """A turn of the cluster's own: what it raises is not this client's affair."""
        self._actor.post(callback, *args)


class InProcessConnection:
    """One ordered connection to a handler."""

    def __init__(
        self,
        reactor: ActorReactor,
        address: Address,
        on_open: Callable[[], None],
        on_lost: Callable[[TransportError], None],
    ) -> None:
        self._reactor = reactor
        self.address = address
        self._on_open = on_open
        self._on_lost = on_lost
        self._handler: Handler | None = None
        self._waiting: list[tuple[Head, bytes, _Exchange]] = []  # until it is open
        self._exchanges: deque[_Exchange] = deque()  # whole answers still to come, in order
        self._stream: _Exchange | None = None
        self._closed = False
        self._paused = False
        self._held: list[tuple[Callable[..., None], tuple[Any, ...]]] = []  # while paused

    # As the client's ``Connection``.

    def open(self, resolve: Callable[[Address], Handler | None]) -> None:
        """The turn in which the connection is made, or not."""
        if self._closed:
            return
        self._handler = resolve(self.address)
        if self._handler is None:
            self.broken(ConnectFailed(f"{self.address}: nobody listens there"))
            return
        self._on_open()
        waiting, self._waiting = self._waiting, []
        for head, body, exchange in waiting:
            self._send(head, body, exchange)

    @property
    def oldest(self) -> Reply | None:
        return self._exchanges[0].reply if self._exchanges else None

    def post(self, head: Head, body: bytes, reply: Reply) -> None:
        if self._closed:
            reply.on_failure(ConnectionLost(f"{self.address}: the connection is closed"), sent=False)
            return
        exchange = _Exchange(self, reply, None)
        self._exchanges.append(exchange)
        self._send(head, body, exchange)

    def stream(self, head: Head, body: bytes, sink: Sink) -> None:
        self._stream = _Exchange(self, None, sink)
        self._send(head, body, self._stream)

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        held, self._held = self._held, []
        for callback, args in held:
            self._reactor.post(self.deliver, callback, *args)

    def close(self, reason: TransportError) -> None:
        if self._closed:
            return
        exchanges = self._shut()
        for exchange in exchanges:
            if exchange.reply is not None:
                exchange.reply.on_failure(reason, sent=exchange.sent)

    def vanish(self) -> None:
        """The client's process is gone: the other side learns that the connection is closed."""
        if not self._closed:
            self._shut()

    # What becomes of it.

    def _send(self, head: Head, body: bytes, exchange: _Exchange) -> None:
        if self._handler is None:
            self._waiting.append((head, body, exchange))
            return
        exchange.sent = True
        headers = (
            ("host", self.address.netloc),
            *((name.lower(), value) for name, value in head.headers),
            ("content-length", str(len(body))),
        )
        request = Request("POST", head.target, headers, body, connection=self)
        self._reactor.call_server(exchange.serve, self._handler, request)

    def _shut(self) -> list[_Exchange]:
        """Closes it for both sides; returns who was waiting."""
        self._closed = True
        self._reactor.forget(self)
        self._held.clear()
        exchanges = [*self._exchanges, *([self._stream] if self._stream is not None else [])]
        self._exchanges.clear()
        self._stream = None
        for exchange in exchanges:
            exchange.client_gone()
        return exchanges

    def broken(self, error: TransportError) -> None:
        """It ends, and not by the client's doing."""
        if self._closed:
            return
        for exchange in self._shut():
            if exchange.reply is not None:
                exchange.reply.on_failure(error, sent=exchange.sent)
            elif exchange.sink is not None:
                exchange.sink.on_end(error)
        self._on_lost(error)

    def deliver(self, callback: Callable[..., None], *args: Any) -> None:
        """Calls the client back, unless the connection is closed; later, while it is paused."""
        if self._closed:
            return
        if self._paused:
            self._held.append((callback, args))
        else:
            callback(*args)

    def later(self, callback: Callable[..., None], *args: Any) -> None:
        """``deliver`` in a turn of the client's."""
        self._reactor.post(self.deliver, callback, *args)

    def answered(self) -> None:
        """Hands whole answers over in the order of the requests."""
        exchanges = self._exchanges
        while exchanges and exchanges[0].response is not None:
            exchange = exchanges.popleft()
            response, reply = exchange.response, exchange.reply
            assert response is not None
            assert reply is not None
            reply.on_reply(response.status, _lower(response.headers), response.whole_body())


class _Exchange:
    """One request and its answer: the handler's ``Responder`` and ``Stream``."""

    def __init__(self, connection: InProcessConnection, reply: Reply | None, sink: Sink | None) -> None:
        self.connection = connection
        self.reply = reply
        self.sink = sink
        self.sent = False
        self.response: Response | None = None
        self._closed = False
        self._on_close: list[Callable[[], None]] = []

    def serve(self, handler: Handler, request: Request) -> None:
        """The cluster's turn in which the handler sees the request."""
        if self._closed:
            return
        try:
            handler(request, self)
        except Exception:
            self.respond(Response.text(500, "Internal Server Error"))
            raise

    # Responder

    def respond(self, response: Response) -> None:
        if self._closed:
            return
        self._closed = True
        self.response = response
        if self.reply is not None:
            self.connection.later(self.connection.answered)
        elif self.sink is not None:
            self.connection.later(self.sink.on_head, response.status, _lower(response.headers))
            if body := response.whole_body():
                self.connection.later(self.sink.on_data, body)
            self.connection.later(self.sink.on_end, None)

    def stream(self, status: int, headers: Headers, on_close: Callable[[], None]) -> _Exchange | _Collected:
        self._on_close.append(on_close)
        if self.sink is None:
            return _Collected(self, status, headers)
        self.connection.later(self.sink.on_head, status, _lower(headers))
        return self

    def on_close(self, callback: Callable[[], None]) -> None:
        self._on_close.append(callback)

    # Stream

    def write(self, data: bytes | Iterable[bytes]) -> None:
        if not self._closed and self.sink is not None:
            self.connection.later(self.sink.on_data, data if isinstance(data, bytes) else b"".join(data))

    def end(self) -> None:
        if not self._closed and self.sink is not None:
            self._closed = True
            self.connection.later(self.sink.on_end, None)

    def abort(self) -> None:
        if not self._closed:
            self._closed = True
            self.connection.later(self.connection.broken, ConnectionLost("the other side broke the connection"))

    @property
    def closed(self) -> bool:
        return self._closed

    def client_gone(self) -> None:
        """The connection is closed: the handler is told, in a turn of its own, unless it has answered."""
        if self._closed:
            return
        self._closed = True
        for callback in self._on_close:
            self.connection._reactor.call_server(callback)


class _Collected:
    """A stream where a whole answer is expected: it becomes one when it ends."""

    def __init__(self, exchange: _Exchange, status: int, headers: Headers) -> None:
        self._exchange = exchange
        self._status = status
        self._headers = headers
        self._body = bytearray()

    def write(self, data: bytes | Iterable[bytes]) -> None:
        self._body += data if isinstance(data, bytes) else b"".join(data)

    def end(self) -> None:
        self._exchange.respond(Response(self._status, bytes(self._body), self._headers))

    def abort(self) -> None:
        self._exchange.abort()

    @property
    def closed(self) -> bool:
        return self._exchange.closed


def _lower(headers: Headers) -> Headers:
    return tuple((name.lower(), value) for name, value in headers)
