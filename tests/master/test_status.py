"""Statuses, acknowledgements, reconciliation and operations' feedback (docs/reference/scheduler-api.md 6 and 8)."""

import base64

import pytest

from pymesoskit.testing.engine.network.messages import (
    ApplyOperation,
    ExecutorToFramework,
    ExitedExecutor,
    FrameworkToExecutor,
    KillTask,
    OperationStatusAcknowledgement,
    RunTask,
    ShutdownExecutor,
    StatusUpdateAcknowledgement,
    UpdateOperationStatus,
)
from pymesoskit.wire.v1 import mesos

ONE, TWO = b"\x11" * 16, b"\x22" * 6 + b"\x40\x00\x80" + b"\x22" * 7


def b64(data):
    return base64.b64encode(data).decode()


@pytest.fixture
def framework(world):
    return world.framework()


@pytest.fixture
def agent(world):
    return world.agent()


@pytest.fixture
def launched(world, framework, agent, task):
    offer = world.offer(framework, agent)
    framework.launch(offer, task("t", offer))
    agent.take(RunTask)
    return offer


def ack(framework, agent, uuid, task_id="t"):
    payload = {"agent_id": {"value": agent.id}, "task_id": {"value": task_id}, "uuid": b64(uuid)}
    assert framework.call("ACKNOWLEDGE", payload).status == 202
    framework.world.settle()


def reconcile(framework, *tasks):
    assert framework.call("RECONCILE", {"tasks": list(tasks)}).status == 202
    return framework.take_statuses()


def test_a_status_is_forwarded_as_it_is_and_acknowledged_to_the_agent(world, framework, agent, launched):
    agent.update(framework.id, "t", "TASK_RUNNING", ONE, data=b"x", message="m")
    (status,) = framework.take_statuses()
    assert (status["state"], status["uuid"], status["data"], status["message"]) == (
        "TASK_RUNNING",
        b64(ONE),
        b64(b"x"),
        "m",
    )
    ack(framework, agent, ONE)
    assert agent.take(StatusUpdateAcknowledgement) == [StatusUpdateAcknowledgement(agent.id, framework.id, "t", ONE)]
    assert world.state.counters["master/valid_status_update_acknowledgements"] == 1


def test_an_acknowledgement_before_any_status_is_ignored(framework, agent, launched):
    ack(framework, agent, ONE)
    assert not agent.take(StatusUpdateAcknowledgement)


def test_acknowledgements_for_tasks_the_master_does_not_know_are_passed_on(framework, agent):
    ack(framework, agent, ONE, "other")
    assert len(agent.take(StatusUpdateAcknowledgement)) == 1


def test_a_task_is_complete_when_its_terminal_status_is_acknowledged(world, framework, agent, launched):
    known = world.state.frameworks[framework.id]
    agent.update(framework.id, "t", "TASK_FINISHED", TWO)
    ack(framework, agent, ONE)
    assert list(known.tasks) == ["t"], "another status was acknowledged"
    ack(framework, agent, TWO)
    assert not known.tasks
    assert [task.id for task in known.completed_tasks] == ["t"]
    assert world.state.counters["master/tasks_finished"] == 1


def test_resources_are_free_when_the_agent_knows_that_the_task_ended(world, framework, agent, launched):
    agent.update(framework.id, "t", "TASK_RUNNING", ONE, latest="TASK_FINISHED")
    known = world.state.frameworks[framework.id]
    assert not known.used.by
    assert world.allocator.named("recover_resources")[-1][1] == {"allocated": True}
    agent.update(framework.id, "t", "TASK_FINISHED", TWO)
    assert len(world.allocator.named("recover_resources")) == 2, "the rest of the offer, and the task once"
    assert known.tasks["t"].state == mesos.TASK_FINISHED


def test_a_terminal_state_stays(world, framework, agent, launched):
    agent.update(framework.id, "t", "TASK_FAILED", ONE)
    agent.update(framework.id, "t", "TASK_RUNNING", TWO)
    assert world.state.frameworks[framework.id].tasks["t"].state == mesos.TASK_FAILED


def test_of_statuses_in_one_state_only_the_last_is_kept_and_without_data(world, framework, agent, launched):
    for uuid, data in ((ONE, b"1"), (TWO, b"2")):
        agent.update(framework.id, "t", "TASK_RUNNING", uuid, data=data)
    (status,) = world.state.frameworks[framework.id].tasks["t"].message.statuses
    assert (status.uuid, status.HasField("data")) == (TWO, False)


def test_a_disconnected_framework_misses_nothing_but_the_forwarding(world, agent, task):
    framework = world.framework(failover_timeout=60.0)
    offer = world.offer(framework, agent)
    framework.launch(offer, task("t", offer))
    framework.stream.close_by_peer()
    agent.update(framework.id, "t", "TASK_RUNNING", ONE)
    assert world.state.frameworks[framework.id].tasks["t"].state == mesos.TASK_RUNNING
    framework.subscribe()
    assert framework.take_statuses() == []


def test_reconciliation_tells_what_the_framework_was_told_last(framework, agent, launched):
    (status,) = reconcile(framework, {"task_id": {"value": "t"}})
    assert (status["state"], status["reason"]) == ("TASK_STAGING", "REASON_RECONCILIATION")
    agent.update(framework.id, "t", "TASK_RUNNING", ONE, latest="TASK_FINISHED", healthy=True)
    framework.take()
    (status,) = reconcile(framework)
    assert (status["state"], status["healthy"], "uuid" in status) == ("TASK_RUNNING", True, False)


@pytest.mark.parametrize(("capable", "state"), [(True, "TASK_UNKNOWN"), (False, "TASK_LOST")])
def test_unknown_tasks_are_told_apart_for_partition_aware_frameworks_only(world, capable, state):
    kinds = ["MULTI_ROLE", *(["PARTITION_AWARE"] if capable else [])]
    framework = world.framework(capabilities=[{"type": kind} for kind in kinds])
    (status,) = reconcile(framework, {"task_id": {"value": "t"}})
    assert (status["state"], status["message"]) == (state, "Reconciliation: Task is unknown")


def test_kill_goes_to_the_agent_each_time(world, framework, agent, launched):
    for _ in range(2):
        framework.call("KILL", {"task_id": {"value": "t"}, "kill_policy": {"grace_period": {"nanoseconds": 5}}})
    world.settle()
    assert [kill.kill_policy.grace_period.nanoseconds for kill in agent.take(KillTask)] == [5, 5]


def test_kill_of_an_unknown_task_is_a_reconciliation(framework):
    framework.call("KILL", {"task_id": {"value": "x"}})
    (status,) = framework.take_statuses()
    assert status["state"] == "TASK_UNKNOWN"


def test_kill_with_the_wrong_agent_is_ignored(world, framework, agent, launched):
    framework.call("KILL", {"task_id": {"value": "t"}, "agent_id": {"value": "x"}})
    world.settle()
    assert not agent.take(KillTask)
    assert framework.take() == []


def test_messages_go_both_ways(world, framework, agent):
    payload = {"agent_id": {"value": agent.id}, "executor_id": {"value": "e"}, "data": b64(b"hi")}
    assert framework.call("MESSAGE", payload).status == 202
    world.settle()
    assert agent.take(FrameworkToExecutor) == [FrameworkToExecutor(agent.id, framework.id, "e", b"hi")]
    agent.send(ExecutorToFramework(agent.id, framework.id, "e", b"ho"))
    world.settle()
    assert framework.take() == [{"type": "MESSAGE", "message": {**payload, "data": b64(b"ho")}}]


def test_shutdown_goes_to_the_agent(world, framework, agent):
    framework.call("SHUTDOWN", {"agent_id": {"value": agent.id}, "executor_id": {"value": "e"}})
    world.settle()
    assert agent.take(ShutdownExecutor) == [ShutdownExecutor(framework.id, "e")]


def test_the_end_of_an_executor_is_told_and_frees_its_resources(world, framework, agent, task, amount):
    executor = {"executor_id": {"value": "e"}, "command": {"value": "x"}, "resources": [amount("cpus", 1)]}
    offer = world.offer(framework, agent)
    framework.launch(offer, task("t", offer, executor=executor))
    agent.send(ExitedExecutor(agent.id, framework.id, "e", 9))
    agent.send(ExitedExecutor(agent.id, framework.id, "e", 9))
    world.settle()
    assert framework.take() == [
        {"type": "FAILURE", "failure": {"agent_id": {"value": agent.id}, "executor_id": {"value": "e"}, "status": 9}}
    ]
    assert str(world.state.frameworks[framework.id].used.total) == "cpus(allocated: web):0.1; mem(allocated: web):32"


def test_revive_and_suppress_of_a_role_that_is_not_the_frameworks_own_do_nothing(world, framework):
    for kind in ("REVIVE", "SUPPRESS"):
        assert framework.call(kind, {"roles": ["web", "other"]}).status == 202
        assert not world.allocator.named(f"{kind.lower()}_offers")
        framework.call(kind)
        ((args, _),) = world.allocator.named(f"{kind.lower()}_offers")
        assert (args[0], set(args[1])) == (framework.id, {"web"})


# Operations


def reserve(world, framework, agent, amount, **fields):
    offer = world.offer(framework, agent)
    reserved = amount("cpus", 1, reservations=[{"type": "DYNAMIC", "role": "web"}])
    framework.accept(offer, operations=[{"type": "RESERVE", **fields, "reserve": {"resources": [reserved]}}])
    (apply,) = agent.take(ApplyOperation)
    return apply.operation_uuid


def finish(world, framework, agent, operation_uuid, **fields):
    status = mesos.OperationStatus(
        state=mesos.OPERATION_FINISHED, uuid=mesos.UUID(value=ONE), agent_id=mesos.AgentID(value=agent.id), **fields
    )
    agent.send(UpdateOperationStatus(agent.id, framework.id, operation_uuid, status))
    world.settle()


def test_feedback_is_forwarded_and_its_acknowledgement_ends_the_operation(world, framework, agent, amount):
    uuid = reserve(world, framework, agent, amount, id={"value": "o"})
    finish(world, framework, agent, uuid, operation_id=mesos.OperationID(value="o"))
    (event,) = framework.take()
    status = event["update_operation_status"]["status"]
    assert (status["state"], status["operation_id"], status["uuid"]) == (
        "OPERATION_FINISHED",
        {"value": "o"},
        {"value": b64(ONE)},
    )
    payload = {"agent_id": {"value": agent.id}, "operation_id": {"value": "o"}, "uuid": b64(TWO)}
    framework.call("ACKNOWLEDGE_OPERATION_STATUS", payload)
    assert world.state.frameworks[framework.id].operations, "another status was acknowledged"
    framework.call("ACKNOWLEDGE_OPERATION_STATUS", {**payload, "uuid": b64(ONE)})
    world.settle()
    assert agent.take(OperationStatusAcknowledgement) == [OperationStatusAcknowledgement(framework.id, uuid, ONE)]
    assert not world.state.frameworks[framework.id].operations
    assert not world.state.agents[agent.id].operations


def test_operations_that_nobody_waits_for_are_acknowledged_by_the_master(world, framework, agent, amount):
    uuid = reserve(world, framework, agent, amount)
    finish(world, framework, agent, uuid)
    assert framework.take() == []
    assert agent.take(OperationStatusAcknowledgement) == [OperationStatusAcknowledgement(framework.id, uuid, ONE)]
    assert not world.state.agents[agent.id].operations


def test_operations_are_reconciled_without_a_uuid(world, framework, agent, amount):
    uuid = reserve(world, framework, agent, amount, id={"value": "o"})
    finish(world, framework, agent, uuid, operation_id=mesos.OperationID(value="o"))
    framework.take()
    framework.call(
        "RECONCILE_OPERATIONS", {"operations": [{"operation_id": {"value": "o"}}, {"operation_id": {"value": "x"}}]}
    )
    known, unknown = [event["update_operation_status"]["status"] for event in framework.take()]
    assert (known["state"], "uuid" in known) == ("OPERATION_FINISHED", False)
    assert (unknown["state"], unknown["message"]) == (
        "OPERATION_UNKNOWN",
        "Reconciliation: Operation is unknown and no 'agent_id' was provided",
    )


def test_operations_of_an_unreachable_agent_are_reported_before_its_tasks(make_world, task, amount):
    world = make_world(agent_ping_timeout="1secs", max_agent_ping_timeouts="1")
    framework, agent = world.framework(), world.agent()
    offer = world.offer(framework, agent)
    reserved = amount("cpus", 1, reservations=[{"type": "DYNAMIC", "role": "web"}])
    framework.accept(
        offer,
        operations=[
            {"type": "RESERVE", "id": {"value": "o"}, "reserve": {"resources": [reserved]}},
            {"type": "LAUNCH", "launch": {"task_infos": [task("t", offer)]}},
        ],
    )
    agent.answers_pings = False
    world.advance(2)
    events = framework.take()
    assert [event["type"] for event in events] == ["UPDATE_OPERATION_STATUS", "UPDATE", "FAILURE"]
    status = events[0]["update_operation_status"]["status"]
    assert (status["state"], status["message"]) == ("OPERATION_UNREACHABLE", "Agent was marked unreachable")
