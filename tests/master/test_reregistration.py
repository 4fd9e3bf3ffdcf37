"""What an agent that the master knows hears again when it registers again, and in which order (agent-executor.md 2.3)."""

from __future__ import annotations

import pytest

from pymesoskit.testing.engine.network.messages import (
    AgentReregistered,
    DrainAgent,
    ExitedExecutor,
    KillTask,
    ShutdownFramework,
    UpdateAgent,
    UpdateFramework,
)
from pymesoskit.wire.v1 import mesos
from tests.master.test_agents import report, running

EXECUTOR = {
    "type": "CUSTOM",
    "executor_id": {"value": "custom"},
    "command": {"value": "run"},
    "resources": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}}],
}


def come_back(agent, **reported):
    agent.die()
    agent.live_again()
    agent.received.clear()
    agent.reregister(**reported)
    return [type(message) for message in agent.received]


def test_a_known_agent_is_answered_then_told_of_kills_its_drain_and_its_frameworks(world, task):
    framework, agent = world.framework(checkpoint=True), world.agent()
    running(world, framework, agent, task)
    framework.call("KILL", {"task_id": {"value": "t"}})
    world.operator("DRAIN_AGENT", {"agent_id": {"value": agent.id}})
    info = world.state.frameworks[framework.id].info
    kinds = come_back(agent, tasks=[report(world, framework, agent)], frameworks=[info])
    assert kinds == [AgentReregistered, KillTask, DrainAgent, UpdateFramework]


def test_a_task_that_has_ended_is_not_killed_again(world, task):
    framework, agent = world.framework(checkpoint=True), world.agent()
    running(world, framework, agent, task)
    framework.call("KILL", {"task_id": {"value": "t"}})
    reported = report(world, framework, agent)
    reported.state = mesos.TASK_KILLED
    assert KillTask not in come_back(agent, tasks=[reported])


@pytest.mark.parametrize("with_task", [True, False])
def test_a_completed_framework_is_shut_down_on_a_known_agent_that_still_has_tasks_of_it(world, task, with_task):
    framework, agent = world.framework(checkpoint=True), world.agent()
    running(world, framework, agent, task)
    info = world.state.frameworks[framework.id].info
    reported = report(world, framework, agent)
    agent.die()
    framework.call("TEARDOWN")
    agent.live_again()
    agent.received.clear()
    agent.reregister(tasks=[reported] if with_task else [], frameworks=[info])
    assert agent.take(ShutdownFramework) == ([ShutdownFramework(framework.id)] if with_task else [])
    assert agent.take(UpdateFramework) == []


def test_an_agent_back_from_a_failover_drains_before_it_is_answered(world, task):
    framework, agent = world.framework(checkpoint=True), world.agent()
    running(world, framework, agent, task)
    world.operator("DRAIN_AGENT", {"agent_id": {"value": agent.id}})
    info = world.state.frameworks[framework.id].info
    reported = report(world, framework, agent)
    world.master.terminate()
    world.start_master()
    agent.received.clear()
    agent.reregister(tasks=[reported], frameworks=[info])
    assert [type(message) for message in agent.received] == [DrainAgent, AgentReregistered]


def test_a_framework_that_is_known_from_another_agent_only_is_told_as_it_is(world, task):
    framework, agent, other = world.framework(checkpoint=True), world.agent(), world.agent(port=5052)
    running(world, framework, agent, task)
    info = world.state.frameworks[framework.id].info
    reported = report(world, framework, agent)
    world.master.terminate()
    world.start_master()
    agent.reregister(tasks=[reported], frameworks=[info])
    assert agent.take(UpdateFramework) == []
    other.reregister(frameworks=[info])
    assert [message.framework.id.value for message in other.take(UpdateFramework)] == [framework.id]


def test_reconciliation_after_a_failover_tells_what_was_told_last(world, task):
    """Not what the agent knows by now: that update is still to come."""
    framework, agent = world.framework(checkpoint=True, failover_timeout=1000), world.agent()
    running(world, framework, agent, task)
    info = world.state.frameworks[framework.id].info
    reported = report(world, framework, agent)
    reported.state = mesos.TASK_FINISHED
    reported.status_update_state = mesos.TASK_RUNNING
    reported.status_update_uuid = bytes(16)
    world.master.terminate()
    world.start_master()
    framework.subscribe()
    framework.take()
    agent.reregister(tasks=[reported], frameworks=[info])
    framework.call("RECONCILE", {"tasks": [{"task_id": {"value": "t"}}]})
    assert [status["state"] for status in framework.take_statuses()] == ["TASK_RUNNING"]


def test_an_executor_that_never_came_to_be_is_a_failure_with_an_unknown_status(world, task):
    framework, agent = world.framework(), world.agent()
    offer = world.offer(framework, agent)
    framework.launch(offer, task("t", offer, executor=EXECUTOR))
    framework.take()
    used = world.state.agents[agent.id].used
    assert used.by
    agent.send(ExitedExecutor(agent.id, framework.id, "custom", -1))
    world.settle()
    (failure,) = framework.take()
    assert failure["failure"] == {
        "agent_id": {"value": agent.id},
        "executor_id": {"value": "custom"},
        "status": -1,
    }
    assert not world.state.agents[agent.id].executors.get(framework.id)


def test_the_end_of_an_executor_that_the_master_never_knew_is_told_to_nobody(world, task):
    framework, agent = world.framework(), world.agent()
    running(world, framework, agent, task)
    framework.take()
    agent.send(ExitedExecutor(agent.id, framework.id, "t", -1))
    world.settle()
    assert framework.take() == []


def test_an_agent_that_oversubscribes_nothing_changes_nothing(world):
    framework, agent = world.framework(), world.agent()
    world.offer(framework, agent)
    framework.take()
    agent.send(UpdateAgent(agent.id, ()))
    world.settle()
    assert framework.take() == []
