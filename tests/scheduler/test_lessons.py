"""One test for each fault that users of other SDKs met and that concerns a scheduler's client."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import pytest

from pymesoskit.errors import (
    FrameworkFailedOver,
    FrameworkRemoved,
    HandlerFailed,
    HeartbeatsMissed,
    OutcomeUnknown,
    ProtocolError,
    SubscriptionRejected,
    Unauthorized,
)
from pymesoskit.scheduler import (
    FileStore,
    MemoryStore,
    OnRemoved,
    Scheduler,
    SchedulerClient,
    SchedulerDriver,
    operations,
)
from pymesoskit.subscription import Backoff, Watchdog
from pymesoskit.testing.engine.http.handler import Response
from pymesoskit.transport import Basic
from pymesoskit.wire.v1 import mesos, scheduler
from tests.scheduler.story import FRAMEWORK, Storyteller, begin
from tests.transport.stub import (
    ACCEPTED,
    FRAMEWORK_ID,
    ByteServer,
    Event,
    Peer,
    StubEndpoint,
    error,
    greet,
    hang_up,
    offer,
    offers,
    refuse,
    subscribed,
    update,
)

if TYPE_CHECKING:
    from pathlib import Path

Call = scheduler.Call


# 1. No heartbeat watchdog: a half-open connection makes a zombie framework.


def test_1_silence_after_subscribed_ends_the_subscription_and_starts_another():
    stub, teller, _ = begin()
    stub.actor.advance(74)
    assert teller.names().count("subscribed") == 1
    stub.actor.advance(3)
    [reason] = teller.last("disconnected")
    assert isinstance(reason, HeartbeatsMissed)
    assert "no heartbeat for 75 s" in str(reason)
    assert teller.names().count("subscribed") == 2


def test_1_heartbeats_keep_it_alive():
    stub, teller, _ = begin()
    for _ in range(20):
        stub.actor.advance(15)
        stub.send(Event(type=Event.HEARTBEAT))
    stub.actor.settle()
    assert teller.names().count("subscribed") == 1


def test_1_the_watchdog_is_armed_before_subscribed_too():
    stub, _, _ = begin(stub=StubEndpoint())  # takes SUBSCRIBE and says nothing
    assert stub.types() == ["SUBSCRIBE"]
    stub.actor.advance(80)
    assert stub.types() == ["SUBSCRIBE", "SUBSCRIBE"]


def test_1_the_watchdog_uses_the_masters_interval_and_the_number_given():
    stub = StubEndpoint(greeting=lambda s: s.send(subscribed(interval=2.0)))
    _, teller, _ = begin(stub=stub, watchdog=Watchdog(missed=3))
    stub.actor.advance(5.9)
    assert "disconnected" not in teller.names()
    stub.actor.advance(0.2)
    assert "disconnected" in teller.names()


# 2. The driver dies on any HTTP error, parse error or exception in a callback while the program goes on.


def test_2_http_errors_on_calls_do_not_end_the_driver():
    stub, teller, driver = begin()
    for status in (400, 401, 403, 404, 500, 501, 503):
        stub.instead.append(refuse(status, "no"))
        driver.kill("t")
        stub.actor.advance(2)
        assert teller.last("call_failed")[1].status == status
        assert not driver.ended
        assert driver.subscribed


@pytest.mark.parametrize("status", [404, 500, 502, 503])
def test_2_http_errors_on_subscribe_that_may_pass_are_tried_again(status):
    stub = StubEndpoint(greeting=greet, instead=[refuse(status, "not yet")] * 3)
    _, _teller, driver = begin(stub=stub)
    stub.actor.advance(10)
    assert stub.types() == ["SUBSCRIBE"] * 4
    assert driver.subscribed


@pytest.mark.parametrize(
    "garbage", [b"nonsense\n", b"12\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"-1\n", b"3\n\x08\x04\x2a"]
)
def test_2_a_stream_that_cannot_be_parsed_is_subscribed_anew(garbage):
    stub, teller, driver = begin()
    stub.send(update("before"))
    stub.streams[-1].write(garbage)
    stub.actor.advance(2)
    assert teller.last("update")[0].task_id.value == "before"
    [reason] = teller.last("disconnected")
    assert isinstance(reason, ProtocolError)
    assert driver.subscribed


def test_2_an_exception_in_a_handler_reaches_the_thread_that_waits():
    """With real threads: run() raises, nothing is left behind."""
    before = set(threading.enumerate())

    class Broken(Scheduler):
        def update(self, driver, status):
            raise ZeroDivisionError

    with ByteServer(_master(update("a"))) as server:
        driver = SchedulerDriver(Broken(), FRAMEWORK, server.address)
        with pytest.raises(HandlerFailed) as caught:
            driver.run()
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert [t for t in threading.enumerate() if t not in before and t.name.startswith("pymesoskit")] == []


def test_2_a_store_that_fails_ends_the_driver_with_its_error():
    class Full(MemoryStore):
        def save(self, framework_id: str) -> None:
            raise OSError("disk full")

    _stub, teller, driver = begin(store=Full())
    assert driver.ended
    assert "subscribed" not in teller.names()
    with pytest.raises(Exception, match="disk full") as caught:
        driver.join()
    assert isinstance(caught.value.__cause__, OSError)


# 3. A storm of reconnects, without backoff.


@pytest.mark.parametrize("trouble", ["503", "eof", "nobody", "hang up"])
def test_3_a_master_in_trouble_is_not_stormed(trouble):
    stub = StubEndpoint()
    if trouble == "503":
        stub.on_call[Call.SUBSCRIBE] = refuse(503, "No leader elected")
    elif trouble == "eof":
        stub.greeting = lambda s: (greet(s), s.streams[-1].end())
    elif trouble == "hang up":
        stub.on_call[Call.SUBSCRIBE] = hang_up
    else:
        stub.listening = False
    attempts = []
    _, _, driver = begin(Storyteller(connected=lambda *_: attempts.append(1)), stub, backoff=Backoff())
    stub.actor.advance(600)
    assert 0 <= len(stub.calls) <= 45  # 0.1 s doubling to 30 s, each at least half: no more in ten minutes
    assert trouble == "nobody" or len(stub.calls) >= 20
    assert not driver.ended


def test_3_a_long_life_is_forgiven_a_loss():
    stub, _, _ = begin(backoff=Backoff(jitter=0.0))
    for _ in range(5):
        for _ in range(4):
            stub.actor.advance(10)
            stub.send(Event(type=Event.HEARTBEAT))
            stub.actor.settle()
        stub.streams[-1].end()
        before = len(stub.calls)
        stub.actor.advance(0.11)
        assert len(stub.calls) == before + 1


# 4. Cannot subscribe again after a disconnect; stops after a few.


def test_4_it_subscribes_again_with_the_same_id_however_often():
    stub, teller, _ = begin()
    for _ in range(50):
        stub.streams[-1].end()
        stub.actor.advance(2)
    assert len(stub.of(Call.SUBSCRIBE)) == 51
    assert {c.framework_id.value for c in stub.of(Call.SUBSCRIBE)[1:]} == {FRAMEWORK_ID}
    assert teller.names().count("subscribed") == 51
    assert teller.names().count("disconnected") == 50


# 5. Framing: two records in a chunk, non-ASCII, records over 4 MiB, events one late.


def test_5_an_event_is_handed_over_as_soon_as_its_last_byte_is_there():
    stub, teller, _ = begin()
    from pymesoskit.wire import encode_record

    data = encode_record(update("täsk-✓").SerializeToString())
    for at in range(len(data) - 1):
        stub.streams[-1].write(data[at : at + 1])
    stub.actor.settle()
    assert "update" not in teller.names()
    stub.streams[-1].write(data[-1:] + data)
    stub.actor.settle()
    assert [e[1].task_id.value for e in teller.story if e[0] == "update"] == ["täsk-✓"] * 2


def test_5_a_record_of_many_megabytes_is_read():
    stub, teller, _ = begin()
    stub.send(offers(*(offer(n, f"agent-{n:080}") for n in range(30_000))))
    stub.actor.settle()
    assert len(teller.last("offers")[0]) == 30_000


# 6. Backpressure: bursts break the client, or are dropped.


def test_6_a_slow_handler_holds_the_master_back_and_loses_nothing():
    count, limit = 20_000, 100
    go, first, sent = threading.Event(), threading.Event(), threading.Event()
    seen: list[str] = []
    deepest = 0

    class Slow(Scheduler):
        def update(self, driver, status):
            nonlocal deepest
            first.set()
            assert go.wait(20)
            seen.append(status.task_id.value)
            deepest = max(deepest, len(driver._client._inbox._items))
            if len(seen) == count:
                driver.disconnect()

    def serve(peer: Peer) -> None:
        _headers, body = peer.request()
        if Call.FromString(body).type != Call.SUBSCRIBE:
            peer.wait_for_end()
            return
        peer.begin_stream()
        peer.event(subscribed())
        for n in range(count):
            peer.event(update(f"task-{n}", uuid=None))
        sent.set()
        peer.wait_for_end()

    with ByteServer(serve) as server:
        driver = SchedulerDriver(Slow(), FRAMEWORK, server.address, queue_limit=limit)
        driver.start()
        assert first.wait(20)
        go.set()
        driver.join(60)
    assert seen == [f"task-{n}" for n in range(count)]
    assert deepest < count / 2  # one read beyond the limit, never all of it


# 8. Acknowledged before the handler has run, or never.


def test_8_an_update_whose_handler_failed_is_not_acknowledged():
    def fails(_driver, _status):
        raise RuntimeError

    stub, _, driver = begin(Storyteller(update=fails))
    stub.send(update("a"))
    stub.actor.settle()
    assert driver.ended
    assert stub.of(Call.ACKNOWLEDGE) == []


def test_8_a_duplicate_is_acknowledged_too():
    stub, _, _ = begin()
    stub.send(update("a"), update("a"))
    stub.actor.settle()
    assert len(stub.of(Call.ACKNOWLEDGE)) == 2


# 9. Failover and the framework's id.


def test_9_a_removed_framework_is_a_typed_error():
    stub = StubEndpoint(greeting=lambda s: s.send(error("Framework has been removed")))
    store = MemoryStore("old")
    _, teller, driver = begin(stub=stub, store=store)
    assert driver.ended
    with pytest.raises(FrameworkRemoved):
        driver.join()
    assert teller.last("error") == ("Framework has been removed",)
    assert store.load() == "old"  # what to do with it is for people to say


def test_9_a_removed_framework_can_go_on_with_a_new_id():
    store = MemoryStore("old")
    stub = StubEndpoint()
    stub.greeting = lambda s: s.send(error("Framework has been removed") if len(s.streams) == 1 else subscribed("new"))
    _, _teller, driver = begin(stub=stub, store=store, on_removed=OnRemoved.NEW_ID)
    stub.actor.advance(2)
    first, second = stub.of(Call.SUBSCRIBE)
    assert first.framework_id.value == "old"
    assert not second.HasField("framework_id")
    assert not second.subscribe.framework_info.HasField("id")
    assert driver.subscribed
    assert driver.framework_id == "new" == store.load()


def test_9_the_one_that_was_failed_over_does_not_fight_back():
    stub, _, driver = begin()
    stub.send(error("Framework failed over"))
    stub.actor.advance(60)
    assert stub.types() == ["SUBSCRIBE"]
    with pytest.raises(FrameworkFailedOver):
        driver.join()


def test_9_the_one_that_was_failed_over_does_not_fight_back_if_it_learns_of_it_by_a_refused_call():
    """The refusal may come before the ERROR event: to subscribe again would take the framework away from the other."""
    text = (
        "The stream ID 'x' included in this request didn't match the stream ID currently associated with framework ID f"
    )
    stub, teller, driver = begin()
    stub.instead.append(refuse(400, text))
    pending = driver.revive()
    stub.actor.advance(600)
    assert stub.types() == ["SUBSCRIBE", "REVIVE"]
    assert pending.error is not None
    assert teller.last("call_failed") == ("REVIVE", pending.error)
    with pytest.raises(FrameworkFailedOver, match="The stream ID"):
        driver.join()


def test_9_what_the_master_does_not_accept_ends_it_with_the_masters_text():
    text = "'FrameworkInfo.role' is not a valid role: ."
    stub = StubEndpoint(greeting=lambda s: s.send(error(text)))
    _, _, driver = begin(stub=stub)
    with pytest.raises(SubscriptionRejected) as caught:
        driver.join()
    assert caught.value.message == text


def test_9_the_id_is_stored_before_anybody_hears_of_it(tmp_path: Path):
    store = FileStore(tmp_path / "framework-id")
    seen = []
    teller = Storyteller(subscribed=lambda driver, _: seen.append((store.load(), driver.framework_id)))
    begin(teller, store=store)
    assert seen == [(FRAMEWORK_ID, FRAMEWORK_ID)]


# 10. Authentication.


def test_10_credentials_go_with_every_request_and_a_401_is_a_typed_end():
    stub, _, driver = begin(credentials=Basic("principal", "secret"))
    driver.revive()
    stub.actor.settle()
    assert {head["authorization"] for head in stub.heads} == {"Basic cHJpbmNpcGFsOnNlY3JldA=="}
    assert "secret" not in repr(Basic("principal", "secret"))

    stub = StubEndpoint(instead=[refuse(401, "401 Unauthorized.", ("WWW-Authenticate", 'Basic realm="x"'))])
    _, _, driver = begin(stub=stub)
    with pytest.raises(Unauthorized, match="SUBSCRIBE: credentials are missing or wrong: 401 Unauthorized"):
        driver.join()


def test_10_credentials_that_can_be_renewed_are_asked_for_new_ones():
    class Tokens:
        def __init__(self) -> None:
            self.number = 0

        def headers(self):
            return (("Authorization", f"Bearer {self.number}"),)

        def refused(self) -> bool:
            self.number += 1
            return True

    stub = StubEndpoint(greeting=greet, instead=[refuse(401)])
    _, _, driver = begin(stub=stub, credentials=Tokens())
    stub.actor.advance(2)
    assert [head["authorization"] for head in stub.heads] == ["Bearer 0", "Bearer 1"]
    assert driver.subscribed


# 11. Bytes and text.


def test_11_data_is_bytes_and_ids_are_typed_or_text():
    stub, _, driver = begin()
    driver.message("executor", mesos.AgentID(value="agent"), b"\x00\xff")
    stub.actor.settle()
    payload = stub.of(Call.MESSAGE)[0].message
    assert (payload.executor_id.value, payload.agent_id.value, payload.data) == ("executor", "agent", b"\x00\xff")
    with pytest.raises(TypeError):
        driver.message("executor", "agent", "text")


# 13. A launch whose outcome is unknown.


def test_13_refused_and_unknown_are_different_errors():
    stub, teller, driver = begin()
    stub.instead += [refuse(400, "no"), hang_up]
    refused = driver.accept("O1", [operations.launch()])
    unknown = driver.accept("O2", [operations.launch()])
    stub.actor.advance(2)
    assert refused.error.status == 400
    assert isinstance(unknown.error, OutcomeUnknown)
    assert [entry[1] for entry in teller.story if entry[0] == "call_failed"] == ["ACCEPT", "ACCEPT"]
    assert len(stub.of(Call.ACCEPT)) == 2  # never said twice


# 15. Deadlocks from calling the driver with locks held.


def test_15_the_driver_can_be_called_with_a_lock_that_handlers_want():
    lock = threading.Lock()
    handled = threading.Event()

    class Locked(Scheduler):
        def update(self, driver, status):
            with lock:
                handled.set()

    with ByteServer(_master(update("a"))) as server, SchedulerDriver(Locked(), FRAMEWORK, server.address) as driver:
        driver.wait_until_subscribed(10)
        with lock:
            for _ in range(100):
                driver.revive()
            driver.suppress().result(10)
        assert handled.wait(10)


# The other small ones.


def test_inverse_offers_are_answered_by_their_ids():
    stub, _, driver = begin()
    driver.accept_inverse_offers("I1")
    driver.decline_inverse_offers(["I2"], refuse_seconds=1)
    stub.actor.settle()
    assert stub.calls[1].accept_inverse_offers.inverse_offer_ids[0].value == "I1"
    assert stub.calls[2].decline_inverse_offers.inverse_offer_ids[0].value == "I2"
    assert stub.calls[2].decline_inverse_offers.filters.refuse_seconds == 1


def test_roles_reach_revive_and_suppress():
    stub, _, driver = begin()
    driver.revive(["a"])
    driver.suppress(["a", "b"])
    stub.actor.settle()
    assert list(stub.calls[1].revive.roles) == ["a"]
    assert list(stub.calls[2].suppress.roles) == ["a", "b"]


def test_two_drivers_share_no_headers():
    one, _, _ = begin(credentials=Basic("one", "1"))
    two, _, _ = begin()
    assert "authorization" in one.heads[0]
    assert "authorization" not in two.heads[0]


def test_importing_starts_nothing():
    import subprocess
    import sys

    program = (
        "import signal, threading, logging; before = signal.getsignal(signal.SIGINT)\n"
        "import pymesoskit, pymesoskit.scheduler, pymesoskit.executor, pymesoskit.errors\n"
        "assert signal.getsignal(signal.SIGINT) is before and threading.active_count() == 1\n"
        "assert logging.getLogger().handlers == [] and logging.getLogger('pymesoskit').handlers == []\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_stream_without_chunks_is_read_until_it_ends():
    """Behind a buffering proxy the answer may have no length and no chunks."""

    def serve(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nMesos-Stream-Id: x\r\n\r\n")
        from pymesoskit.wire import encode_record

        for event in (subscribed(), update("a", uuid=None)):
            peer.send(encode_record(event.SerializeToString()))
        peer.wait_for_end()

    with ByteServer(serve) as server, SchedulerClient(FRAMEWORK, server.address) as client:
        assert [event.type for _, event in zip(range(2), client.events(), strict=False)] == [
            Event.SUBSCRIBED,
            Event.UPDATE,
        ]


def test_a_wrong_content_type_is_told(caplog):
    def serve(request, responder):
        responder.stream(200, (("Content-Type", "text/html"), ("Mesos-Stream-Id", "x")), lambda: None)

    stub = StubEndpoint(greeting=greet, instead=[serve])
    with caplog.at_level(logging.WARNING):
        _, _, driver = begin(stub=stub)
    assert "Content-Type is 'text/html', not 'application/x-protobuf'" in caplog.text
    stub.actor.advance(2)
    assert driver.subscribed


def test_a_stream_without_stream_id_is_told(caplog):
    def serve(request, responder):
        responder.stream(200, (("Content-Type", "application/x-protobuf"),), lambda: None)

    begin(stub=StubEndpoint(instead=[serve]))
    assert "no Mesos-Stream-Id" in caplog.text


def test_an_answer_to_subscribe_that_is_no_stream_is_told_with_its_text():
    stub = StubEndpoint(
        instead=[lambda _q, r: r.respond(Response.text(400, "Failed to parse body into Call protobuf"))]
    )
    _, _, driver = begin(stub=stub)
    with pytest.raises(Exception, match="SUBSCRIBE: the call was not accepted: 400 Failed to parse body"):
        driver.join()


def _master(*events: Event):
    """Serves a master of bytes: greets, sends these events, and accepts all calls."""

    def serve(peer: Peer) -> None:
        while True:
            _, body = peer.request()
            call = Call.FromString(body)
            if call.type == Call.SUBSCRIBE:
                peer.begin_stream()
                peer.event(subscribed(), *events)
                peer.wait_for_end()
                return
            peer.send(ACCEPTED)

    return serve
