"""Agents that register, are lost and come back (docs/reference/agent-executor.md 2, failover.md)."""

import pytest

from pymesoskit.testing.engine.network.messages import (
    AgentRegistered,
    AgentReregistered,
    KillTask,
    RunTask,
    ShutdownAgent,
    ShutdownFramework,
    UnregisterAgent,
    UpdateFramework,
)
from pymesoskit.wire.v1 import mesos

PING = {"agent_ping_timeout": "1secs", "max_agent_ping_timeouts": "2"}


def kinds(framework):
    return [event["type"] for event in framework.take()]


def running(world, framework, agent, task, task_id="t"):
    """A running task and its acknowledged update."""
    offer = world.offer(framework, agent)
    framework.launch(offer, task(task_id, offer))
    agent.take(RunTask)
    agent.update(framework.id, task_id, "TASK_RUNNING", uuid=b"\x11" * 16)
    framework.take()


def report(world, framework, agent, task_id="t", state="TASK_RUNNING"):
    """The task as the agent reports it."""
    message = mesos.Task()
    framework_state = world.state.frameworks.get(framework.id)
    for tasks in (framework_state.tasks, framework_state.unreachable_tasks):
        if task_id in tasks:
            message.CopyFrom(tasks[task_id].message)
    message.state = mesos.TaskState.Value(state)
    return message


def test_agents_are_numbered_in_the_order_of_registration(world):
    first, second = world.agent(), world.agent(port=5052)
    assert [first.id, second.id] == [f"{world.master.id}-S0", f"{world.master.id}-S1"]
    assert first.take(AgentRegistered)[0].total_ping_timeout == 75


def test_an_agent_that_did_not_hear_the_answer_keeps_its_id(world):
    agent = world.agent()
    agent.register()
    assert [message.agent_id for message in agent.take(AgentRegistered)] == [agent.id, agent.id]
    assert list(world.state.agents) == [agent.id]


def test_a_new_agent_at_the_address_of_a_dead_one_replaces_it(world, task):
    framework, agent = world.framework(checkpoint=True), world.agent()
    running(world, framework, agent, task)
    old = agent.id
    agent.die()
    agent.info.ClearField("id")
    agent.live_again()
    agent.register()
    assert agent.id != old
    update, failure = framework.take()
    status = update["update"]["status"]
    assert (status["state"], status["reason"]) == ("TASK_LOST", "REASON_AGENT_REMOVED")
    assert status["message"] == "Agent 127.0.0.1 removed: a new agent registered at the same address"
    assert failure["failure"] == {"agent_id": {"value": old}}


def test_unanswered_pings_make_an_agent_unreachable(make_world, task):
    world = make_world(**PING)
    framework, bystander, agent = world.framework(), world.framework(), world.agent()
    running(world, framework, agent, task)
    offer = world.offer(framework, agent, "cpus:1")
    agent.answers_pings = False
    world.advance(2.9)
    assert framework.take() == []
    world.advance(0.2)
    update, rescind, failure = framework.take()
    status = update["update"]["status"]
    assert (status["state"], status["reason"], status["message"]) == (
        "TASK_UNREACHABLE",
        "REASON_AGENT_REMOVED",
        "health check timed out",
    )
    assert "unreachable_time" in status
    assert "uuid" not in status
    assert rescind["rescind"]["offer_id"] == offer["id"]
    assert failure["failure"] == {"agent_id": {"value": agent.id}}
    assert kinds(bystander) == ["FAILURE"]
    assert list(world.state.frameworks[framework.id].unreachable_tasks) == ["t"]


def test_one_answer_resets_the_count(make_world):
    world = make_world(**PING)
    agent = world.agent()
    for _ in range(5):
        agent.answers_pings = False
        world.advance(1)
        agent.answers_pings = True
        world.advance(1)
    assert list(world.state.agents) == [agent.id]


def test_who_is_not_partition_aware_is_told_that_tasks_are_lost(make_world, task):
    world = make_world(**PING)
    framework, agent = world.framework(capabilities=[{"type": "MULTI_ROLE"}]), world.agent()
    running(world, framework, agent, task)
    agent.answers_pings = False
    world.advance(3)
    status = framework.take()[0]["update"]["status"]
    assert (status["state"], "unreachable_time" in status) == ("TASK_LOST", True)


def test_back_from_unreachable_each_task_is_reported_with_its_state(make_world, task):
    world = make_world(**PING)
    framework, agent = world.framework(), world.agent()
    running(world, framework, agent, task)
    agent.answers_pings = False
    world.advance(3)
    framework.take()
    agent.answers_pings = True
    agent.reregister([report(world, framework, agent)], frameworks=[world.state.frameworks[framework.id].info])
    (status,) = framework.take_statuses()
    assert (status["state"], status["reason"], status["message"]) == (
        "TASK_RUNNING",
        "REASON_AGENT_REREGISTERED",
        "Unreachable agent re-reregistered",
    )
    assert not world.state.frameworks[framework.id].unreachable_tasks
    assert not world.state.unreachable
    assert len(agent.take(UpdateFramework)) == 1
    world.advance(5)
    assert list(world.state.agents) == [agent.id]


def test_the_removal_rate_limit_lets_agents_go_one_by_one(make_world):
    world = make_world(**PING, agent_removal_rate_limit="1/10secs")
    agents = [world.agent(port=port) for port in (5051, 5052, 5053)]
    for agent in agents:
        agent.answers_pings = False
    world.advance(3)
    assert len(world.state.agents) == 2
    agents[2].answers_pings = True
    world.advance(20)
    assert list(world.state.agents) == [agents[2].id]


@pytest.mark.parametrize("checkpoint", [True, False])
def test_a_broken_link_loses_the_tasks_of_frameworks_that_do_not_checkpoint(world, task, checkpoint):
    framework, agent = world.framework(checkpoint=checkpoint), world.agent()
    running(world, framework, agent, task)
    world.offer(framework, agent, "cpus:1")
    agent.die()
    events = framework.take()
    assert [event["type"] for event in events] == (["RESCIND"] if checkpoint else ["RESCIND", "UPDATE"])
    if not checkpoint:
        status = events[1]["update"]["status"]
        assert (status["state"], status["reason"], status["message"]) == (
            "TASK_LOST",
            "REASON_AGENT_DISCONNECTED",
            "Agent 127.0.0.1 disconnected",
        )
    assert world.allocator.named("deactivate_agent")


def test_what_the_agent_does_not_know_any_more_it_is_asked_to_report(world, task):
    framework, agent = world.framework(checkpoint=True), world.agent()
    running(world, framework, agent, task)
    agent.die()
    agent.live_again()
    agent.reregister()
    (answer,) = agent.take(AgentReregistered)
    assert answer.unknown_tasks == ((framework.id, "t"),)
    assert world.allocator.named("activate_agent")


def test_a_kill_while_the_agent_is_away_is_sent_when_it_is_back(world, task):
    framework, agent = world.framework(checkpoint=True), world.agent()
    running(world, framework, agent, task)
    agent.die()
    assert framework.call("KILL", {"task_id": {"value": "t"}}).status == 202
    agent.live_again()
    agent.reregister([report(world, framework, agent)])
    assert agent.take(KillTask) == [KillTask(framework.id, "t")]


def test_an_agent_that_does_not_return_in_10_minutes_is_unreachable(make_world, task):
    world = make_world(agent_ping_timeout="15mins")
    framework, agent = world.framework(checkpoint=True), world.agent()
    running(world, framework, agent, task)
    agent.die()
    world.advance(601)
    status, failure = framework.take()
    assert status["update"]["status"]["message"] == "agent did not reregister within 10mins after disconnecting"
    assert failure["type"] == "FAILURE"


def test_an_agent_that_unregisters_takes_its_tasks_with_it(world, task):
    framework, agent = world.framework(), world.agent()
    running(world, framework, agent, task)
    agent.send(UnregisterAgent(agent.id))
    world.settle()
    update, failure = framework.take()
    assert update["update"]["status"]["message"] == "Agent 127.0.0.1 removed: the agent unregistered"
    assert failure["type"] == "FAILURE"
    assert world.registry.admitted == {}


def test_gone_agents_are_told_to_end_and_never_come_back(world, task):
    framework, agent = world.framework(), world.agent()
    running(world, framework, agent, task)
    world.post({"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": agent.id}}}, "/api/v1")
    status = framework.take()[0]["update"]["status"]
    assert (status["state"], status["reason"], status["message"]) == (
        "TASK_GONE_BY_OPERATOR",
        "REASON_AGENT_REMOVED_BY_OPERATOR",
        "Agent has been marked gone",
    )
    assert agent.take(ShutdownAgent) == [ShutdownAgent("Agent has been marked gone")]
    agent.reregister()
    assert agent.take(ShutdownAgent) == [ShutdownAgent("Agent has been marked gone")]
    assert not world.state.agents


def test_marking_an_unreachable_agent_gone_updates_its_tasks_once_more(make_world, task):
    world = make_world(**PING)
    framework, agent = world.framework(), world.agent()
    running(world, framework, agent, task)
    agent.answers_pings = False
    world.advance(3)
    framework.take()
    world.post({"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": agent.id}}}, "/api/v1")
    assert [status["state"] for status in framework.take_statuses()] == ["TASK_GONE_BY_OPERATOR"]
    (done,) = world.state.frameworks[framework.id].completed_tasks
    assert done.state == mesos.TASK_GONE_BY_OPERATOR


# Failover of the master


def test_a_new_master_knows_agents_from_the_registry_and_the_rest_from_them(world, task):
    framework, agent = world.framework(failover_timeout=60.0), world.agent()
    running(world, framework, agent, task)
    reported = report(world, framework, agent)
    info = mesos.FrameworkInfo()
    info.CopyFrom(world.state.frameworks[framework.id].info)
    world.master.terminate()
    assert framework.stream.aborted
    world.start_master()
    assert list(world.state.recovered_agents) == [agent.id]
    agent.reregister([reported], frameworks=[info])
    assert not world.state.recovered_agents
    recovered = world.state.frameworks[framework.id]
    assert (recovered.recovered, recovered.active, list(recovered.tasks)) == (True, False, ["t"])
    assert str(recovered.used.total) == "cpus(allocated: web):0.1; mem(allocated: web):32"
    world.advance(120)
    assert framework.id in world.state.frameworks, "the failover timeout does not apply to recovered frameworks"
    framework.subscribe()
    assert recovered.active
    assert world.allocator.named("activate_framework")
    assert framework.take_statuses() == []


def test_reconciliation_is_silent_about_agents_that_have_not_returned(world):
    agent = world.agent()
    world.master.terminate()
    world.start_master()
    framework = world.framework()
    known, stranger = {"value": agent.id}, {"value": "x-S9"}

    def ask(**fields):
        framework.call("RECONCILE", {"tasks": [{"task_id": {"value": "t"}, **fields}]})
        return [(status["state"], status["message"]) for status in framework.take_statuses()]

    assert ask() == ask(agent_id=known) == []
    assert ask(agent_id=stranger) == [("TASK_UNKNOWN", "Reconciliation: Task is unknown")]
    agent.reregister()
    assert ask() == [("TASK_UNKNOWN", "Reconciliation: Task is unknown")]
    assert ask(agent_id=known) == [("TASK_GONE", "Reconciliation: Task is unknown to the agent")]


def test_agents_that_do_not_return_after_a_failover_become_unreachable(world):
    agent = world.agent()
    agent.answers_pings = False
    world.master.terminate()
    world.start_master()
    world.advance(601)
    assert list(world.state.unreachable) == [agent.id]
    assert not world.state.recovered_agents


def test_an_agent_that_is_marked_gone_before_it_returns_stays_among_the_recovered_ones_for_the_wait(world):
    agent = world.agent()
    agent.answers_pings = False
    world.master.terminate()
    world.start_master()
    world.post({"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": agent.id}}}, "/api/v1")
    shown = world.query("GET_AGENTS")
    assert [info["id"]["value"] for info in shown["recovered_agents"]] == [agent.id]
    agent.take(ShutdownAgent)
    agent.reregister()
    assert len(agent.take(ShutdownAgent)) == 1, "it is refused"
    world.advance(601)
    assert not world.state.recovered_agents
    assert not world.state.unreachable
    assert list(world.state.gone) == [agent.id]


def test_frameworks_completed_meanwhile_are_shut_down_on_the_agent(make_world, task):
    world = make_world(**PING)
    framework, agent = world.framework(), world.agent()
    running(world, framework, agent, task)
    info = world.state.frameworks[framework.id].info
    reported = report(world, framework, agent)
    agent.answers_pings = False
    world.advance(3)
    framework.call("TEARDOWN")
    agent.answers_pings = True
    agent.reregister([reported], frameworks=[info])
    assert agent.take(ShutdownFramework) == [ShutdownFramework(framework.id)]
    (done,) = world.state.completed_frameworks[framework.id].completed_tasks
    assert done.state == mesos.TASK_KILLED
    assert not world.state.agents[agent.id].tasks


def test_a_message_that_arrives_after_the_end_has_no_effect(world):
    agent = world.agent()
    world.master.terminate()
    world.master.terminate()
    agent.register()
    world.advance(100)
    assert not world.master.core.lifeline.pending


def test_a_task_that_reappears_is_neither_unreachable_nor_completed(world, task):
    framework, agent = world.framework(), world.agent()
    running(world, framework, agent, task)
    reported = report(world, framework, agent)
    agent.send(UnregisterAgent(agent.id))
    world.settle()
    assert len(world.state.frameworks[framework.id].completed_tasks) == 1
    framework.take()
    agent.reregister([reported], frameworks=[world.state.frameworks[framework.id].info])
    (status,) = framework.take_statuses()
    assert (status["state"], status["message"]) == ("TASK_RUNNING", "Unknown agent reregistered")
    known = world.state.frameworks[framework.id]
    assert (list(known.tasks), list(known.completed_tasks)) == (["t"], [])


def ended(world, framework, agent):
    """The task as the agent remembers it when its end is acknowledged."""
    agent.update(framework.id, "t", "TASK_FINISHED", uuid=b"\x12" * 16)
    reported = report(world, framework, agent, state="TASK_FINISHED")
    ids = {"agent_id": {"value": agent.id}, "task_id": {"value": "t"}}
    framework.call("ACKNOWLEDGE", {**ids, "uuid": "EhISEhISEhISEhISEhISEg=="})
    return reported


@pytest.mark.parametrize("framework_is_first", [True, False])
def test_after_a_failover_completed_tasks_are_remembered_of_frameworks_that_are_known(world, task, framework_is_first):
    framework, agent = world.framework(failover_timeout=60.0), world.agent()
    running(world, framework, agent, task)
    reported = ended(world, framework, agent)
    world.master.terminate()
    world.start_master()
    if framework_is_first:
        framework.subscribe()
        agent.reregister(completed_tasks=[reported])
    else:
        agent.reregister(completed_tasks=[reported])
        framework.subscribe()
    completed = [done.id for done in world.state.frameworks[framework.id].completed_tasks]
    assert completed == (["t"] if framework_is_first else [])


def test_an_agent_back_from_unreachable_tells_of_completed_tasks_once_more(make_world, task):
    world = make_world(**PING)
    framework, agent = world.framework(), world.agent()
    running(world, framework, agent, task)
    reported = ended(world, framework, agent)
    agent.answers_pings = False
    world.advance(3)
    agent.answers_pings = True
    agent.reregister(completed_tasks=[reported])
    assert [done.id for done in world.state.frameworks[framework.id].completed_tasks] == ["t", "t"]


def test_an_agent_that_is_still_registered_does_not_count_as_registered_again(world):
    agent = world.agent()
    agent.die()
    agent.live_again()
    agent.reregister()
    assert world.state.counters["master/slave_reregistrations"] == 0
    world.master.terminate()
    world.start_master()
    agent.reregister()
    assert world.state.counters["master/slave_reregistrations"] == 1


def test_the_operations_of_a_removed_agent_end_without_a_word(world, amount):
    framework, agent = world.framework(), world.agent()
    reserved = amount("cpus", 1, reservations=[{"type": "DYNAMIC", "role": "web"}])
    operation = {"type": "RESERVE", "id": {"value": "o"}, "reserve": {"resources": [reserved]}}
    framework.accept(world.offer(framework, agent), operations=[operation])
    agent.send(UnregisterAgent(agent.id))
    world.settle()
    assert kinds(framework) == ["FAILURE"]
    assert not world.state.frameworks[framework.id].operations


def test_agents_given_up_after_a_failover_are_failures_to_all(world):
    world.agent().answers_pings = False
    world.master.terminate()
    world.start_master()
    framework = world.framework()
    world.advance(601)
    assert kinds(framework) == ["FAILURE"]


@pytest.mark.parametrize("capable", [True, False])
def test_tasks_of_a_gone_agent(world, task, capable):
    capabilities = [{"type": kind} for kind in ("MULTI_ROLE", *(["PARTITION_AWARE"] if capable else []))]
    framework, agent = world.framework(capabilities=capabilities), world.agent()
    running(world, framework, agent, task)
    world.post({"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": agent.id}}}, "/api/v1")
    status = framework.take()[0]["update"]["status"]
    expected = (
        ("TASK_GONE_BY_OPERATOR", "REASON_AGENT_REMOVED_BY_OPERATOR")
        if capable
        else ("TASK_LOST", "REASON_AGENT_REMOVED")
    )
    assert (status["state"], status["reason"]) == expected
    assert list(world.state.frameworks[framework.id].unreachable_tasks) == ([] if capable else ["t"])


def test_only_states_that_end_a_task_are_counted_as_ends(world, task):
    framework, agent = world.framework(), world.agent()
    running(world, framework, agent, task)
    agent.update(framework.id, "t", "TASK_RUNNING", uuid=b"\x12" * 16, latest="TASK_FINISHED")
    assert not [name for name, count in world.state.counters.items() if name.startswith("master/tasks_") and count]
