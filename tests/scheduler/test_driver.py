"""The driver in virtual time: which handler is called when, what is sent, how it ends."""

from __future__ import annotations

import pytest

from pymesoskit.errors import (
    ConnectionLost,
    DriverStateError,
    HandlerFailed,
    InvalidCall,
    NotSubscribed,
    OutcomeUnknown,
    ReplyTimeout,
    StaleSubscription,
)
from pymesoskit.scheduler import Acknowledgement, MemoryStore, Scheduler, calls, operations
from pymesoskit.subscription import Timeouts
from pymesoskit.wire.v1 import mesos, scheduler
from tests.scheduler.story import FRAMEWORK, Storyteller, begin
from tests.transport.stub import (
    FRAMEWORK_ID,
    Event,
    StubEndpoint,
    greet,
    hang_up,
    offer,
    offers,
    refuse,
    silence,
    subscribed,
    update,
)

Call = scheduler.Call


def test_every_event_reaches_its_handler_with_its_payload():
    stub, teller, _ = begin()
    agent, task, executor = mesos.AgentID(value="a"), mesos.TaskID(value="t"), mesos.ExecutorID(value="e")
    inverse = mesos.InverseOffer(
        id=mesos.OfferID(value="I"),
        framework_id=mesos.FrameworkID(value="f"),
        unavailability=mesos.Unavailability(start=mesos.TimeInfo(nanoseconds=1)),
    )
    message = Event.Message(agent_id=agent, executor_id=executor, data=b"\xff")
    failure = Event.Failure(agent_id=agent, executor_id=executor, status=9)
    operation = mesos.OperationStatus(state=mesos.OPERATION_FINISHED)
    stub.send(
        offers(offer()),
        Event(type=Event.INVERSE_OFFERS, inverse_offers=Event.InverseOffers(inverse_offers=[inverse])),
        Event(type=Event.RESCIND, rescind=Event.Rescind(offer_id=mesos.OfferID(value="O"))),
        Event(
            type=Event.RESCIND_INVERSE_OFFER,
            rescind_inverse_offer=Event.RescindInverseOffer(inverse_offer_id=mesos.OfferID(value="I")),
        ),
        update("t"),
        Event(
            type=Event.UPDATE_OPERATION_STATUS,
            update_operation_status=Event.UpdateOperationStatus(status=operation),
        ),
        Event(type=Event.MESSAGE, message=message),
        Event(type=Event.FAILURE, failure=failure),
        Event(type=Event.HEARTBEAT),
    )
    stub.actor.settle()
    assert teller.names() == [
        "connected", "subscribed", "heartbeat",
        "offers", "inverse_offers", "rescind", "rescind_inverse_offer", "update", "update_operation_status",
        "message", "failure", "heartbeat",
    ]  # fmt: skip
    assert teller.last("offers") == ([offer()],)
    assert teller.last("inverse_offers") == ([inverse],)
    assert teller.last("rescind")[0].value == "O"
    assert teller.last("update")[0].task_id == task
    assert teller.last("message") == (message,)
    assert teller.last("failure") == (failure,)
    assert teller.last("update_operation_status") == (operation,)


def test_a_scheduler_that_overrides_nothing_declines_offers():
    stub, _, _ = begin(Scheduler())
    stub.send(offers(offer(1), offer(2)))
    stub.actor.settle()
    [call] = stub.of(Call.DECLINE)
    assert [o.value for o in call.decline.offer_ids] == ["O1", "O2"]
    assert not call.decline.HasField("filters")


def test_calls_carry_framework_id_and_stream_id_and_subscribe_carries_none():
    stub, _, driver = begin()
    driver.revive()
    stub.actor.settle()
    subscribe, revive = stub.calls
    assert not subscribe.HasField("framework_id")
    assert "mesos-stream-id" not in stub.heads[0]
    assert stub.heads[0]["accept"] == "application/x-protobuf"
    assert revive.framework_id.value == FRAMEWORK_ID
    assert stub.heads[1]["mesos-stream-id"] == "stream-0"


def test_updates_are_acknowledged_after_the_handler_and_in_order():
    order = []
    stub = StubEndpoint(greeting=greet)
    teller = Storyteller(
        update=lambda _driver, status: order.append((status.task_id.value, len(stub.of(Call.ACKNOWLEDGE))))
    )
    begin(teller, stub)
    stub.send(update("a"), update("b"), update("a", mesos.TASK_FINISHED, b"v" * 16))
    stub.actor.settle()
    acknowledged = [(c.acknowledge.task_id.value, c.acknowledge.uuid) for c in stub.of(Call.ACKNOWLEDGE)]
    assert acknowledged == [("a", b"u" * 16), ("b", b"u" * 16), ("a", b"v" * 16)]
    assert order[0] == ("a", 0)


def test_updates_without_uuid_are_not_acknowledged():
    stub, teller, driver = begin()
    stub.send(update("a", uuid=None))
    stub.actor.settle()
    assert "update" in teller.names()
    assert stub.of(Call.ACKNOWLEDGE) == []
    with pytest.raises(InvalidCall, match="'a' has no uuid"):
        driver.acknowledge(teller.last("update")[0])


def test_explicit_acknowledgement_leaves_it_to_the_program():
    stub, teller, driver = begin(acknowledgement=Acknowledgement.EXPLICIT)
    stub.send(update("a"))
    stub.actor.settle()
    assert stub.of(Call.ACKNOWLEDGE) == []
    driver.acknowledge(teller.last("update")[0])
    stub.actor.settle()
    assert len(stub.of(Call.ACKNOWLEDGE)) == 1


def test_updates_of_operations_are_acknowledged_too():
    stub, _, _ = begin()
    status = mesos.OperationStatus(
        state=mesos.OPERATION_FINISHED,
        operation_id=mesos.OperationID(value="op"),
        uuid=mesos.UUID(value=b"w" * 16),
        agent_id=mesos.AgentID(value="a"),
    )
    stub.send(
        Event(type=Event.UPDATE_OPERATION_STATUS, update_operation_status=Event.UpdateOperationStatus(status=status))
    )
    stub.actor.settle()
    [call] = stub.of(Call.ACKNOWLEDGE_OPERATION_STATUS)
    payload = call.acknowledge_operation_status
    assert (payload.uuid, payload.operation_id.value, payload.agent_id.value) == (b"w" * 16, "op", "a")
    assert not payload.HasField("resource_provider_id")


def test_teardown_removes_the_framework_and_forgets_its_id():
    store = MemoryStore()
    stub, teller, driver = begin(store=store)
    assert store.load() == FRAMEWORK_ID
    driver.teardown()
    stub.actor.settle()
    assert stub.types()[-1] == "TEARDOWN"
    assert driver.ended
    assert teller.last("stopped") == (None,)
    assert store.load() is None
    driver.join()


@pytest.mark.parametrize("end", ["stop", "disconnect"])
def test_stop_and_disconnect_tear_nothing_down_and_keep_the_id(end):
    store = MemoryStore()
    framework = mesos.FrameworkInfo(user="nobody", name="story", failover_timeout=60)
    stub, _, driver = begin(store=store, framework=framework)
    getattr(driver, end)()
    stub.actor.settle()
    assert driver.ended
    assert stub.types() == ["SUBSCRIBE"]
    assert stub.client_closed == 1
    assert store.load() == FRAMEWORK_ID


def test_the_id_of_a_framework_without_failover_timeout_is_forgotten_when_its_driver_ends():
    store = MemoryStore()
    stub, _, driver = begin(store=store)
    driver.stop()
    stub.actor.settle()
    assert driver.ended
    assert store.load() is None


def test_leaving_the_with_block_tears_nothing_down():
    stub, _, driver = begin(start=False)
    with driver:
        stub.actor.settle()
    stub.actor.settle()
    assert driver.ended
    assert stub.types() == ["SUBSCRIBE"]


def test_leaving_the_with_block_raises_what_ended_the_driver():
    def fail(_driver, _status):
        raise ZeroDivisionError("of the handler")

    stub, _, driver = begin(Storyteller(update=fail), start=False)

    def use() -> None:
        with driver:
            stub.actor.settle()
            stub.send(update("a"))
            stub.actor.settle()

    with pytest.raises(HandlerFailed) as caught:
        use()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_error_of_the_with_block_says_that_the_driver_had_ended():
    def fail(_driver, _status):
        raise ZeroDivisionError("of the handler")

    stub, _, driver = begin(Storyteller(update=fail), start=False)

    def use() -> None:
        with driver:
            stub.actor.settle()
            stub.send(update("a"))
            stub.actor.settle()
            raise AssertionError("the task is not done")

    with pytest.raises(AssertionError) as caught:
        use()
    assert "HandlerFailed" in caught.value.__notes__[0]
    assert "of the handler" in caught.value.__notes__[0]


def test_what_was_acknowledged_before_disconnect_in_a_handler_is_still_sent():
    stub, _, driver = begin(Storyteller(update=lambda driver, _status: driver.disconnect()))
    stub.send(update("a"), update("b"))
    stub.actor.settle()
    assert driver.ended
    assert [c.acknowledge.task_id.value for c in stub.of(Call.ACKNOWLEDGE)] == ["a"]


def test_the_stream_may_end_before_teardown_is_answered():
    stub, teller, driver = begin()

    def teardown(_request, responder):
        stub.streams[-1].end()
        responder.respond(__import__("pymesoskit.testing.engine.http.handler", fromlist=["Response"]).Response(202))

    stub.on_call[Call.TEARDOWN] = teardown
    driver.teardown()
    stub.actor.settle()
    assert driver.ended
    driver.join()
    assert teller.last("stopped") == (None,)
    assert stub.types() == ["SUBSCRIBE", "TEARDOWN"]


def test_ending_does_not_wait_for_answers_for_ever():
    stub, _, driver = begin(timeouts=Timeouts(farewell=5))
    stub.on_call[Call.TEARDOWN] = silence
    driver.teardown()
    stub.actor.advance(4)
    assert not driver.ended
    stub.actor.advance(2)
    assert driver.ended


def test_a_call_without_subscription_is_an_error_and_not_silence():
    stub = StubEndpoint()  # never sends SUBSCRIBED
    _, _, driver = begin(stub=stub)
    with pytest.raises(NotSubscribed, match="REVIVE: there is no subscription"):
        driver.revive()
    with pytest.raises(NotSubscribed):
        driver.teardown()


def test_a_call_in_a_handler_of_a_subscription_that_has_just_ended_is_not_sent():
    caught = []
    stub = StubEndpoint(greeting=greet)

    def late(driver, _offers):
        try:
            driver.decline("O0")
        except NotSubscribed as error:
            caught.append(error)

    begin(Storyteller(offers=late), stub)
    stub.send(offers(offer()))
    stub.streams[-1].end()
    stub.actor.advance(2)  # the offers are handled when the stream has already ended
    assert caught
    assert stub.of(Call.DECLINE) == []


def test_a_call_handed_over_before_the_subscription_ended_is_not_sent_on_the_next():
    stub, teller, driver = begin()
    pending = driver.revive()
    stub.streams[-1].end()
    stub.listening = False
    driver._client._subscriber.session.ended(1, ConnectionLost("x"), 0.0)  # before the call's turn has come
    stub.actor.settle()
    stub.listening = True
    stub.actor.advance(5)
    assert isinstance(pending.error, StaleSubscription)
    assert teller.last("call_failed") == ("REVIVE", pending.error)
    assert stub.types() == ["SUBSCRIBE", "SUBSCRIBE"]


def test_not_subscribed_out_of_a_handler_ends_the_handler_not_the_driver():
    def raises(_driver, _offers):
        raise NotSubscribed("gone")

    stub, teller, driver = begin(Storyteller(offers=raises))
    stub.send(offers(offer()), update("a"))
    stub.actor.settle()
    assert not driver.ended
    assert "update" in teller.names()


def test_what_a_handler_raises_ends_the_driver_and_is_told():
    def raises(_driver, status):
        return 1 // 0

    stub, teller, driver = begin(Storyteller(update=raises))
    stub.send(update("a"), update("b"))
    stub.actor.settle()
    assert driver.ended
    assert stub.types() == ["SUBSCRIBE"]  # neither acknowledged nor torn down
    assert [n for n in teller.names() if n == "update"] == ["update"]
    with pytest.raises(HandlerFailed, match="'update' raised ZeroDivisionError") as caught:
        driver.join()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.value.__cause__.__traceback__ is not None
    assert teller.last("stopped") == (caught.value,)


def test_what_the_last_handler_raises_is_told_too():
    def raises(_driver, _error):
        raise ValueError("at the end")

    stub, _, driver = begin(Storyteller(stopped=raises))
    driver.disconnect()
    stub.actor.settle()
    with pytest.raises(HandlerFailed, match="at the end"):
        driver.join()


def test_a_refused_call_is_told_with_status_and_body():
    stub, teller, driver = begin()
    stub.on_call[Call.KILL] = refuse(400, "Failed to validate scheduler::Call: Expecting 'kill' to be present")
    pending = driver.kill("t")
    stub.actor.settle()
    name, error = teller.last("call_failed")
    assert name == "KILL"
    assert (error.call, error.status) == ("KILL", 400)
    assert error.body.startswith("Failed to validate")
    assert pending.done
    assert pending.error is error
    with pytest.raises(type(error)):
        pending.result()
    assert not driver.ended


def test_an_accepted_call_has_no_error():
    stub, _, driver = begin()
    pending = driver.suppress()
    assert not pending.done
    assert "pending" in repr(pending)
    stub.actor.settle()
    assert pending.done
    pending.result()
    assert "accepted" in repr(pending)


def test_what_may_be_said_twice_is_sent_again_when_the_connection_breaks():
    stub, teller, driver = begin()
    stub.instead.append(hang_up)
    pending = [driver.kill("a"), driver.kill("b"), driver.kill("c")]
    stub.actor.advance(2)
    assert [c.kill.task_id.value for c in stub.of(Call.KILL)][-3:] == ["a", "b", "c"]
    assert all(each.error is None and each.done for each in pending)
    assert "call_failed" not in teller.names()


def test_the_outcome_of_an_accept_whose_connection_breaks_is_unknown():
    stub, teller, driver = begin()
    stub.instead.append(hang_up)
    pending = driver.accept("O0", [operations.launch()])
    stub.actor.advance(2)
    assert len(stub.of(Call.ACCEPT)) == 1
    assert isinstance(pending.error, OutcomeUnknown)
    assert teller.last("call_failed") == ("ACCEPT", pending.error)


def test_a_call_that_is_never_answered_is_sent_again_on_a_new_connection():
    stub, _, driver = begin(timeouts=Timeouts(reply=30))
    stub.instead.append(silence)
    pending = driver.kill("a")
    stub.actor.advance(29)
    assert len(stub.of(Call.KILL)) == 1
    stub.actor.advance(3)
    assert len(stub.of(Call.KILL)) == 2
    assert pending.error is None
    assert pending.done


def test_an_accept_that_is_never_answered_is_unknown():
    stub, _, driver = begin(timeouts=Timeouts(reply=30))
    stub.instead.append(silence)
    pending = driver.accept("O0")
    stub.actor.advance(31)
    assert isinstance(pending.error, OutcomeUnknown)
    assert "30 s" in str(pending.error)
    assert issubclass(ReplyTimeout, Exception)


def test_calls_that_the_master_does_not_know_the_subscription_for_make_a_new_one():
    for status, text in [
        (403, "Framework is not subscribed"),
        (400, "Framework cannot be found"),
        (503, "Master has not finished recovery"),
    ]:
        stub, teller, driver = begin()
        stub.instead.append(refuse(status, text))
        driver.revive()
        stub.actor.advance(2)
        assert teller.names().count("subscribed") == 2, text
        assert teller.last("call_failed")[1].body == text
        assert not driver.ended


def test_suppression_outlives_the_subscription():
    framework = mesos.FrameworkInfo(
        user="u",
        name="n",
        roles=["a", "b"],
        capabilities=[mesos.FrameworkInfo.Capability(type=mesos.FrameworkInfo.Capability.MULTI_ROLE)],
    )
    stub, _, driver = begin(framework=framework, suppressed_roles=["b"])
    driver.suppress()
    driver.revive(["a"])
    stub.actor.settle()
    stub.streams[-1].end()
    stub.actor.advance(2)
    first, second = stub.of(Call.SUBSCRIBE)
    assert list(first.subscribe.suppressed_roles) == ["b"]
    assert list(second.subscribe.suppressed_roles) == ["b"]
    driver.suppress(["a"])
    stub.actor.settle()
    stub.streams[-1].end()
    stub.actor.advance(2)
    assert list(stub.of(Call.SUBSCRIBE)[-1].subscribe.suppressed_roles) == ["a", "b"]


def test_an_accepted_update_of_the_framework_is_what_later_subscriptions_say():
    stub, _, driver = begin()
    changed = driver.framework
    assert changed.id.value == FRAMEWORK_ID
    changed.name = "new name"
    driver.update_framework(changed, suppressed_roles=["*"])
    stub.actor.settle()
    assert driver.framework.name == "new name"
    stub.streams[-1].end()
    stub.actor.advance(2)
    again = stub.of(Call.SUBSCRIBE)[-1]
    assert again.subscribe.framework_info.name == "new name"
    assert list(again.subscribe.suppressed_roles) == ["*"]
    assert again.framework_id.value == FRAMEWORK_ID == again.subscribe.framework_info.id.value


def test_a_refused_update_of_the_framework_changes_nothing():
    stub, _, driver = begin()
    stub.on_call[Call.UPDATE_FRAMEWORK] = refuse(400, "FrameworkInfo update is not valid: …")
    changed = driver.framework
    changed.name = "new name"
    driver.update_framework(changed)
    stub.actor.settle()
    assert driver.framework.name == FRAMEWORK.name


def test_the_callers_messages_are_not_changed():
    framework = mesos.FrameworkInfo(user="u", name="n")
    stub, _, driver = begin(framework=framework)
    call = calls.revive()
    driver.call(call)
    stub.actor.settle()
    assert call == calls.revive()
    assert not framework.HasField("id")


def test_calls_are_checked_before_they_are_sent():
    _, _, driver = begin()
    with pytest.raises(InvalidCall, match=r"kill\.task_id"):
        driver.call(Call(type=Call.KILL, kill=Call.Kill()))
    with pytest.raises(InvalidCall, match="type"):
        driver.call(Call())
    with pytest.raises(InvalidCall, match="SUBSCRIBE"):
        driver.call(calls.subscribe(FRAMEWORK))
    with pytest.raises(InvalidCall, match="'other'"):
        driver.call(Call(type=Call.REVIVE, framework_id=mesos.FrameworkID(value="other")))


def test_a_driver_is_started_once():
    _, _, driver = begin()
    with pytest.raises(DriverStateError, match="already started"):
        driver.start()


def test_in_virtual_time_nobody_waits():
    _, _, driver = begin()
    with pytest.raises(DriverStateError, match="virtual time"):
        driver.join()
    with pytest.raises(DriverStateError):
        driver.wait_until_subscribed(1)


def test_an_event_of_an_unknown_kind_is_ignored_with_a_warning(caplog):
    stub, teller, driver = begin()
    stub.streams[-1].write(b"2\n\x08\x63")  # an event of type 99
    stub.send(update("a"))
    stub.actor.settle()
    assert "update" in teller.names()
    assert "unknown kind" in caplog.text
    assert not driver.ended


def test_the_stored_id_is_used_for_the_first_subscription():
    stub, _, driver = begin(store=MemoryStore("kept"), stub=StubEndpoint(greeting=lambda s: s.send(subscribed("kept"))))
    [subscribe] = stub.calls
    assert subscribe.framework_id.value == "kept" == subscribe.subscribe.framework_info.id.value
    assert driver.framework_id == "kept"
