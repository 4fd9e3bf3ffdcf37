"""A server with a handler of the test's, and a client that speaks bytes."""

from __future__ import annotations

import re
import socket
import time
from typing import TYPE_CHECKING

import pytest

from pymesoskit.testing.engine.http.handler import Request, Responder, Response
from pymesoskit.testing.engine.http.server import HttpServer, Limits
from pymesoskit.testing.runtime.actor import ThreadActor
from pymesoskit.testing.runtime.history import History

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD = re.compile(rb"HTTP/1\.1 (\d+) [^\r]*\r\n((?:[^\r]+\r\n)*)\r\n")


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class Client:
    """One connection. All reading ends after a few seconds."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.pending = b""

    def send(self, data: bytes) -> Client:
        self.socket.sendall(data)
        return self

    def more(self) -> bool:
        """Reads something; whether there was anything before the end."""
        data = self.socket.recv(1 << 16)
        self.pending += data
        return bool(data)

    def read_until(self, end: bytes) -> bytes:
        while end not in self.pending:
            assert self.more(), f"the connection ended after {self.pending!r}"
        taken, _, self.pending = self.pending.partition(end)
        return taken + end

    def read(self, size: int) -> bytes:
        pieces, missing = [self.pending], size - len(self.pending)
        while missing > 0:
            pieces.append(self.socket.recv(1 << 20))
            assert pieces[-1], f"the connection ended after {b''.join(pieces)[-1000:]!r}"
            missing -= len(pieces[-1])
        joined = b"".join(pieces)
        self.pending = joined[size:]
        return joined[:size]

    def head(self) -> Answer:
        match = HEAD.fullmatch(self.read_until(b"\r\n\r\n"))
        assert match is not None
        lines = match[2].decode().splitlines()
        return Answer(
            int(match[1]), {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}, b""
        )

    def answer(self, *, to_head: bool = False) -> Answer:
        """A whole answer."""
        answer = self.head()
        if not to_head:
            answer.body = self.read(int(answer.headers["content-length"]))
        return answer

    def chunk(self) -> bytes:
        size = int(self.read_until(b"\r\n"), 16)
        return self.read(size + 2)[:-2]

    def rest(self) -> bytes:
        """All until the connection ends."""
        while self.more():
            pass
        taken, self.pending = self.pending, b""
        return taken

    def quiet(self, seconds: float = 0.1) -> bool:
        """Whether nothing comes for so long."""
        self.socket.settimeout(seconds)
        try:
            return not self.pending and not self.more()
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(10)

    def close(self) -> None:
        self.socket.close()


class Served:
    """The server, what its handler saw, and how it answers."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.actor = ThreadActor()
        self.history = History(self.actor.clock.time)
        self.actor.report = self.history.report
        self.requests: list[Request] = []
        self.responders: list[Responder] = []
        self.respond: Callable[[Request, Responder], None] = lambda _, responder: responder.respond(Response(202))
        self.actor.start()
        self.server = HttpServer(self.actor, self.handle, self.history, "server", limits=limits)
        self.port = self.actor.call(self.server.reserve, "127.0.0.1", 0)
        self.actor.call(self.server.open)
        self.clients: list[Client] = []

    def handle(self, request: Request, responder: Responder) -> None:
        self.requests.append(request)
        self.responders.append(responder)
        self.respond(request, responder)

    def connect(self) -> Client:
        self.clients.append(Client(self.port))
        return self.clients[-1]

    def wait_for(self, condition: Callable[[], object], timeout: float = 10) -> None:
        deadline = time.monotonic() + timeout
        while not self.actor.wait_for(lambda: bool(condition()), 0.05):
            assert time.monotonic() < deadline, "timed out"

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        self.actor.call(self.server.release)
        self.actor.stop()


@pytest.fixture
def make_served() -> Iterator[Callable[..., Served]]:
    made: list[Served] = []

    def make(limits: Limits | None = None) -> Served:
        made.append(Served(limits))
        return made[-1]

    yield make
    for served in made:
        served.stop()


@pytest.fixture
def served(make_served: Callable[..., Served]) -> Served:
    return make_served()
