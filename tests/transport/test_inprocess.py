"""The transport that leads straight into handlers: the same rules as over sockets."""

from __future__ import annotations

import threading

import pytest

from pymesoskit.errors import ConnectFailed, ConnectionLost
from pymesoskit.testing.cluster.inprocess import InProcessTransport
from pymesoskit.testing.engine.http.handler import Responder, Response
from pymesoskit.testing.runtime.actor import SimulatedActor, ThreadActor
from pymesoskit.transport import Address, Head

HEAD = Head("/path?query", (("Content-Type", "text/x"),))
ADDRESS = Address("somewhere", 1)


class Told:
    """A ``Reply`` and a ``Sink`` that write down what they are told."""

    def __init__(self) -> None:
        self.story = []

    def on_reply(self, status, headers, body):
        self.story.append(("reply", status, headers, body))

    def on_failure(self, error, sent):
        self.story.append(("failure", type(error), sent))

    def on_head(self, status, headers):
        self.story.append(("head", status, headers))

    def on_data(self, data):
        self.story.append(("data", data))

    def on_end(self, error):
        self.story.append(("end", error and type(error)))


class World:
    """A handler that keeps what it gets, and one connection to it in virtual time."""

    def __init__(self, handler=None, listening: bool = True) -> None:
        self.actor = SimulatedActor()
        self.requests = []
        self.responders: list[Responder] = []
        self.events = []
        self.crashes = []

        def keep(request, responder):
            self.requests.append(request)
            self.responders.append(responder)

        serve = handler or keep
        self.reactor = InProcessTransport(self.actor, lambda _: serve if listening else None).reactor("test")
        self.reactor.start(self.crashes.append)
        self.connection = self.reactor.connect(ADDRESS, lambda: self.events.append("open"), self.events.append)

    def settle(self):
        self.actor.settle()
        return self


def test_a_request_is_what_it_should_be():
    world = World()
    world.connection.post(HEAD, b"body", Told())
    world.settle()
    [request] = world.requests
    assert (request.method, request.target, request.path, request.body) == ("POST", "/path?query", "/path", b"body")
    assert request.headers == (("host", "somewhere:1"), ("content-type", "text/x"), ("content-length", "4"))
    assert world.events == ["open"]


def test_answers_come_in_the_order_of_the_requests():
    world = World()
    told = [Told(), Told()]
    for each in told:
        world.connection.post(HEAD, b"", each)
    world.settle()
    world.responders[1].respond(Response(200, b"second"))
    world.settle()
    assert told[1].story == []
    assert world.connection.oldest is told[0]
    world.responders[0].respond(Response(202, b"", (("X-Y", "z"),)))
    world.settle()
    assert told[0].story == [("reply", 202, (("x-y", "z"),), b"")]
    assert told[1].story == [("reply", 200, (), b"second")]
    assert world.connection.oldest is None


def test_only_the_first_answer_counts():
    world = World()
    told = Told()
    world.connection.post(HEAD, b"", told)
    world.settle()
    world.responders[0].respond(Response(202))
    world.responders[0].respond(Response(500))
    world.settle()
    assert [entry[1] for entry in told.story] == [202]


def test_a_stream_and_its_end():
    world = World()
    told, closed = Told(), []
    world.connection.stream(HEAD, b"", told)
    world.settle()
    stream = world.responders[0].stream(200, (("A", "b"),), lambda: closed.append(1))
    stream.write(b"one")
    stream.write([b"two", b"three"])
    stream.end()
    stream.write(b"late")
    world.settle()
    assert told.story == [("head", 200, (("a", "b"),)), ("data", b"one"), ("data", b"twothree"), ("end", None)]
    assert stream.closed
    assert closed == []


def test_a_stream_that_is_broken_breaks_the_connection():
    world = World()
    told, waiting = Told(), Told()
    world.connection.stream(HEAD, b"", told)
    world.connection.post(HEAD, b"", waiting)
    world.settle()
    world.responders[0].stream(200, (), lambda: None).abort()
    world.settle()
    assert told.story[-1] == ("end", ConnectionLost)
    assert waiting.story == [("failure", ConnectionLost, True)]
    assert isinstance(world.events[-1], ConnectionLost)


def test_the_handler_is_told_when_the_client_goes_away():
    world = World()
    closed = []
    world.connection.stream(HEAD, b"", Told())
    waiting = Told()
    world.connection.post(HEAD, b"", waiting)
    world.settle()
    stream = world.responders[0].stream(200, (), lambda: closed.append("stream"))
    world.responders[1].on_close(lambda: closed.append("late answer"))
    world.connection.close(ConnectionLost("enough"))
    world.connection.close(ConnectionLost("enough"))
    world.settle()
    assert sorted(closed) == ["late answer", "stream"]
    assert stream.closed
    assert waiting.story == [("failure", ConnectionLost, True)]
    world.responders[1].respond(Response(202))
    world.settle()
    assert len(waiting.story) == 1
    assert world.events == ["open"]


def test_nobody_listens():
    world = World(listening=False)
    told = Told()
    world.connection.post(HEAD, b"", told)
    world.settle()
    assert told.story == [("failure", ConnectFailed, False)]
    assert isinstance(world.events[0], ConnectFailed)
    late = Told()
    world.connection.post(HEAD, b"", late)
    assert late.story == [("failure", ConnectionLost, False)]


def test_a_handler_that_fails_is_a_500_and_not_the_clients_fault():
    def broken(_request, _responder):
        raise RuntimeError("inside")

    world = World(broken)
    told = Told()
    world.connection.post(HEAD, b"", told)
    with pytest.raises(RuntimeError, match="inside"):
        world.settle()
    world.settle()
    assert told.story[0][:2] == ("reply", 500)
    assert world.crashes == []


def test_what_the_client_raises_is_the_clients_fault_and_not_the_clusters():
    world = World()
    world.reactor.post(lambda: 1 // 0)
    world.settle()
    assert [type(error) for error in world.crashes] == [ZeroDivisionError]


def test_a_paused_connection_tells_nothing_and_loses_nothing():
    world = World()
    told = Told()
    world.connection.stream(HEAD, b"", told)
    world.settle()
    stream = world.responders[0].stream(200, (), lambda: None)
    world.settle()
    world.connection.pause()
    stream.write(b"one")
    stream.write(b"two")
    stream.end()
    world.settle()
    assert [entry[0] for entry in told.story] == ["head"]
    world.connection.resume()
    world.settle()
    assert told.story[1:] == [("data", b"one"), ("data", b"two"), ("end", None)]


def test_a_stream_where_a_whole_answer_is_expected_becomes_one():
    world = World()
    told = Told()
    world.connection.post(HEAD, b"", told)
    world.settle()
    stream = world.responders[0].stream(200, (("A", "b"),), lambda: None)
    stream.write(b"one")
    stream.write([b"two"])
    assert not stream.closed
    stream.end()
    world.settle()
    assert told.story == [("reply", 200, (("a", "b"),), b"onetwo")]


def test_a_refusal_where_a_stream_is_expected_is_read_whole():
    world = World()
    told = Told()
    world.connection.stream(HEAD, b"", told)
    world.settle()
    world.responders[0].respond(Response.text(400, "no"))
    world.settle()
    assert [entry[0] for entry in told.story] == ["head", "data", "end"]
    assert told.story[1] == ("data", b"no")


def test_stopping_closes_everything_and_runs_nothing_more():
    world = World()
    waiting = Told()
    world.connection.post(HEAD, b"", waiting)
    world.settle()
    world.reactor.stop()
    world.reactor.stop()
    world.reactor.post(world.events.append, "late")
    world.settle()
    assert waiting.story == [("failure", ConnectionLost, True)]
    assert world.events == ["open"]


def test_over_a_thread_it_runs_in_the_clusters_thread():
    actor = ThreadActor()
    actor.start()
    try:
        seen, answered = [], threading.Event()

        def serve(_request, responder):
            seen.append(threading.current_thread().name)
            responder.respond(Response(202))

        class Answered(Told):
            def on_reply(self, status, headers, body):
                seen.append(threading.current_thread().name)
                answered.set()

        reactor = InProcessTransport(actor, lambda _: serve).reactor("test")
        reactor.start(seen.append)
        assert reactor.threaded
        reactor.post(lambda: reactor.connect(ADDRESS, lambda: None, seen.append).post(HEAD, b"", Answered()))
        assert answered.wait(10)
        reactor.stop()
        assert seen == ["mesos-cluster", "mesos-cluster"]
    finally:
        actor.stop()
