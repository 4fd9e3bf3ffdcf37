"""HTTP over real sockets, against a server whose every byte is scripted."""

from __future__ import annotations

import queue
import socket
import threading
from typing import Any, Self

import pytest

from pymesoskit.errors import ConnectFailed, ConnectionClosed, ConnectionLost, LocalError, TransportError
from pymesoskit.transport import Address, Head, HttpTransport
from pymesoskit.transport.http import BODY_LIMIT, HEAD_LIMIT
from tests.transport.stub import ACCEPTED, ByteServer, Peer, answer

HEAD = Head("/api/v1/scheduler", (("Content-Type", "text/x"),))


class Waiting:
    """A ``Reply`` and a ``Sink`` whose calls can be waited for."""

    def __init__(self, story: queue.SimpleQueue[tuple[Any, ...]] | None = None, name: str = "") -> None:
        self.story = story if story is not None else queue.SimpleQueue()
        self.name = name

    def on_reply(self, status, headers, body):
        self.story.put(("reply", self.name, status, dict(headers), body))

    def on_failure(self, error, sent):
        self.story.put(("failure", self.name, error, sent))

    def on_head(self, status, headers):
        self.story.put(("head", status, dict(headers)))

    def on_data(self, data):
        self.story.put(("data", data))

    def on_end(self, error):
        self.story.put(("end", error))

    def next(self) -> tuple[Any, ...]:
        return self.story.get(timeout=20)


class Client:
    """A reactor with one connection, used from the test's thread."""

    def __init__(self, address: str, transport: HttpTransport | None = None) -> None:
        self.crashes: list[BaseException] = []
        self.events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self.reactor = (transport or HttpTransport()).reactor("test-reactor")
        self.reactor.start(self.crashes.append)
        self.connection = self.call(
            lambda: self.reactor.connect(
                Address.parse(address),
                lambda: self.events.put(("open", None)),
                lambda error: self.events.put(("lost", error)),
            )
        )

    def call(self, function):
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.reactor.post(lambda: done.put(function()))
        return done.get(timeout=20)

    def post(self, body: bytes, reply: Waiting, head: Head = HEAD) -> None:
        self.call(lambda: self.connection.post(head, body, reply))

    def event(self) -> tuple[str, Any]:
        return self.events.get(timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.reactor.stop()
        assert self.crashes == []
        assert all(thread.name != "test-reactor" for thread in threading.enumerate())


def replying(*answers: bytes):
    def serve(peer: Peer) -> None:
        for each in answers:
            peer.request()
            peer.send(each)
        peer.wait_for_end()

    return serve


def test_a_request_is_what_it_should_be():
    seen: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def serve(peer: Peer) -> None:
        seen.put(peer.request())
        peer.send(ACCEPTED)
        peer.wait_for_end()

    with ByteServer(serve) as server, Client(server.address) as client:
        reply = Waiting()
        client.post(b"\x00body", reply)
        assert reply.next() == ("reply", "", 202, {"date": "Sat, 21 Nov 2026 08:00:00 GMT", "content-length": "0"}, b"")
        headers, body = seen.get(timeout=10)
        assert headers == {
            "": "POST /api/v1/scheduler HTTP/1.1",
            "host": server.address,
            "content-type": "text/x",
            "content-length": "5",
        }
        assert body == b"\x00body"


def test_requests_do_not_wait_for_answers_and_answers_come_in_order():
    gate = threading.Event()

    def serve(peer: Peer) -> None:
        bodies = [peer.request()[1] for _ in range(100)]  # all are there before the first answer
        assert gate.wait(20)
        for body in bodies:
            peer.send(answer(200, body.decode()))
        peer.wait_for_end()

    with ByteServer(serve) as server, Client(server.address) as client:
        story = Waiting()
        for number in range(100):
            client.post(b"%d" % number, Waiting(story.story, str(number)))
        gate.set()
        for number in range(100):
            entry = story.next()
            assert (entry[1], entry[4]) == (str(number), b"%d" % number)


@pytest.mark.parametrize("chunk", [1, 2, 7, 50, 91, 92, 93, 500, None])
def test_answers_are_recognised_however_they_are_cut(chunk):
    """Equal ones, other ones, ones with a body, in pieces of every size."""
    other_date = ACCEPTED.replace(b"08:00:00", b"08:00:01")
    answers = [ACCEPTED, ACCEPTED, ACCEPTED, other_date, other_date, answer(400, "no\r\n\r\nno"), other_date, ACCEPTED]

    def serve(peer: Peer) -> None:
        for _ in answers:
            peer.request()
        peer.send(b"".join(answers), chunk)
        peer.wait_for_end()

    with ByteServer(serve) as server, Client(server.address) as client:
        story = Waiting()
        for number in range(len(answers)):
            client.post(b"x", Waiting(story.story, str(number)))
        entries = [story.next() for _ in answers]
        assert [entry[1] for entry in entries] == [str(n) for n in range(len(answers))]
        assert [entry[2] for entry in entries] == [202, 202, 202, 202, 202, 400, 202, 202]
        assert [entry[4] for entry in entries] == [b"", b"", b"", b"", b"", b"no\r\n\r\nno", b"", b""]
        assert entries[3][3]["date"].endswith("08:00:01 GMT")


def test_a_whole_answer_may_come_in_chunks():
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with ByteServer(replying(chunked, ACCEPTED)) as server, Client(server.address) as client:
        reply = Waiting()
        client.post(b"x", reply)
        assert reply.next()[4] == b"abcde"
        client.post(b"x", reply)
        assert reply.next()[2] == 202


def test_an_interim_answer_is_not_the_answer():
    with ByteServer(replying(b"HTTP/1.1 100 Continue\r\n\r\n" + ACCEPTED)) as server, Client(server.address) as client:
        reply = Waiting()
        client.post(b"x", reply)
        assert reply.next()[2] == 202


def test_a_stream_comes_in_pieces_and_ends():
    def serve(peer: Peer) -> None:
        peer.request()
        peer.begin_stream()
        peer.chunk(b"one")
        peer.chunk(b"two")
        peer.send(b"0\r\n\r\n")
        peer.wait_for_end()

    with ByteServer(serve) as server, Client(server.address) as client:
        sink = Waiting()
        client.call(lambda: client.connection.stream(HEAD, b"x", sink))
        assert sink.next()[:2] == ("head", 200)
        data = b""
        while (entry := sink.next())[0] == "data":
            data += entry[1]
        assert data == b"onetwo"
        assert entry == ("end", None)


def test_a_stream_that_breaks_off_ends_with_an_error():
    def serve(peer: Peer) -> None:
        peer.request()
        peer.begin_stream()
        peer.chunk(b"one")

    with ByteServer(serve) as server, Client(server.address) as client:
        sink = Waiting()
        client.call(lambda: client.connection.stream(HEAD, b"x", sink))
        assert [sink.next()[0], sink.next()[0]] == ["head", "data"]
        kind, error = sink.next()
        assert kind == "end"
        assert error is None or isinstance(error, ConnectionLost)
        assert client.event()[0] == "open"
        assert client.event()[0] == "lost"


def test_who_waits_is_told_when_the_connection_breaks():
    def serve(peer: Peer) -> None:
        peer.request()

    with ByteServer(serve) as server, Client(server.address) as client:
        one, two = Waiting(), Waiting()
        client.post(b"x", one)
        client.post(b"x", two)
        for waiting in (one, two):
            kind, _, error, _ = waiting.next()
            assert kind == "failure"
            assert isinstance(error, ConnectionLost)
        assert client.event()[0] == "open"
        assert client.event()[0] == "lost"
        three = Waiting()
        client.post(b"x", three)
        assert three.next()[3] is False  # never sent


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    with Client(address) as client:
        kind, error = client.event()
        assert kind == "lost"
        assert isinstance(error, ConnectFailed)
        assert address in str(error)


def test_a_name_that_nobody_has():
    with Client("no-such-host.invalid:1") as client:
        kind, error = client.event()
        assert kind == "lost"
        assert isinstance(error, ConnectFailed)


def test_what_is_posted_before_the_connection_stands_fails_with_it():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    client = Client.__new__(Client)
    client.crashes, client.events = [], queue.SimpleQueue()
    client.reactor = HttpTransport().reactor("test-reactor")
    client.reactor.start(client.crashes.append)
    reply = Waiting()

    def both() -> None:
        connection = client.reactor.connect(Address.parse(address), lambda: None, lambda _: None)
        connection.post(HEAD, b"x", reply)

    with client:
        client.reactor.post(both)
        kind, _, error, sent = reply.next()
        assert kind == "failure"
        assert isinstance(error, ConnectFailed)
        assert not sent


@pytest.mark.parametrize("garbage", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/9 x\r\n\r\n", b"\x16\x03\x01\x00\xa5\r\n\r\n"])
def test_an_answer_that_is_not_http_breaks_the_connection(garbage):
    with ByteServer(replying(garbage)) as server, Client(server.address) as client:
        reply = Waiting()
        client.post(b"x", reply)
        kind, _, error, _ = reply.next()
        assert kind == "failure"
        assert "not HTTP" in str(error)


@pytest.mark.parametrize("extra", [ACCEPTED, answer(200, "text")])
def test_an_answer_to_nothing_breaks_the_connection(extra):
    with ByteServer(replying(ACCEPTED + extra)) as server, Client(server.address) as client:
        reply = Waiting()
        client.post(b"x", reply)
        assert reply.next()[2] == 202
        assert client.event()[0] == "open"
        kind, error = client.event()
        assert kind == "lost"
        assert isinstance(error, TransportError)


def test_closing_tells_who_waits_and_nobody_else():
    with ByteServer(replying()) as server, Client(server.address) as client:
        assert client.event()[0] == "open"
        reply = Waiting()
        client.post(b"x", reply)
        assert client.call(lambda: client.connection.oldest) is reply
        client.call(lambda: client.connection.close(ConnectionLost("enough")))
        kind, _, error, _ = reply.next()
        assert (kind, str(error)) == ("failure", "enough")
        assert client.events.empty()


def test_a_paused_connection_reads_nothing():
    sent = threading.Event()

    def serve(peer: Peer) -> None:
        peer.request()
        peer.begin_stream()
        peer.chunk(b"one")
        assert sent.wait(20)
        peer.chunk(b"two")
        peer.wait_for_end()

    with ByteServer(serve) as server, Client(server.address) as client:
        sink = Waiting()
        client.call(lambda: client.connection.stream(HEAD, b"x", sink))
        assert [sink.next()[0], sink.next()[1]] == ["head", b"one"]
        client.call(client.connection.pause)
        sent.set()
        for _ in range(20):
            client.call(lambda: None)
        assert sink.story.empty()
        client.call(client.connection.resume)
        assert sink.next() == ("data", b"two")


def test_a_unix_socket(tmp_path):
    path = str(tmp_path / "agent.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def serve() -> None:
        connection, _ = listener.accept()
        peer = Peer(connection)
        peer.request()
        peer.send(ACCEPTED)
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    with Client(f"unix://{path}") as client:
        reply = Waiting()
        client.post(b"x", reply)
        assert reply.next()[2] == 202
    thread.join(10)
    listener.close()


def test_what_a_callback_raises_is_told():
    reactor = HttpTransport().reactor("test-reactor")
    crashes: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
    reactor.start(crashes.put)
    reactor.post(lambda: 1 // 0)
    assert isinstance(crashes.get(timeout=10), ZeroDivisionError)
    reactor.stop()
    reactor.stop()
    reactor.post(lambda: None)  # nobody hears it any more


def test_a_reactor_that_was_never_started_leaves_nothing():
    HttpTransport().reactor("test-reactor").stop()


def test_calls_behind_an_answer_that_closes_the_connection_were_not_processed():
    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        peer.wait_for_end()

    with ByteServer(serve) as server, Client(server.address) as client:
        story: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        first, second = Waiting(story, "first"), Waiting(story, "second")
        client.call(lambda: [client.connection.post(HEAD, b"x", each) for each in (first, second)])
        assert story.get(timeout=20)[:3] == ("reply", "first", 202)
        kind, name, error, sent = story.get(timeout=20)
        assert (kind, name, type(error), sent) == ("failure", "second", ConnectionClosed, False)


@pytest.mark.parametrize(
    ("head", "body"),
    [(b"X: " + b"y" * HEAD_LIMIT, b""), (b"Content-Length: %d" % (BODY_LIMIT + 1), b"z" * (BODY_LIMIT + 1))],
    ids=["head", "body"],
)
def test_an_answer_beyond_the_limits_breaks_the_connection(head, body):
    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body)
        peer.wait_for_end()

    with ByteServer(serve) as server, Client(server.address) as client:
        reply = Waiting()
        client.post(b"x", reply)
        kind, _, error, _ = reply.next()
        assert kind == "failure"
        assert "is longer than" in str(error)


def test_an_os_error_of_a_callback_is_not_taken_for_the_sockets():
    with ByteServer(replying(ACCEPTED)) as server:
        client = Client(server.address)
        reply = Waiting()
        reply.on_reply = lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))  # type: ignore[method-assign]
        client.post(b"x", reply)
        while not client.crashes:
            client.call(lambda: None)
        client.reactor.stop()
    assert isinstance(client.crashes[0], LocalError)
    assert isinstance(client.crashes[0].__cause__, OSError)
