"""Streaming answers and bodies that go on arriving; clients that stop reading."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from pymesoskit.testing.engine.http.handler import Response
from pymesoskit.testing.engine.http.server import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.server.conftest import Served

SUBSCRIBE = b"POST /stream HTTP/1.1\r\nContent-Length: 0\r\n\r\n"


class Streams:
    """A handler that begins a stream for each request."""

    def __init__(self, served: Served) -> None:
        self.streams: list = []
        self.closed: list[int] = []
        self.served = served
        served.respond = self.respond

    def respond(self, _, responder) -> None:
        number = len(self.streams)
        self.streams.append(responder.stream(200, (("Content-Type", "a/b"),), lambda: self.closed.append(number)))

    def call(self, method: str, *args: object, number: int = 0) -> None:
        self.served.wait_for(lambda: len(self.streams) > number)
        self.served.actor.call(getattr(self.streams[number], method), *args)


@pytest.fixture
def streams(served: Served) -> Streams:
    return Streams(served)


def test_each_write_is_a_chunk_that_arrives_at_once(streams: Streams) -> None:
    client = streams.served.connect().send(SUBSCRIBE)
    head = client.head()
    assert head.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in head.headers
    assert "date" in head.headers
    streams.call("write", b"one")
    assert client.chunk() == b"one"
    streams.call("write", [b"tw", b"o"])
    assert client.chunk() == b"two"
    streams.call("write", b"")
    streams.call("end")
    assert client.chunk() == b""


def test_the_connection_goes_on_after_a_stream_that_ended_in_good_order(streams: Streams) -> None:
    client = streams.served.connect().send(SUBSCRIBE)
    client.head()
    streams.call("end")
    assert client.chunk() == b""
    streams.served.respond = lambda _, responder: responder.respond(Response(202))
    assert client.send(SUBSCRIBE).answer().status == 202
    assert streams.closed == []


def test_http_1_0_gets_the_bytes_as_they_are_until_the_connection_ends(streams: Streams) -> None:
    client = streams.served.connect().send(b"POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
    assert "transfer-encoding" not in client.head().headers
    streams.call("write", b"one")
    streams.call("end")
    assert client.rest() == b"one"


def test_abort_breaks_the_connection_and_leaves_the_answer_incomplete(streams: Streams) -> None:
    client = streams.served.connect().send(SUBSCRIBE)
    client.head()
    streams.call("write", b"one")
    streams.call("abort")
    assert client.rest() == b"3\r\none\r\n"
    assert streams.closed == []  # it was this side's doing
    assert streams.streams[0].closed


@pytest.mark.parametrize("leave", [lambda client: client.close(), lambda client: client.socket.shutdown(1)])
def test_a_subscriber_that_leaves_is_noticed_once(streams: Streams, leave: Callable) -> None:
    client = streams.served.connect().send(SUBSCRIBE)
    client.head()
    leave(client)
    streams.served.wait_for(lambda: streams.closed == [0])
    streams.call("write", b"too late")
    streams.call("end")
    assert streams.closed == [0]


def test_head_of_a_stream_has_no_body(streams: Streams) -> None:
    client = streams.served.connect().send(b"HEAD /stream HTTP/1.1\r\n\r\n")
    client.head()
    streams.call("write", b"never")
    assert client.quiet()


def test_a_reader_that_stops_is_dropped_beyond_the_limit_and_others_go_on(make_served: Callable[..., Served]) -> None:
    served = make_served(Limits(unread=4 << 20))
    streams = Streams(served)
    lazy, diligent = served.connect(), served.connect()
    for client in (lazy, diligent):
        client.send(SUBSCRIBE).head()
    event = b"x" * (1 << 18)
    written = 0
    while not streams.closed:
        assert written < 400, "the lazy reader was never dropped"
        written += 1
        for number in (0, 1):
            streams.call("write", event, number=number)
        assert diligent.chunk() == event
    assert streams.closed == [0]
    assert "a client has not read" in served.history.story()


def test_a_client_that_reads_no_answers_is_read_no_further(make_served: Callable[..., Served]) -> None:
    served = make_served()
    served.respond = lambda _, responder: responder.respond(Response(200, b"x" * (1 << 20)))
    served.connect().send(SUBSCRIBE * 1000)
    served.wait_for(lambda: len(served.requests) > 1)
    served.connect().send(SUBSCRIBE).answer()  # a turn later, with everything settled
    assert len(served.requests) < 40


def test_a_recordio_body_is_handed_over_while_it_arrives(served: Served) -> None:
    events: list[object] = []

    def respond(request, responder) -> None:
        events.append(request.body)
        request.body_stream.listen(events.append, lambda: events.append("end"))
        served.wait = responder

    served.respond = respond
    client = served.connect().send(
        b"POST / HTTP/1.1\r\nContent-Type: application/recordio\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n3\nabc\r\n"
    )
    served.wait_for(lambda: events == [b"", b"3\nabc"])
    client.send(b"2\r\n1\n\r\n")
    served.wait_for(lambda: events[-1] == b"1\n")
    client.send(b"0\r\n\r\n")
    served.wait_for(lambda: events[-1] == "end")
    served.actor.call(served.responders[0].respond, Response(200))
    assert client.answer().status == 200


def test_a_recordio_body_ends_with_its_connection(served: Served) -> None:
    events: list[object] = []
    served.respond = lambda request, _: request.body_stream.listen(events.append, lambda: events.append("end"))
    client = served.connect().send(
        b"POST / HTTP/1.1\r\nContent-Type: application/recordio\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
    )
    served.wait_for(lambda: events == [b"a"])
    client.close()
    served.wait_for(lambda: events == [b"a", "end"])


class Zeros:
    """A body that is read while it is sent."""

    def __init__(self, size: int, there: int | None = None) -> None:
        self.size = size
        self.there = size if there is None else there
        self.taken = 0
        self.closed = 0

    def read(self, count: int) -> bytes:
        data = bytes(min(count, self.there - self.taken))
        self.taken += len(data)
        return data

    def close(self) -> None:
        self.closed += 1


GET = b"GET /file HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n"


def _serve(served: Served, source: Zeros) -> None:
    served.respond = lambda _, responder: responder.respond(Response(200, b"", (("Content-Type", "a/b"),), source))


def test_a_body_larger_than_what_may_lie_unread_is_read_while_it_is_sent(served: Served) -> None:
    source = Zeros(300_000_007)
    _serve(served, source)
    client = served.connect().send(GET)
    head = client.head()
    assert head.headers["content-length"] == str(source.size)
    served.wait_for(lambda: source.taken > 0)
    assert source.taken < 100_000_000  # as nobody reads
    left = source.size
    while left:
        left -= len(client.read(min(left, 1 << 20)))
    served.wait_for(lambda: source.closed)
    _serve(served, Zeros(5))
    assert client.send(GET).answer().body == bytes(5)


def test_answers_behind_a_body_that_is_read_wait_for_their_turn(served: Served) -> None:
    bodies = iter([Zeros(2_000_000), Zeros(3), Zeros(0)])
    served.respond = lambda _, responder: responder.respond(Response(200, b"", (), next(bodies)))
    client = served.connect().send(GET * 3)
    assert [len(client.answer().body) for _ in range(3)] == [2_000_000, 3, 0]


def test_head_tells_the_size_of_a_body_and_reads_none_of_it(served: Served) -> None:
    source = Zeros(1 << 40)
    _serve(served, source)
    answer = served.connect().send(b"HEAD /file HTTP/1.1\r\n\r\n").answer(to_head=True)
    assert answer.headers["content-length"] == str(1 << 40)
    assert (source.taken, source.closed) == (0, 1)


def test_a_body_that_turns_out_shorter_breaks_the_connection(served: Served) -> None:
    source = Zeros(1_000, there=10)
    _serve(served, source)
    client = served.connect().send(GET)
    with suppress(ConnectionResetError):
        assert len(client.rest()) < 1_000
    served.wait_for(lambda: source.closed)
    assert source.closed == 1


def test_a_body_is_closed_when_the_client_goes_away(served: Served) -> None:
    source = Zeros(1 << 40)
    _serve(served, source)
    client = served.connect().send(GET)
    client.head()
    client.close()
    served.wait_for(lambda: source.closed)
    assert source.closed == 1
