"""RECONCILE, RECONCILE_OPERATIONS and what becomes of operations (docs/reference/scheduler-api.md 4.6 and 8)."""

import base64

import pytest

from pymesoskit.testing.engine.network.messages import (
    ApplyOperation,
    AskForOperations,
    KillTask,
    OperationStatusAcknowledgement,
    StatusUpdateAcknowledgement,
    UpdateOperationStatus,
)
from pymesoskit.wire.v1 import mesos

PING = {"agent_ping_timeout": "1secs", "max_agent_ping_timeouts": "3"}
ONE, TWO = b"\x11" * 16, b"\x22" * 6 + b"\x40\x00\x80" + b"\x22" * 7
NOT_PARTITION_AWARE = [{"type": "MULTI_ROLE"}, {"type": "RESERVATION_REFINEMENT"}]


def b64(data):
    return base64.b64encode(data).decode()


@pytest.fixture
def agents(make_world):
    """A registered one, one that is unreachable, and one that is gone."""
    world = make_world(**PING)
    registered, unreachable, gone = (world.agent(port=port) for port in (5051, 5052, 5053))
    unreachable.answers_pings = False
    world.advance(4)
    world.operator("MARK_AGENT_GONE", {"agent_id": {"value": gone.id}})
    world.settle()
    assert list(world.state.agents) == [registered.id]
    return {"registered": registered, "unreachable": unreachable, "gone": gone}


def question(agents, where):
    if where is None:
        return {}
    return {"agent_id": {"value": agents[where].id if where in agents else where}}


@pytest.mark.parametrize("kind", ["RECONCILE", "KILL"])
@pytest.mark.parametrize(
    ("where", "state", "message"),
    [
        ("registered", "TASK_GONE", "Reconciliation: Task is unknown to the agent"),
        ("unreachable", "TASK_UNREACHABLE", "Reconciliation: Task is unreachable"),
        ("gone", "TASK_GONE_BY_OPERATOR", "Reconciliation: Task is gone"),
        ("nowhere", "TASK_UNKNOWN", "Reconciliation: Task is unknown"),
        (None, "TASK_UNKNOWN", "Reconciliation: Task is unknown"),
    ],
)
@pytest.mark.parametrize("aware", [True, False])
def test_what_is_said_of_unknown_tasks(agents, kind, where, state, message, aware):
    """For a KILL of such a task the same is said."""
    world = agents["registered"].world
    framework = world.framework() if aware else world.framework(capabilities=NOT_PARTITION_AWARE)
    asked = {"task_id": {"value": "t"}, **question(agents, where)}
    framework.call(kind, {"tasks": [asked]} if kind == "RECONCILE" else asked)
    (status,) = framework.take_statuses()
    expected = {
        "task_id": {"value": "t"},
        "state": state if aware else "TASK_LOST",
        "source": "SOURCE_MASTER",
        "reason": "REASON_RECONCILIATION",
        "message": message,
        **question(agents, where),
    }
    assert status.pop("timestamp")
    assert ("unreachable_time" in status) == (where == "unreachable")
    status.pop("unreachable_time", None)
    assert status == expected


def test_known_tasks_are_told_of_with_what_was_said_of_them_last(world, task, amount):
    framework, agent = world.framework(), world.agent()
    offer = world.offer(framework, agent)
    executor = {"executor_id": {"value": "e"}, "command": {"value": "x"}, "resources": [amount("cpus", 0.1)]}
    framework.launch(offer, task("t", offer, executor=executor))
    framework.call("RECONCILE", {"tasks": []})
    (status,) = framework.take_statuses()
    assert status.pop("timestamp")
    assert status == {
        "task_id": {"value": "t"},
        "agent_id": {"value": agent.id},
        "executor_id": {"value": "e"},
        "state": "TASK_STAGING",
        "source": "SOURCE_MASTER",
        "reason": "REASON_RECONCILIATION",
        "message": "Reconciliation: Latest task state",
    }
    check = mesos.CheckStatusInfo(type=mesos.CheckInfo.TCP, tcp=mesos.CheckStatusInfo.Tcp(succeeded=True))
    agent.update(framework.id, "t", "TASK_RUNNING", ONE, healthy=True, check_status=check, data=b"x", message="m")
    framework.take()
    # The agent of the question does not matter for a task that is known.
    framework.call("RECONCILE", {"tasks": [{"task_id": {"value": "t"}, "agent_id": {"value": "elsewhere"}}]})
    (status,) = framework.take_statuses()
    assert status.pop("timestamp")
    assert status == {
        "task_id": {"value": "t"},
        "agent_id": {"value": agent.id},
        "executor_id": {"value": "e"},
        "state": "TASK_RUNNING",
        "source": "SOURCE_MASTER",
        "reason": "REASON_RECONCILIATION",
        "message": "Reconciliation: Latest task state",
        "healthy": True,
        "check_status": {"type": "TCP", "tcp": {"succeeded": True}},
    }


def test_questions_are_answered_in_their_order_and_each_time(world):
    framework = world.framework()
    asked = [{"task_id": {"value": name}} for name in "bab"]
    framework.call("RECONCILE", {"tasks": asked})
    assert [status["task_id"]["value"] for status in framework.take_statuses()] == ["b", "a", "b"]


def test_unreachable_and_completed_tasks_are_not_told_of_unasked(make_world, task):
    world = make_world(**PING)
    framework, agent, other = world.framework(), world.agent(), world.agent(port=5052)
    for each, name in ((agent, "lost"), (other, "done"), (other, "unacknowledged")):
        offer = world.offer(framework, each)
        framework.launch(offer, task(name, offer))
    for name in ("done", "unacknowledged"):
        other.update(framework.id, name, "TASK_FINISHED", ONE)
    payload = {"agent_id": {"value": other.id}, "task_id": {"value": "done"}, "uuid": b64(ONE)}
    framework.call("ACKNOWLEDGE", payload)
    agent.answers_pings = False
    world.advance(4)
    framework.take()
    framework.call("RECONCILE", {"tasks": []})
    assert [(status["task_id"]["value"], status["state"]) for status in framework.take_statuses()] == [
        ("unacknowledged", "TASK_FINISHED")
    ]
    framework.call("RECONCILE", {"tasks": [{"task_id": {"value": "lost"}}, {"task_id": {"value": "done"}}]})
    assert [status["state"] for status in framework.take_statuses()] == ["TASK_UNKNOWN", "TASK_UNKNOWN"]


# Acknowledgements


@pytest.mark.parametrize(
    ("changes", "forwarded", "ends"),
    [
        ({}, True, True),
        ({"uuid": b64(TWO)}, True, False),  # the agent knows best
        ({"task_id": {"value": "other"}}, True, False),
        ({"agent_id": {"value": "other"}}, False, False),
    ],
)
def test_acknowledgements_go_to_the_agent_they_name(world, task, changes, forwarded, ends):
    framework, agent = world.framework(), world.agent()
    offer = world.offer(framework, agent)
    framework.launch(offer, task("t", offer))
    agent.update(framework.id, "t", "TASK_FINISHED", ONE)
    call = {"agent_id": {"value": agent.id}, "task_id": {"value": "t"}, "uuid": b64(ONE), **changes}
    assert framework.call("ACKNOWLEDGE", call).status == 202
    world.settle()
    assert bool(agent.take(StatusUpdateAcknowledgement)) == forwarded
    assert bool(world.state.frameworks[framework.id].completed_tasks) == ends


def test_what_is_said_to_an_agent_that_is_away_is_lost_but_kills_are_not(world, task):
    framework, agent = world.framework(checkpoint=True), world.agent()
    offer = world.offer(framework, agent)
    framework.launch(offer, task("t", offer))
    agent.update(framework.id, "t", "TASK_RUNNING", ONE)
    framework.take()
    agent.die()
    framework.call("ACKNOWLEDGE", {"agent_id": {"value": agent.id}, "task_id": {"value": "t"}, "uuid": b64(ONE)})
    framework.call("MESSAGE", {"agent_id": {"value": agent.id}, "executor_id": {"value": "e"}, "data": ""})
    framework.call("KILL", {"task_id": {"value": "t"}})
    framework.call("KILL", {"task_id": {"value": "t"}, "agent_id": {"value": "elsewhere"}})
    agent.received.clear()
    agent.live_again()
    known = mesos.Task()
    known.CopyFrom(world.state.frameworks[framework.id].tasks["t"].message)
    agent.reregister([known], frameworks=[world.state.frameworks[framework.id].info])
    assert [kill.task_id for kill in agent.take(KillTask)] == ["t"]
    assert not agent.take(StatusUpdateAcknowledgement)


# Operations


@pytest.mark.parametrize(
    ("where", "state", "message"),
    [
        ("registered", "OPERATION_UNKNOWN", "Reconciliation: Operation is unknown"),
        ("unreachable", "OPERATION_UNREACHABLE", "Reconciliation: Agent is unreachable"),
        ("gone", "OPERATION_GONE_BY_OPERATOR", "Reconciliation: Agent marked gone by operator"),
        ("nowhere", "OPERATION_UNKNOWN", "Reconciliation: Both operation and agent are unknown"),
        (None, "OPERATION_UNKNOWN", "Reconciliation: Operation is unknown and no 'agent_id' was provided"),
    ],
)
@pytest.mark.parametrize("provider", [{}, {"resource_provider_id": {"value": "p"}}])
def test_what_is_said_of_unknown_operations(agents, where, state, message, provider):
    world = agents["registered"].world
    framework = world.framework()
    asked = {"operation_id": {"value": "o"}, **question(agents, where), **provider}
    framework.call("RECONCILE_OPERATIONS", {"operations": [asked]})
    world.settle()
    if where == "registered" and provider:
        assert framework.take() == []
        assert agents["registered"].take(AskForOperations) == [AskForOperations(framework.id, (("o", "p"),))]
        return
    (event,) = framework.take()
    assert event["update_operation_status"]["status"] == {**asked, "state": state, "message": message}


def test_agents_that_have_not_returned_may_know_an_operation(world):
    agent = world.agent()
    world.master.terminate()
    world.start_master()
    framework = world.framework()
    asked = {"operation_id": {"value": "o"}, "agent_id": {"value": agent.id}}
    framework.call("RECONCILE_OPERATIONS", {"operations": [asked]})
    (event,) = framework.take()
    assert event["update_operation_status"]["status"] == {
        **asked,
        "state": "OPERATION_RECOVERING",
        "message": "Reconciliation: Agent is recovered but has not re-registered",
    }


def test_what_an_agent_says_of_operations_of_providers_is_passed_on(world):
    framework, agent = world.framework(), world.agent()
    status = mesos.OperationStatus(state=mesos.OPERATION_UNKNOWN, operation_id=mesos.OperationID(value="o"))
    agent.send(UpdateOperationStatus(agent.id, framework.id, b"", status))
    world.settle()
    (event,) = framework.take()
    assert event["update_operation_status"]["status"] == {"state": "OPERATION_UNKNOWN", "operation_id": {"value": "o"}}


def reserve(world, framework, agent, amount, *ids):
    """The uuids of RESERVE operations with these ids (None: without)."""
    offer = world.offer(framework, agent)
    reserved = amount("cpus", 1, reservations=[{"type": "DYNAMIC", "role": "web"}])
    operation = {"type": "RESERVE", "reserve": {"resources": [reserved]}}
    framework.accept(
        offer, operations=[operation if name is None else {**operation, "id": {"value": name}} for name in ids]
    )
    return [apply.operation_uuid for apply in agent.take(ApplyOperation)]


def tell(world, framework_id, agent, operation_uuid, state, status_uuid=None):
    status = mesos.OperationStatus(state=state, agent_id=mesos.AgentID(value=agent.id))
    if status_uuid is not None:
        status.uuid.value = status_uuid
    agent.send(UpdateOperationStatus(agent.id, framework_id, operation_uuid, status))
    world.settle()


def test_pending_operations_are_told_of_with_and_without_an_id(world, amount):
    framework, agent = world.framework(), world.agent()
    reserve(world, framework, agent, amount, "o", None)
    assert framework.take() == [], "that an operation is pending is not told"
    framework.call("RECONCILE_OPERATIONS", {"operations": []})
    pending = {"state": "OPERATION_PENDING", "agent_id": {"value": agent.id}}
    assert [event["update_operation_status"]["status"] for event in framework.take()] == [
        {**pending, "operation_id": {"value": "o"}},
        pending,
    ]


def test_an_operation_that_was_dropped_on_its_way_is_over_when_it_is_told(world, amount):
    """The agent does not know whose it was, nor what it was called."""
    framework, agent = world.framework(), world.agent()
    (uuid,) = reserve(world, framework, agent, amount, "o")
    tell(world, "", agent, uuid, mesos.OPERATION_DROPPED)
    (event,) = framework.take()
    assert event["update_operation_status"]["status"] == {
        "state": "OPERATION_DROPPED",
        "operation_id": {"value": "o"},
        "agent_id": {"value": agent.id},
    }
    assert not world.state.agents[agent.id].operations


@pytest.mark.parametrize(
    "changes",
    [
        {"agent_id": {"value": "other"}},
        {"operation_id": {"value": "other"}},
        {"uuid": b64(TWO)},
    ],
)
def test_wrong_acknowledgements_of_operations_are_dropped(world, amount, changes):
    framework, agent = world.framework(), world.agent()
    (uuid,) = reserve(world, framework, agent, amount, "o")
    tell(world, framework.id, agent, uuid, mesos.OPERATION_FINISHED, ONE)
    call = {"agent_id": {"value": agent.id}, "operation_id": {"value": "o"}, "uuid": b64(ONE), **changes}
    assert framework.call("ACKNOWLEDGE_OPERATION_STATUS", call).status == 202
    world.settle()
    assert not agent.take(OperationStatusAcknowledgement)
    assert world.state.agents[agent.id].operations


@pytest.mark.parametrize("told", [True, False])
def test_the_master_acknowledges_for_frameworks_that_are_no_more(world, amount, told):
    """Whether the framework got the terminal update or not: the agent repeats it until somebody acknowledges it."""
    framework, agent = world.framework(), world.agent()
    (uuid,) = reserve(world, framework, agent, amount, "o")
    if told:
        tell(world, framework.id, agent, uuid, mesos.OPERATION_FINISHED, ONE)
    framework.call("TEARDOWN")
    world.settle()
    assert world.state.agents[agent.id].operations
    assert not agent.take(OperationStatusAcknowledgement)
    tell(world, framework.id, agent, uuid, mesos.OPERATION_FINISHED, ONE)
    assert agent.take(OperationStatusAcknowledgement) == [OperationStatusAcknowledgement(framework.id, uuid, ONE)]
    assert not world.state.agents[agent.id].operations


def test_after_a_failover_of_the_master_frameworks_have_ten_minutes_to_ask_for_their_operations(world, amount):
    framework, agent = world.framework(), world.agent()
    (uuid,) = reserve(world, framework, agent, amount, "o")
    operation = mesos.Operation()
    operation.CopyFrom(world.state.agents[agent.id].operations[uuid].message)
    world.master.terminate()
    world.start_master()
    agent.reregister(operations=[operation])
    tell(world, framework.id, agent, uuid, mesos.OPERATION_FINISHED, ONE)
    assert not agent.take(OperationStatusAcknowledgement)
    world.advance(601)
    tell(world, framework.id, agent, uuid, mesos.OPERATION_FINISHED, ONE)
    assert agent.take(OperationStatusAcknowledgement) == [OperationStatusAcknowledgement(framework.id, uuid, ONE)]
