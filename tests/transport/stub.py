"""The other side, for tests of clients: a handler to be told what to answer, and a real server that answers bytes as
scripted."""

from __future__ import annotations

import queue
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

from attrs import define, field

from pymesoskit.testing.cluster.inprocess import InProcessTransport
from pymesoskit.testing.engine.http.handler import Request, Responder, Response, Stream
from pymesoskit.testing.runtime.actor import SimulatedActor
from pymesoskit.wire import PROTOBUF, encode_record
from pymesoskit.wire.v1 import executor, mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: What all stubs call their framework.
FRAMEWORK_ID = "5b4ba1d1-1b2c-4f0e-9a39-2e0dd6b1a2c7-0000"


@define(eq=False)
class StubEndpoint:
    """An endpoint in virtual time: it takes SUBSCRIBE and keeps the calls; what it answers can be set."""

    call_type: Any = scheduler.Call
    actor: SimulatedActor = field(factory=SimulatedActor)
    calls: list[Any] = field(factory=list)
    heads: list[dict[str, str]] = field(factory=list)
    streams: list[Stream] = field(factory=list)
    #: What to do with the next requests instead of the usual: each entry is used once.
    instead: list[Callable[[Request, Responder], None]] = field(factory=list)
    #: What to do with calls of a type, always.
    on_call: dict[int, Callable[[Request, Responder], None]] = field(factory=dict)
    greeting: Callable[[StubEndpoint], None] | None = None
    listening: bool = True
    client_closed: int = 0

    def transport(self) -> InProcessTransport:
        return InProcessTransport(self.actor, lambda _address: self.handle if self.listening else None)

    def handle(self, request: Request, responder: Responder) -> None:
        assert request.method == "POST"
        assert request.header("content-type") == PROTOBUF.content_type
        call = self.call_type.FromString(request.body)
        self.calls.append(call)
        self.heads.append(dict(request.headers))
        if self.instead:
            self.instead.pop(0)(request, responder)
        elif call.type in self.on_call:
            self.on_call[call.type](request, responder)
        elif call.type == 1:
            self.accept(responder)
        else:
            responder.respond(Response(202))

    def accept(self, responder: Responder, content_type: str = PROTOBUF.content_type) -> Stream:
        def closed() -> None:
            self.client_closed += 1

        stream_id = f"stream-{len(self.streams)}"
        headers = (("Content-Type", content_type), ("Mesos-Stream-Id", stream_id))
        stream = responder.stream(200, headers, closed)
        self.streams.append(stream)
        if self.greeting is not None:
            self.greeting(self)
        return stream

    def send(self, *events: Any) -> None:
        """Sends events on the newest stream, each in a piece of its own."""
        for event in events:
            self.streams[-1].write(encode_record(event.SerializeToString()))

    def types(self) -> list[str]:
        """The types of the calls so far."""
        return [self.call_type.Type.Name(call.type) for call in self.calls]

    def of(self, kind: int) -> list[Any]:
        """The calls of one type."""
        return [call for call in self.calls if call.type == kind]


def refuse(status: int, text: str = "", *headers: tuple[str, str]) -> Callable[[Request, Responder], None]:
    """Answers with a text and a status."""
    return lambda _request, responder: responder.respond(Response.text(status, text, headers))


def silence(_request: Request, _responder: Responder) -> None:
    """Never answers."""


def hang_up(_request: Request, responder: Responder) -> None:
    """Breaks the connection instead of answering."""
    responder.stream(200, (), lambda: None).abort()


# Events.

Event = scheduler.Event


def subscribed(framework_id: str = FRAMEWORK_ID, interval: float = 15.0) -> Event:
    return Event(
        type=Event.SUBSCRIBED,
        subscribed=Event.Subscribed(
            framework_id=mesos.FrameworkID(value=framework_id), heartbeat_interval_seconds=interval
        ),
    )


def greet(stub: StubEndpoint) -> None:
    stub.send(subscribed(), Event(type=Event.HEARTBEAT))


def update(task: str, state: mesos.TaskState = mesos.TASK_RUNNING, uuid: bytes | None = b"u" * 16) -> Event:
    status = mesos.TaskStatus(
        task_id=mesos.TaskID(value=task), agent_id=mesos.AgentID(value="agent-1"), state=state, uuid=uuid
    )
    return Event(type=Event.UPDATE, update=Event.Update(status=status))


def offer(number: int = 0, agent: str = "agent-1") -> mesos.Offer:
    def scalar(name: str, value: float) -> mesos.Resource:
        return mesos.Resource(name=name, type=mesos.Value.SCALAR, scalar=mesos.Value.Scalar(value=value))

    return mesos.Offer(
        id=mesos.OfferID(value=f"O{number}"),
        framework_id=mesos.FrameworkID(value=FRAMEWORK_ID),
        agent_id=mesos.AgentID(value=agent),
        hostname="host",
        resources=[scalar("cpus", 4), scalar("mem", 1024)],
    )


def offers(*each: mesos.Offer) -> Event:
    return Event(type=Event.OFFERS, offers=Event.Offers(offers=each))


def error(message: str) -> Event:
    return Event(type=Event.ERROR, error=Event.Error(message=message))


def executor_subscribed() -> executor.Event:
    return executor.Event(
        type=executor.Event.SUBSCRIBED,
        subscribed=executor.Event.Subscribed(
            executor_info=mesos.ExecutorInfo(executor_id=mesos.ExecutorID(value="e"), command=mesos.CommandInfo()),
            framework_info=mesos.FrameworkInfo(user="u", name="n"),
            agent_info=mesos.AgentInfo(hostname="h"),
        ),
    )


# A server that speaks bytes.


class ByteServer:
    """Listens on loopback; each connection is handed to ``serve`` in a thread of its own, as a ``Peer``."""

    def __init__(self, serve: Callable[[Peer], None]) -> None:
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.failures: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._peers: list[Peer] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            peer = Peer(connection)
            thread = threading.Thread(target=self._run, args=(peer,), daemon=True)
            self._peers.append(peer)
            self._threads.append(thread)
            thread.start()

    def _run(self, peer: Peer) -> None:
        try:
            self._serve(peer)
        except (ConnectionError, EOFError):
            pass  # the client has gone, as clients may
        except BaseException as failure:  # noqa: BLE001  # told at the end
            self.failures.put(failure)
        finally:
            peer.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._accepting.join(10)  # after this there are no more peers
        for peer in self._peers:
            peer.shut()
        for thread in [self._accepting, *self._threads]:
            thread.join(10)
            assert not thread.is_alive()
        if not self.failures.empty():
            raise self.failures.get()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Peer:
    """One connection, as the server sees it."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._buffer = b""

    def request(self) -> tuple[dict[str, str], bytes]:
        """The next request's headers (lower case; its line as ``""``) and body. Raises ``EOFError`` at the end."""
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        line, *rest = head.decode().split("\r\n")
        headers = {"": line}
        for entry in rest:
            name, _, value = entry.partition(": ")
            headers[name.lower()] = value
        size = int(headers.get("content-length", "0"))
        while len(self._buffer) < size:
            self._fill()
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        return headers, body

    def _fill(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self._buffer += data

    def send(self, data: bytes, chunk: int | None = None) -> None:
        """Sends bytes, in pieces of ``chunk`` bytes if given."""
        if chunk is None:
            self.socket.sendall(data)
            return
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(data), chunk):
            self.socket.sendall(data[at : at + chunk])

    def begin_stream(self, stream_id: str = "stream-1", content_type: str = PROTOBUF.content_type) -> None:
        self.send(
            f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nMesos-Stream-Id: {stream_id}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )

    def event(self, *events: Any) -> None:
        """Sends events, each as a record in a chunk."""
        for event in events:
            self.chunk(encode_record(event.SerializeToString()))

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def wait_for_end(self) -> None:
        """Until the client has closed the connection."""
        while self.socket.recv(65536):
            pass

    def shut(self) -> None:
        """Wakes whoever reads."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        self.socket.close()


ACCEPTED = b"HTTP/1.1 202 Accepted\r\nDate: Sat, 21 Nov 2026 08:00:00 GMT\r\nContent-Length: 0\r\n\r\n"


def answer(status: int, text: str = "", headers: Iterable[str] = ()) -> bytes:
    body = text.encode()
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(body)}",
        "Content-Type: text/plain; charset=utf-8",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
