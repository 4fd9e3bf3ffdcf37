"""An executor's driver in virtual time: handlers, updates that are kept, loss of the agent, the end."""

from __future__ import annotations

import random
from typing import Any

import pytest

from pymesoskit.errors import BadCall, ErrorEvent, HandlerFailed, InvalidCall, NotSubscribed
from pymesoskit.executor import Executor, ExecutorDriver, ExecutorEnvironment, calls, task_status
from pymesoskit.transport.address import Address
from pymesoskit.wire.v1 import executor, mesos
from tests.transport.stub import StubEndpoint, executor_subscribed, hang_up, refuse

Call = executor.Call
Event = executor.Event


def environment(**given: Any) -> ExecutorEnvironment:
    return ExecutorEnvironment("framework", "executor", Address("agent", 5051), **given)


CHECKPOINTING = {"checkpoint": True, "recovery_timeout": 60.0, "subscription_backoff_max": 2.0}


class Teller(Executor):
    def __init__(self, **do: Any) -> None:
        self.story: list[tuple[Any, ...]] = []
        self.do = do

    def names(self) -> list[str]:
        return [entry[0] for entry in self.story]

    def _tell(self, name: str, driver: ExecutorDriver, *what: Any) -> None:
        self.story.append((name, *what))
        if name in self.do:
            self.do[name](driver, *what)

    def connected(self, driver, address):
        self._tell("connected", driver, address)

    def subscribed(self, driver, subscribed):
        self._tell("subscribed", driver, subscribed)

    def disconnected(self, driver, reason):
        self._tell("disconnected", driver, reason)

    def launch(self, driver, task):
        self._tell("launch", driver, task)

    def kill(self, driver, task_id, kill_policy):
        self._tell("kill", driver, task_id, kill_policy)

    def acknowledged(self, driver, task_id, uuid):
        self._tell("acknowledged", driver, task_id, uuid)

    def message(self, driver, data):
        self._tell("message", driver, data)

    def shutdown(self, driver):
        self._tell("shutdown", driver)

    def error(self, driver, message):
        self._tell("error", driver, message)

    def heartbeat(self, driver):
        self._tell("heartbeat", driver)

    def call_failed(self, driver, call, error):
        self._tell("call_failed", driver, call, error)

    def stopped(self, driver, error):
        self._tell("stopped", driver, error)


def greet(stub: StubEndpoint) -> None:
    stub.send(executor_subscribed())


def begin(teller: Executor | None = None, stub: StubEndpoint | None = None, **given: Any):
    stub = StubEndpoint(call_type=Call, greeting=greet) if stub is None else stub
    teller = Teller() if teller is None else teller
    driver = ExecutorDriver(teller, environment(**given), transport=stub.transport(), rng=random.Random(7))
    driver.start()
    stub.actor.settle()
    return stub, teller, driver


def task(name: str = "t") -> mesos.TaskInfo:
    return mesos.TaskInfo(name=name, task_id=mesos.TaskID(value=name), agent_id=mesos.AgentID(value="a"))


def launch(name: str = "t") -> Event:
    return Event(type=Event.LAUNCH, launch=Event.Launch(task=task(name)))


def acknowledged(status: mesos.TaskStatus) -> Event:
    return Event(type=Event.ACKNOWLEDGED, acknowledged=Event.Acknowledged(task_id=status.task_id, uuid=status.uuid))


def test_every_event_reaches_its_handler():
    stub, teller, _ = begin()
    group = mesos.TaskGroupInfo(tasks=[task("g1"), task("g2")])
    policy = mesos.KillPolicy(grace_period=mesos.DurationInfo(nanoseconds=5))
    stub.send(
        launch(),
        Event(type=Event.LAUNCH_GROUP, launch_group=Event.LaunchGroup(task_group=group)),
        Event(type=Event.KILL, kill=Event.Kill(task_id=mesos.TaskID(value="t"), kill_policy=policy)),
        Event(type=Event.KILL, kill=Event.Kill(task_id=mesos.TaskID(value="t"))),
        Event(type=Event.MESSAGE, message=Event.Message(data=b"\xff\x00")),
        Event(type=Event.HEARTBEAT),
    )
    stub.actor.settle()
    assert teller.names() == [
        "connected", "subscribed", "launch", "launch", "launch", "kill", "kill", "message", "heartbeat"
    ]  # fmt: skip
    assert teller.story[5][2] == policy
    assert teller.story[6][2] is None
    assert teller.story[7] == ("message", b"\xff\x00")


def test_subscribe_and_calls_carry_the_ids_and_no_stream_id():
    stub, _, driver = begin()
    driver.message(b"x")
    stub.actor.settle()
    for call, head in zip(stub.calls, stub.heads, strict=True):
        assert (call.executor_id.value, call.framework_id.value) == ("executor", "framework")
        assert "mesos-stream-id" not in head


def test_the_token_is_sent_as_bearer():
    stub, _, _ = begin(authentication_token="t0ken")
    assert stub.heads[0]["authorization"] == "Bearer t0ken"


def test_send_update_fills_in_what_an_update_must_have():
    stub, _, driver = begin()
    given = task_status("t", mesos.TASK_RUNNING, "up")
    sent = driver.send_update(given)
    stub.actor.settle()
    [call] = stub.of(Call.UPDATE)
    status = call.update.status
    assert status == sent
    assert len(status.uuid) == 16
    assert status.uuid[6] >> 4 == 4  # a version that RFC 4122 knows
    assert status.source == mesos.TaskStatus.SOURCE_EXECUTOR
    assert status.executor_id.value == "executor"
    assert status.timestamp > 0
    assert status.message == "up"
    assert not given.uuid  # the caller's stays as it is


def test_updates_keep_their_order():
    stub, _, driver = begin()
    states = [mesos.TASK_STARTING, mesos.TASK_RUNNING, mesos.TASK_FINISHED]
    for state in states:
        driver.send_update(task_status("t", state))
    stub.actor.settle()
    assert [c.update.status.state for c in stub.of(Call.UPDATE)] == states


def test_staging_is_not_for_executors():
    _, _, driver = begin()
    with pytest.raises(InvalidCall, match="TASK_STAGING"):
        driver.send_update(task_status("t", mesos.TASK_STAGING))
    with pytest.raises(InvalidCall, match="task_id"):
        driver.send_update(mesos.TaskStatus(state=mesos.TASK_RUNNING))
    with pytest.raises(InvalidCall, match="send_update"):
        driver.call(calls.update(task_status("t", mesos.TASK_RUNNING)))


def test_12_what_was_not_acknowledged_is_said_again_when_the_agent_returns():
    stub, teller, driver = begin(**CHECKPOINTING)
    stub.send(launch("a"), launch("b"))
    stub.actor.settle()
    first = driver.send_update(task_status("a", mesos.TASK_RUNNING))
    second = driver.send_update(task_status("a", mesos.TASK_FINISHED))
    stub.actor.settle()
    stub.send(acknowledged(first))
    stub.actor.settle()
    stub.streams[-1].end()
    stub.actor.advance(3)
    again = stub.of(Call.SUBSCRIBE)[-1].subscribe
    assert [u.status for u in again.unacknowledged_updates] == [second]
    assert [t.task_id.value for t in again.unacknowledged_tasks] == ["b"]  # any update of a task acknowledges it
    assert len(stub.of(Call.UPDATE)) == 2  # not sent a third time: SUBSCRIBE has said it
    assert teller.names().count("subscribed") == 2


def test_12_updates_sent_while_the_agent_is_away_are_kept_and_come_in_order():
    stub, teller, driver = begin(**CHECKPOINTING)
    stub.listening = False
    stub.streams[-1].end()
    stub.actor.settle()
    one = driver.send_update(task_status("a", mesos.TASK_RUNNING))
    two = driver.send_update(task_status("a", mesos.TASK_FINISHED))
    stub.actor.advance(5)
    stub.listening = True
    stub.actor.advance(3)
    assert [u.status for u in stub.of(Call.SUBSCRIBE)[-1].subscribe.unacknowledged_updates] == [one, two]
    assert "call_failed" not in teller.names()


def test_12_an_update_between_subscribe_and_subscribed_is_sent_after_it():
    stub, _, driver = begin(stub=StubEndpoint(call_type=Call), **CHECKPOINTING)
    assert stub.types() == ["SUBSCRIBE"]
    late = driver.send_update(task_status("a", mesos.TASK_RUNNING))
    stub.actor.settle()
    assert stub.types() == ["SUBSCRIBE"]
    greet(stub)
    stub.actor.settle()
    assert [c.update.status for c in stub.of(Call.UPDATE)] == [late]


def test_an_update_whose_connection_breaks_is_sent_again():
    stub, teller, driver = begin(**CHECKPOINTING)
    stub.instead.append(hang_up)
    sent = driver.send_update(task_status("a", mesos.TASK_RUNNING))
    stub.actor.advance(3)
    assert [c.update.status for c in stub.of(Call.UPDATE)] == [sent, sent]
    assert "call_failed" not in teller.names()


def test_a_refused_update_is_told_and_not_said_again():
    stub, teller, driver = begin(**CHECKPOINTING)
    stub.instead.append(refuse(400, "Failed to validate Executor::Call: no"))
    driver.send_update(task_status("a", mesos.TASK_RUNNING))
    stub.actor.settle()
    [entry] = [e for e in teller.story if e[0] == "call_failed"]
    assert entry[1] == "UPDATE"
    assert isinstance(entry[2], BadCall)
    stub.streams[-1].end()
    stub.actor.advance(3)
    assert list(stub.of(Call.SUBSCRIBE)[-1].subscribe.unacknowledged_updates) == []


def test_without_checkpointing_a_lost_agent_means_shutdown_at_once():
    stub, teller, driver = begin()
    stub.streams[-1].end()
    stub.actor.settle()
    assert teller.names()[-3:] == ["disconnected", "shutdown", "stopped"]
    assert driver.ended
    driver.join()
    assert stub.types() == ["SUBSCRIBE"]


def test_with_checkpointing_a_lost_agent_is_waited_for_as_long_as_allowed():
    stub, teller, driver = begin(**CHECKPOINTING)
    stub.listening = False
    stub.streams[-1].end()
    stub.actor.advance(59)
    assert "shutdown" not in teller.names()
    stub.actor.advance(5)
    assert teller.names()[-2:] == ["shutdown", "stopped"]
    driver.join()


def test_an_agent_that_takes_the_connection_and_says_nothing_is_not_waited_for_longer():
    stub, teller, _ = begin(**CHECKPOINTING)
    stub.greeting = None
    stub.streams[-1].end()
    stub.actor.advance(59)
    assert "shutdown" not in teller.names()
    stub.actor.advance(2)
    assert teller.names()[-2:] == ["shutdown", "stopped"]


def test_an_agent_that_returns_in_time_starts_the_wait_anew():
    stub, teller, driver = begin(**CHECKPOINTING)
    for _ in range(3):
        stub.listening = False
        stub.streams[-1].end()
        stub.actor.advance(50)
        stub.listening = True
        stub.actor.advance(3)
        assert driver.subscribed
    assert "shutdown" not in teller.names()


def test_an_agent_that_is_not_ready_is_asked_again():
    stub = StubEndpoint(call_type=Call, greeting=greet, instead=[refuse(503, "Agent has not finished recovery")] * 3)
    _, teller, driver = begin(stub=stub)
    stub.actor.advance(4)
    assert stub.types() == ["SUBSCRIBE"] * 4
    assert driver.subscribed
    assert "shutdown" not in teller.names()


def test_a_refused_subscription_is_an_error():
    stub = StubEndpoint(call_type=Call, instead=[refuse(400, "Executor cannot be found")])
    _, _, driver = begin(stub=stub)
    with pytest.raises(BadCall, match="SUBSCRIBE: the call was not accepted: 400 Executor cannot be found"):
        driver.join()


def test_an_error_event_ends_it():
    stub, teller, driver = begin()
    stub.send(Event(type=Event.ERROR, error=Event.Error(message="no")))
    stub.actor.settle()
    assert ("error", "no") in teller.story
    with pytest.raises(ErrorEvent, match="no"):
        driver.join()


def test_shutdown_stops_the_driver_once_the_last_updates_are_acknowledged():
    def shut(driver):
        sent.append(driver.send_update(task_status("t", mesos.TASK_KILLED)))

    sent: list[mesos.TaskStatus] = []
    stub, teller, driver = begin(Teller(shutdown=shut))
    stub.send(Event(type=Event.SHUTDOWN))
    stub.actor.settle()
    assert [c.update.status.state for c in stub.of(Call.UPDATE)] == [mesos.TASK_KILLED]
    assert not driver.ended
    stub.send(acknowledged(sent[0]))
    stub.actor.settle()
    assert driver.ended
    driver.join()
    assert teller.names()[-1] == "stopped"


def test_shutdown_does_not_wait_for_acknowledgements_for_ever():
    stub, _, driver = begin(Teller(shutdown=lambda d: d.send_update(task_status("t", mesos.TASK_KILLED))))
    stub.send(Event(type=Event.SHUTDOWN))
    stub.actor.advance(2.4)
    assert not driver.ended
    stub.actor.advance(0.2)
    assert driver.ended


def test_after_shutdown_the_end_of_the_stream_is_the_end():
    stub, teller, driver = begin(**CHECKPOINTING)
    stub.send(Event(type=Event.SHUTDOWN))
    stub.streams[-1].end()
    stub.actor.advance(10)
    assert teller.names().count("shutdown") == 1
    assert driver.ended
    assert stub.types() == ["SUBSCRIBE"]


def test_an_executor_that_is_not_wanted_any_more_is_shut_down_instead_of_subscribed():
    stub = StubEndpoint(call_type=Call, greeting=lambda s: s.send(Event(type=Event.SHUTDOWN)))
    _, teller, driver = begin(stub=stub)
    assert teller.names() == ["connected", "shutdown", "stopped"]
    assert driver.ended


def test_stop_waits_for_acknowledgements_and_disconnect_does_not():
    stub, _, driver = begin()
    status = driver.send_update(task_status("t", mesos.TASK_FINISHED))
    driver.stop()
    stub.actor.settle()
    assert not driver.ended
    stub.send(acknowledged(status))
    stub.actor.settle()
    assert driver.ended

    stub, _, driver = begin()
    driver.send_update(task_status("t", mesos.TASK_FINISHED))
    driver.disconnect()
    stub.actor.settle()
    assert driver.ended
    assert len(stub.of(Call.UPDATE)) == 1


def test_heartbeats_are_sent_every_half_hour():
    stub, _, _ = begin()
    for _ in range(3):
        stub.actor.advance(1800)
        stub.send(Event(type=Event.HEARTBEAT))
        stub.actor.settle()
    assert stub.types() == ["SUBSCRIBE", "HEARTBEAT", "HEARTBEAT", "HEARTBEAT"]


def test_a_message_without_subscription_is_an_error():
    _, _, driver = begin(stub=StubEndpoint(call_type=Call))
    with pytest.raises(NotSubscribed, match="MESSAGE"):
        driver.message(b"x")


def test_what_a_handler_raises_ends_the_driver():
    def fails(_driver, _task):
        raise KeyError("x")

    stub, _, driver = begin(Teller(launch=fails))
    stub.send(launch())
    stub.actor.settle()
    with pytest.raises(HandlerFailed, match="'launch' raised KeyError"):
        driver.join()


def test_the_process_is_ended_by_force_only_if_it_is_the_executors_own():
    _, _, driver = begin()
    assert driver._on_grace_expired is None


def test_after_the_grace_period_the_process_is_ended():
    import threading

    fired = threading.Event()
    stub = StubEndpoint(call_type=Call, greeting=greet)
    driver = ExecutorDriver(
        Teller(), environment(shutdown_grace_period=0.01), transport=stub.transport(), on_grace_expired=fired.set
    )
    driver.start()
    stub.actor.settle()
    stub.send(Event(type=Event.SHUTDOWN))
    stub.actor.settle()
    assert fired.wait(10)
