"""Custom executors over HTTP, and the built-in ones, as the agent sees them (agent-executor.md 4, 5, 6)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from pymesoskit.testing.engine.agent import Command, Exit, Outcome
from pymesoskit.testing.engine.network.messages import (
    ExitedExecutor,
    FrameworkToExecutor,
    RunTask,
    ShutdownExecutor,
    ShutdownFramework,
)
from pymesoskit.wire import RecordDecoder
from pymesoskit.wire.v1 import mesos
from tests.agent.world import FRAMEWORK_ID, Answer, World, executor, framework, task

if TYPE_CHECKING:
    from pathlib import Path

    from pymesoskit.testing.engine.machine.launcher import Usage

JSON = {"content_type": "application/json", "accept": "application/json"}
IDS = {"executor_id": {"value": "custom"}, "framework_id": {"value": FRAMEWORK_ID}}
UUID = "AAAAAAAAQACAAAAAAAAAAA=="


class FakeProcess:
    pid = 4242

    def __init__(self, on_exit: Any, on_error: Any) -> None:
        self.on_exit = on_exit
        self.on_error = on_error
        self.signals: list[int] = []

    def kill(self, number: int) -> None:
        self.signals.append(number)

    def usage(self) -> Usage | None:
        return None


class FakeLauncher:
    """Starts nothing: the test is the process."""

    needs_sandbox = True

    def __init__(self, post: Any) -> None:
        self.post = post
        self.processes: list[FakeProcess] = []
        self.commands: list[Command] = []

    def launch(self, command: Command, on_start: Any, on_exit: Any, on_error: Any) -> FakeProcess:
        process = FakeProcess(on_exit, on_error)
        self.processes.append(process)
        self.commands.append(command)
        self.post(on_start)
        return process

    def close(self) -> None: ...


class CustomWorld(World):
    """A world whose executors are the test's."""

    def __init__(self, tmp_path: Path, actor: Any = None, **flags: str) -> None:
        super().__init__(work_dir=tmp_path, actor=actor, **flags)
        self.launcher = FakeLauncher(self.actor.post)  # type: ignore[assignment]
        self.host.machine = evolve(self.host.machine, launcher=self.launcher)

    def process(self) -> FakeProcess:
        return self.launcher.processes[-1]  # type: ignore[attr-defined]

    def call(self, kind: str, **payload: Any) -> Answer:
        body = json.dumps({**IDS, "type": kind, **payload}).encode()
        return self.http("POST", "/api/v1/executor", body, **JSON)

    def subscribe(self, **payload: Any) -> Answer:
        return self.call("SUBSCRIBE", subscribe=payload)

    def update(self, task_id: str, state: str, uuid: str = UUID, **more: Any) -> Answer:
        status = {"task_id": {"value": task_id}, "state": state, "uuid": uuid, "source": "SOURCE_EXECUTOR", **more}
        return self.call("UPDATE", update={"status": status})

    def launch(self, *tasks: str, **fields: Any) -> None:
        for i, each in enumerate(tasks):
            info = task(each, None)
            info.executor.CopyFrom(executor(**fields))
            self.send(RunTask(framework(), info, launch_executor=i == 0))


def events(answer: Answer) -> list[dict[str, Any]]:
    assert answer.opened is not None
    return [json.loads(record) for record in RecordDecoder().feed(answer.opened.data)]


def kinds(answer: Answer) -> list[str]:
    return [event["type"] for event in events(answer)]


def status_of(answer: Answer) -> tuple[int, str]:
    assert answer.response is not None
    return answer.response.status, answer.response.body.decode()


@pytest.fixture
def world(tmp_path: Path) -> CustomWorld:
    world = CustomWorld(tmp_path)
    world.start()
    return world


def test_a_subscribed_executor_gets_what_is_queued_and_its_updates_are_acknowledged(world: CustomWorld) -> None:
    world.launch("t1", "t2")
    stream = world.subscribe()
    assert kinds(stream) == ["SUBSCRIBED", "LAUNCH", "LAUNCH"]
    assert status_of(world.update("t1", "TASK_RUNNING")) == (202, "")
    assert events(stream)[-1] == {
        "type": "ACKNOWLEDGED",
        "acknowledged": {"task_id": {"value": "t1"}, "uuid": UUID},
    }
    status = world.until_state("t1", "TASK_RUNNING")
    assert not status.HasField("executor_id")
    assert status.container_status.executor_pid == 4242


def test_the_same_update_again_is_acknowledged_but_not_forwarded_again(world: CustomWorld) -> None:
    world.launch("t1")
    stream = world.subscribe()
    world.update("t1", "TASK_RUNNING")
    world.update("t1", "TASK_RUNNING")
    assert kinds(stream).count("ACKNOWLEDGED") == 2
    assert world.master.states("t1") == ["TASK_RUNNING"]


def test_a_second_terminal_update_is_acknowledged_and_not_forwarded_while_the_first_is_not_acknowledged(
    world: CustomWorld,
) -> None:
    world.launch("t1")
    stream = world.subscribe()
    world.master.acknowledges = False
    world.update("t1", "TASK_FINISHED")
    world.update("t1", "TASK_FAILED", "BBBBBBBBQACAAAAAAAAAAA==")
    assert kinds(stream).count("ACKNOWLEDGED") == 2
    assert world.master.states("t1") == ["TASK_FINISHED"]


def test_a_terminal_update_after_the_first_was_acknowledged_is_forwarded_and_not_acknowledged(
    world: CustomWorld,
) -> None:
    world.launch("t1")
    stream = world.subscribe()
    world.update("t1", "TASK_FINISHED")
    world.update("t1", "TASK_FAILED", "BBBBBBBBQACAAAAAAAAAAA==")
    assert kinds(stream).count("ACKNOWLEDGED") == 1
    assert world.master.states("t1") == ["TASK_FINISHED", "TASK_FAILED"]


def test_the_end_of_an_executor_is_told_before_the_failure_of_its_tasks(world: CustomWorld) -> None:
    world.launch("t1", "t2")
    world.subscribe()
    world.update("t1", "TASK_RUNNING")
    world.master.received.clear()
    world.process().on_exit(Exit.of_code(3))
    world.advance(0.1)
    assert isinstance(world.master.received[0], ExitedExecutor)
    assert world.master.received[0].status == 768
    for task_id in ("t1", "t2"):
        (status,) = world.master.statuses(task_id)
        assert status.state == mesos.TASK_FAILED
        assert status.reason == mesos.TaskStatus.REASON_EXECUTOR_TERMINATED
        assert status.message == "Executor terminated"
        assert status.executor_id.value == "custom"


def test_an_executor_that_never_registers_is_killed(tmp_path: Path) -> None:
    world = CustomWorld(tmp_path, executor_registration_timeout="2secs")
    world.start()
    world.launch("t1")
    world.advance(1.9)
    assert world.process().signals == []
    world.advance(0.2)
    assert world.process().signals == [9]
    world.process().on_exit(Exit.of_signal(9))
    status = world.until_state("t1", "TASK_FAILED")
    assert status.reason == mesos.TaskStatus.REASON_EXECUTOR_REGISTRATION_TIMEOUT
    assert status.message == "Executor did not register within 2secs"


def test_shutdown_gives_the_executor_its_grace_period(world: CustomWorld) -> None:
    world.launch("t1")
    stream = world.subscribe()
    world.send(ShutdownExecutor(FRAMEWORK_ID, "custom"))
    assert kinds(stream)[-1] == "SHUTDOWN"
    world.advance(4.9)
    assert world.process().signals == []
    world.advance(0.2)
    assert world.process().signals == [9]


def test_an_executor_whose_tasks_were_killed_before_it_subscribed_is_shut_down_when_it_does(
    world: CustomWorld,
) -> None:
    world.launch("t1")
    world.kill("t1")
    (status,) = world.master.statuses("t1")
    assert status.state == mesos.TASK_KILLED
    assert status.reason == mesos.TaskStatus.REASON_TASK_KILLED_DURING_LAUNCH
    assert status.message == "Killed before delivery to the executor"
    assert status.executor_id.value == "custom"
    assert not status.HasField("container_status")
    world.advance(30)
    assert world.process().signals == []
    stream = world.subscribe()
    assert kinds(stream) == ["SHUTDOWN"]
    assert stream.opened is not None
    assert not stream.opened.closed
    world.advance(5.1)
    assert world.process().signals == [9]


def test_an_executor_that_is_still_to_get_another_task_outlives_the_one_that_was_killed(world: CustomWorld) -> None:
    world.launch("t1", "t2")
    world.kill("t1")
    assert kinds(world.subscribe()) == ["SUBSCRIBED", "LAUNCH"]


def test_an_executor_that_is_shut_down_before_it_subscribed_has_its_grace_period_too(world: CustomWorld) -> None:
    world.launch("t1")
    world.send(ShutdownExecutor(FRAMEWORK_ID, "custom"))
    world.advance(4.9)
    assert world.process().signals == []
    stream = world.subscribe()
    assert kinds(stream) == ["SHUTDOWN"]
    assert stream.opened is not None
    assert stream.opened.ended
    world.process().on_exit(Exit.of_code(0))
    status = world.until_state("t1", "TASK_FAILED")
    assert status.message == "Executor terminated"
    assert world.master.got(ExitedExecutor)[0].status == 0


def test_an_executor_that_is_shut_down_and_never_subscribes_is_killed_after_the_grace_period(
    world: CustomWorld,
) -> None:
    world.launch("t1")
    world.send(ShutdownExecutor(FRAMEWORK_ID, "custom"))
    world.advance(5.1)
    assert world.process().signals == [9]


def test_a_second_shutdown_changes_nothing(world: CustomWorld) -> None:
    world.launch("t1")
    stream = world.subscribe()
    world.send(ShutdownExecutor(FRAMEWORK_ID, "custom"))
    world.advance(3)
    world.send(ShutdownExecutor(FRAMEWORK_ID, "custom"))
    assert kinds(stream).count("SHUTDOWN") == 1
    world.advance(2.1)
    assert world.process().signals == [9]


def test_an_executor_may_have_a_grace_period_of_its_own(world: CustomWorld) -> None:
    info = executor()
    info.shutdown_grace_period.nanoseconds = 60 * 10**9
    each = task("t1", None)
    each.executor.CopyFrom(info)
    world.send(RunTask(framework(), each, launch_executor=True))
    world.subscribe()
    world.send(ShutdownFramework(FRAMEWORK_ID))
    world.advance(59.9)
    assert world.process().signals == []
    world.advance(0.2)
    assert world.process().signals == [9]


def test_a_kill_reaches_the_executor_with_its_policy(world: CustomWorld) -> None:
    world.launch("t1")
    stream = world.subscribe()
    policy = mesos.KillPolicy()
    policy.grace_period.nanoseconds = 7
    world.kill("t1", policy)
    assert events(stream)[-1]["kill"] == {
        "task_id": {"value": "t1"},
        "kill_policy": {"grace_period": {"nanoseconds": 7}},
    }


def test_a_kill_reaches_an_executor_whose_task_has_ended_but_is_not_acknowledged(world: CustomWorld) -> None:
    world.launch("t1")
    stream = world.subscribe()
    world.master.acknowledges = False
    world.update("t1", "TASK_FINISHED")
    world.kill("t1")
    assert kinds(stream)[-1] == "KILL"
    assert world.master.states("t1") == ["TASK_FINISHED"]


def test_messages_pass_in_both_directions(world: CustomWorld) -> None:
    world.launch("t1")
    stream = world.subscribe()
    world.call("MESSAGE", message={"data": "AP8="})
    assert world.master.received[-1].data == b"\x00\xff"  # type: ignore[union-attr]
    world.send(FrameworkToExecutor("M-S0", FRAMEWORK_ID, "custom", b"\xff"))
    assert events(stream)[-1]["message"] == {"data": "/w=="}


def test_a_subscription_replaces_the_one_before(world: CustomWorld) -> None:
    world.launch("t1")
    first = world.subscribe()
    world.subscribe()
    assert first.opened is not None
    assert first.opened.ended


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({**IDS}, "Expecting 'type' to be present"),
        ({**IDS, "type": "SUBSCRIBE"}, "Expecting 'subscribe' to be present"),
        ({**IDS, "type": "UPDATE"}, "Expecting 'update' to be present"),
        ({**IDS, "type": "MESSAGE"}, "Expecting 'message' to be present"),
    ],
)
def test_calls_without_their_payload_are_refused(world: CustomWorld, body: dict[str, Any], expected: str) -> None:
    answer = world.http("POST", "/api/v1/executor", json.dumps(body).encode(), **JSON)
    assert status_of(answer) == (400, f"Failed to validate Executor::Call: {expected}")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"uuid": None}, "Expecting 'uuid' to be present"),
        ({"uuid": "eA=="}, "Not a valid UUID"),
        (
            {"source": "SOURCE_AGENT"},
            (
                f"Received Call from executor custom of framework {FRAMEWORK_ID} with invalid source, "
                "expecting 'SOURCE_EXECUTOR'"
            ),
        ),
        (
            {"executor_id": {"value": "other"}},
            "ExecutorID in Call: custom does not match ExecutorID in TaskStatus: other",
        ),
        (
            {"state": "TASK_STAGING"},
            f"Received TASK_STAGING from executor custom of framework {FRAMEWORK_ID} which is not allowed",
        ),
        ({"check_status": {}}, "CheckStatusInfo must specify 'type'"),
        ({"check_status": {"type": "UNKNOWN"}}, "'UNKNOWN' is not a valid check's status type"),
        ({"check_status": {"type": "COMMAND"}}, "Expecting 'command' to be set for COMMAND check's status"),
        ({"check_status": {"type": "TCP"}}, "Expecting 'tcp' to be set for TCP check's status"),
    ],
)
def test_updates_that_are_refused(world: CustomWorld, change: dict[str, Any], expected: str) -> None:
    world.launch("t1")
    world.subscribe()
    status = {
        "task_id": {"value": "t1"},
        "state": "TASK_RUNNING",
        "uuid": UUID,
        "source": "SOURCE_EXECUTOR",
        **change,
    }
    answer = world.call("UPDATE", update={"status": {k: v for k, v in status.items() if v is not None}})
    assert status_of(answer) == (400, f"Failed to validate Executor::Call: {expected}")


def test_strangers_and_executors_that_have_not_subscribed_are_refused(world: CustomWorld) -> None:
    message = {"message": {"data": "eA=="}}
    assert status_of(world.call("MESSAGE", **message)) == (400, "Framework cannot be found")
    world.launch("t1")
    assert status_of(world.call("MESSAGE", **message)) == (403, "Executor is not subscribed")
    assert status_of(world.call("MESSAGE", **message, executor_id={"value": "x"})) == (400, "Executor cannot be found")
    assert status_of(world.call("HEARTBEAT", executor_id={"value": "x"})) == (202, "")


def test_a_heartbeat_is_accepted_from_anybody_who_has_ids(world: CustomWorld) -> None:
    assert status_of(world.call("HEARTBEAT")) == (202, "")
    nobody = {"type": "HEARTBEAT", "executor_id": {"value": "no"}, "framework_id": {"value": "no"}}
    assert status_of(world.http("POST", "/api/v1/executor", json.dumps(nobody).encode(), **JSON)) == (202, "")
    del nobody["executor_id"]
    assert status_of(world.http("POST", "/api/v1/executor", json.dumps(nobody).encode(), **JSON))[0] == 400


def test_heartbeats_come_every_30_minutes(world: CustomWorld) -> None:
    world.launch("t1")
    stream = world.subscribe()
    world.advance(1799)
    assert "HEARTBEAT" not in kinds(stream)
    world.advance(1801)
    assert kinds(stream).count("HEARTBEAT") == 2


class CheckpointedWorld(CustomWorld):
    """The framework checkpoints; executors have a second to come back."""

    def __init__(self, tmp_path: Path) -> None:
        super().__init__(tmp_path, executor_reregistration_timeout="1secs")
        self.start()

    def launch(self, *tasks: str, **fields: Any) -> None:
        for i, each in enumerate(tasks):
            info = task(each, None)
            info.executor.CopyFrom(executor(**fields))
            self.send(RunTask(framework(checkpoint=True), info, launch_executor=i == 0))


def update(task_id: str, state: str, uuid: str = UUID) -> dict[str, Any]:
    status = {"task_id": {"value": task_id}, "state": state, "uuid": uuid, "source": "SOURCE_EXECUTOR"}
    return {"status": status}


def test_a_task_that_did_not_reach_its_executor_before_the_agent_died_is_dropped(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    world.launch("t1", "t2")
    world.subscribe()
    world.update("t1", "TASK_RUNNING")
    world.restart()
    assert status_of(world.call("MESSAGE", message={"data": "eA=="})) == (503, "Agent has not finished recovery")
    stream = world.subscribe(unacknowledged_tasks=[], unacknowledged_updates=[])
    assert kinds(stream) == ["SUBSCRIBED"]
    status = world.until_state("t2", "TASK_DROPPED")
    assert status.reason == mesos.TaskStatus.REASON_AGENT_RESTARTED
    assert status.message == "Task launched during agent restart"
    assert status.executor_id.value == "custom"
    assert not status.HasField("container_status")


def test_a_task_that_the_executor_lists_is_not_dropped(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    world.launch("t1")
    world.subscribe()
    world.restart()
    listed = {"name": "t1", "task_id": {"value": "t1"}, "agent_id": {"value": "M-S0"}}
    assert kinds(world.subscribe(unacknowledged_tasks=[listed])) == ["SUBSCRIBED"]
    world.advance(5)
    assert world.master.statuses("t1") == []


def test_an_executor_that_got_none_of_its_tasks_before_the_agent_died_is_shut_down(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    world.launch("t1")
    world.subscribe()
    world.restart()
    assert kinds(world.subscribe()) == ["SHUTDOWN"]
    world.until_state("t1", "TASK_DROPPED")


def test_updates_listed_at_a_subscription_are_taken_after_the_tasks(tmp_path: Path) -> None:
    """A task that is not listed is dropped even if an update of it is; the update only gets its acknowledgement."""
    world = CheckpointedWorld(tmp_path)
    world.launch("t1", "t2")
    world.subscribe()
    world.update("t2", "TASK_RUNNING", "BBBBBBBBQACAAAAAAAAAAA==")
    world.restart()
    stream = world.subscribe(unacknowledged_updates=[update("t1", "TASK_RUNNING")])
    assert kinds(stream) == ["SUBSCRIBED", "ACKNOWLEDGED"]
    world.until_state("t1", "TASK_DROPPED")
    assert "TASK_RUNNING" not in world.master.states("t1")


def test_updates_that_the_executor_sends_again_are_known_by_their_uuids(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    world.launch("t1")
    world.subscribe()
    world.update("t1", "TASK_RUNNING")
    world.restart()
    again = [update("t1", "TASK_RUNNING"), update("t1", "TASK_FINISHED", "BBBBBBBBQACAAAAAAAAAAA==")]
    stream = world.subscribe(unacknowledged_updates=again)
    assert kinds(stream) == ["SUBSCRIBED", "ACKNOWLEDGED", "ACKNOWLEDGED"]
    world.until_state("t1", "TASK_FINISHED")
    assert world.master.states("t1") == ["TASK_FINISHED"]


def test_an_executor_that_does_not_come_back_after_a_restart_is_killed(tmp_path: Path) -> None:
    world = CustomWorld(tmp_path, executor_reregistration_timeout="1secs")
    world.start()
    info = task("t1", None)
    info.executor.CopyFrom(executor())
    world.send(RunTask(framework(checkpoint=True), info, launch_executor=True))
    world.subscribe()
    world.update("t1", "TASK_RUNNING")
    world.restart()
    world.advance(1.01)
    assert world.process().signals == [9]
    world.process().on_exit(Exit.of_signal(9))
    status = world.until_state("t1", "TASK_GONE")
    assert status.reason == mesos.TaskStatus.REASON_EXECUTOR_REREGISTRATION_TIMEOUT
    assert status.message == "Executor did not reregister within 1secs"
    assert world.master.got(ExitedExecutor)[0].status == 9


def test_an_executor_that_vanishes_while_its_agent_recovers_ends_all_the_same(tmp_path: Path) -> None:
    world = CustomWorld(tmp_path, executor_reregistration_timeout="1secs")
    world.start()
    info = task("t1", None)
    info.executor.CopyFrom(executor())
    world.send(RunTask(framework(checkpoint=True), info, launch_executor=True))
    world.restart()
    world.process().on_error("said to the agent that died")
    status = world.until_state("t1", "TASK_GONE")
    assert status.reason == mesos.TaskStatus.REASON_EXECUTOR_REREGISTRATION_TIMEOUT
    assert world.agent.core.frameworks == {}


def test_executors_of_frameworks_that_do_not_checkpoint_end_with_the_agents_return(world: CustomWorld) -> None:
    world.launch("t1")
    world.subscribe()
    world.restart()
    assert world.process().signals == [9]
    world.actor.run_until(lambda: world.agent.registered)
    assert world.agent.core.frameworks == {}
    assert world.master.statuses() == []


def test_an_agent_that_is_frozen_does_nothing_until_it_thaws() -> None:
    world = World({"*": Outcome.finishes(5)}).start()
    world.run(task())
    world.until_state("t1", "TASK_RUNNING")
    world.agent.freeze()
    world.advance(30)
    assert "TASK_FINISHED" not in world.master.states()
    world.agent.thaw()
    world.advance(0.1)
    assert "TASK_FINISHED" in world.master.states()
