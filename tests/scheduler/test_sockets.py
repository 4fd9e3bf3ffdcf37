"""A driver with its threads against masters made of bytes: what HTTP can do to a client."""

from __future__ import annotations

import itertools
import threading

import pytest

from pymesoskit.errors import BadCall, Forbidden, SubscriptionRejected, Unauthorized
from pymesoskit.scheduler import Scheduler, SchedulerClient, SchedulerDriver
from pymesoskit.subscription import Backoff
from pymesoskit.wire.v1 import scheduler
from tests.scheduler.story import FRAMEWORK
from tests.transport.stub import ACCEPTED, ByteServer, Event, Peer, answer, error, subscribed, update

Call = scheduler.Call

QUICK = Backoff.constant(0.01)


class Recorder(Scheduler):
    def __init__(self) -> None:
        self.updated = threading.Semaphore(0)
        self.subscriptions = threading.Semaphore(0)
        self.lost: list[Exception] = []
        self.failed: list[Exception] = []

    def subscribed(self, driver, subscribed):
        self.subscriptions.release()

    def update(self, driver, status):
        self.updated.release()

    def disconnected(self, driver, reason):
        self.lost.append(reason)

    def call_failed(self, driver, call, error):
        self.failed.append(error)


def master(*events, calls=None):
    """Greets, sends events, and answers every call with 202; ``calls`` gets what was called."""

    def serve(peer: Peer) -> None:
        while True:
            headers, body = peer.request()
            call = Call.FromString(body)
            if calls is not None:
                calls.append((Call.Type.Name(call.type), headers.get("mesos-stream-id")))
            if call.type == Call.SUBSCRIBE:
                peer.begin_stream()
                peer.event(subscribed(), *events)
                peer.wait_for_end()
                return
            peer.send(ACCEPTED)

    return serve


def first(instead, *more):
    """Does ``instead`` with the first connection, then what follows with each of the next; the last with all the
    rest."""
    turns = itertools.chain([instead, *more], itertools.repeat(more[-1]))
    lock = threading.Lock()

    def serve(peer: Peer) -> None:
        with lock:
            turn = next(turns)
        turn(peer)

    return serve


def says(data: bytes):
    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(data)
        peer.wait_for_end()

    return serve


def run_until_updated(address: str, **options) -> Recorder:
    recorder = Recorder()
    with SchedulerDriver(recorder, FRAMEWORK, address, backoff=QUICK, **options):
        assert recorder.updated.acquire(timeout=20)
    return recorder


def test_a_redirect_is_followed_to_the_leader():
    with ByteServer(master(update("a", uuid=None))) as leader:
        location = f"Location: //{leader.address}/api/v1/scheduler"
        with ByteServer(says(answer(307, "", [location]))) as follower:
            run_until_updated(follower.address)


@pytest.mark.parametrize(
    "trouble",
    [
        answer(503, "No leader elected"),
        answer(404, "404 Not Found."),
        answer(500),
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nMesos-Stream-Id: x\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n",
        b"no HTTP at all\r\n\r\n",
    ],
    ids=["503", "404", "500", "hangs up", "content type", "no stream id", "garbage"],
)
def test_trouble_that_may_pass_is_tried_again(trouble):
    def once(peer: Peer) -> None:
        peer.request()
        peer.send(trouble)

    with ByteServer(first(once, master(update("a", uuid=None)))) as server:
        run_until_updated(server.address)


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (401, "401 Unauthorized.", Unauthorized),
        (403, "The request's authenticated principal contains claims", Forbidden),
        (400, "Failed to validate scheduler::Call: Expecting 'subscribe' to be present", BadCall),
        (415, "Expecting 'Content-Type' of application/json or application/x-protobuf", BadCall),
    ],
)
def test_trouble_that_will_not_pass_ends_it_with_the_masters_words(status, text, kind):
    with ByteServer(says(answer(status, text))) as server:
        with pytest.raises(kind) as caught:
            SchedulerDriver(Scheduler(), FRAMEWORK, server.address).run()
        assert (caught.value.call, caught.value.status, caught.value.body) == ("SUBSCRIBE", status, text)


def test_an_error_event_is_raised_by_the_iterator_too():
    with ByteServer(master(error("no"))) as server, SchedulerClient(FRAMEWORK, server.address) as client:
        seen = []
        with pytest.raises(SubscriptionRejected, match="no"):
            seen.extend(event.type for event in client.events())
        assert seen == [Event.SUBSCRIBED, Event.ERROR]


def test_a_stream_that_ends_is_followed_by_another_with_a_new_stream_id():
    calls: list[tuple[str, str | None]] = []

    def short(peer: Peer) -> None:
        peer.request()
        peer.begin_stream("old")
        peer.event(subscribed())

    with ByteServer(first(short, master(update("a"), calls=calls))) as server:
        recorder = run_until_updated(server.address)
    assert len(recorder.lost) == 1
    assert ("ACKNOWLEDGE", "stream-1") in calls
    assert "old" not in {stream_id for _, stream_id in calls}


def test_calls_go_on_when_the_master_closes_their_connection_between_two():
    """A keep-alive connection may be closed at any time; what may be said twice is said again."""

    def serve(peer: Peer) -> None:
        _, body = peer.request()
        if Call.FromString(body).type == Call.SUBSCRIBE:
            peer.begin_stream()
            peer.event(subscribed())
            peer.wait_for_end()
        else:
            peer.send(ACCEPTED)  # and closes

    with ByteServer(serve) as server:
        driver = SchedulerDriver(Scheduler(), FRAMEWORK, server.address, backoff=QUICK).start()
        driver.wait_until_subscribed(20)
        for _ in range(5):
            driver.revive().result(20)
        driver.disconnect()
        driver.join(20)


def test_a_driver_leaves_no_thread_and_no_socket():
    with ByteServer(master(update("a"))) as server:
        run_until_updated(server.address)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pymesoskit-story")]


def test_waiting_for_a_subscription_ends_when_there_will_be_none():
    with ByteServer(says(answer(401))) as server:
        driver = SchedulerDriver(Scheduler(), FRAMEWORK, server.address).start()
        with pytest.raises(Unauthorized):
            driver.wait_until_subscribed(20)
        with pytest.raises(Unauthorized):
            driver.join(20)


def test_a_context_whose_body_fails_disconnects_and_tears_nothing_down():
    def body(address: str) -> None:
        with SchedulerDriver(Scheduler(), FRAMEWORK, address) as driver:
            driver.wait_until_subscribed(20)
            raise RuntimeError("in the body")

    calls: list[tuple[str, str | None]] = []
    with ByteServer(master(calls=calls)) as server, pytest.raises(RuntimeError, match="in the body"):
        body(server.address)
    assert [kind for kind, _ in calls] == ["SUBSCRIBE"]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pymesoskit-story")]
