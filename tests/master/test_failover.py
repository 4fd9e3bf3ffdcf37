"""What a new leader knows, says and waits for: the only master started again, or another one elected.

Source: docs/reference/failover.md, "Master failover" (the numbers are its lines) and "Several masters".
"""

from __future__ import annotations

import json

import pytest

from pymesoskit.testing.engine.machine.simulated import Outcome

FOREVER = {"*": Outcome(run_time=1e6)}
QUICK = {"registration_backoff_factor": "10ms", "executor_reregistration_timeout": "100ms"}


@pytest.fixture
def make(make_cluster_world):
    def make(agents=1, **given):
        return make_cluster_world(agents, simulated=FOREVER, agent_flags=QUICK, **given)

    return make


def offers_of(world, framework) -> list[dict]:
    world.cluster.wait_for(lambda: any(event["type"] == "OFFERS" for event in framework.events))
    return [offer for event in framework.take() if event["type"] == "OFFERS" for offer in event["offers"]["offers"]]


def run_task(world, framework, task, task_id: str = "t", offer: dict | None = None) -> dict:
    """Has a task run, with nothing left to acknowledge; returns its last status."""
    offer = offers_of(world, framework)[0] if offer is None else offer
    framework.launch(offer, task(task_id, offer), refuse=1000)
    world.cluster.wait_for_task(task_id, "TASK_RUNNING")
    (*_, status) = acknowledge(world, framework)
    return status


def acknowledge(world, framework) -> list[dict]:
    """Acknowledges until there is nothing new; returns all statuses."""
    statuses = []
    while taken := framework.take_statuses():
        statuses += taken
        for status in taken:
            if "uuid" in status:
                keys = ("agent_id", "task_id", "uuid")
                assert framework.call("ACKNOWLEDGE", {key: status[key] for key in keys}).status == 202
        world.settle()
    return statuses


def frameworks(world) -> dict[str, dict]:
    answer = world.query("GET_FRAMEWORKS")
    return {one["framework_info"]["id"]["value"]: one for one in answer.get("frameworks", [])}


def test_20_the_failover_timeout_is_not_applied_to_frameworks_known_from_agents(make, make_framework, task):
    world = make()
    framework = make_framework(world, failover_timeout=1.0, checkpoint=True).subscribe()
    run_task(world, framework, task)
    world.fail_over()
    world.agents_back()
    world.advance(5)
    assert frameworks(world)[framework.id]["recovered"]
    before = framework.id
    assert framework.subscribe().id == before
    assert not frameworks(world)[framework.id].get("recovered", False)
    assert world.cluster.task("t").state == "TASK_RUNNING"


def test_21_reconciliation_is_silent_about_agents_that_have_not_returned(make, make_framework, task):
    world = make(2)
    framework = make_framework(world, failover_timeout=1000.0, checkpoint=True).subscribe()
    status = run_task(world, framework, task)
    away = world.cluster.agent_of("t")
    away.kill()
    world.fail_over()
    world.agents_back(1)
    framework.subscribe()
    world.settle()
    framework.take()
    ask = {"task_id": {"value": "t"}}
    for question in ({**ask, "agent_id": status["agent_id"]}, ask):
        assert framework.call("RECONCILE", {"tasks": [question]}).status == 202
        assert framework.take_statuses() == []
    framework.call("RECONCILE", {"tasks": [{**ask, "agent_id": {"value": "unknown"}}]})
    assert [one["state"] for one in framework.take_statuses()] == ["TASK_UNKNOWN"]
    framework.call("RECONCILE", {"tasks": []})
    assert framework.take_statuses() == []
    away.start()
    world.agents_back()
    acknowledge(world, framework)
    framework.call("RECONCILE", {"tasks": [ask, {"task_id": {"value": "other"}}]})
    assert [one["state"] for one in framework.take_statuses()] == ["TASK_RUNNING", "TASK_UNKNOWN"]


def test_22_reconciliation_of_operations_is_never_silent(make, make_framework):
    world = make()
    agent = world.cluster.agents[0]
    framework = make_framework(world, failover_timeout=1000.0).subscribe()
    agent_id = {"value": agent.id}
    agent.kill()
    world.fail_over()
    framework.subscribe()
    operations = [{"operation_id": {"value": "o"}, "agent_id": agent_id}, {"operation_id": {"value": "o"}}]
    response = framework.call("RECONCILE_OPERATIONS", {"operations": operations})
    assert response.status == 202
    told = [
        event["update_operation_status"]["status"]
        for event in framework.take()
        if event["type"] == "UPDATE_OPERATION_STATUS"
    ]
    assert [status["state"] for status in told] == ["OPERATION_RECOVERING", "OPERATION_UNKNOWN"]
    assert told[1]["message"] == "Reconciliation: Operation is unknown and no 'agent_id' was provided"


def test_23_recovered_agents_are_shown_with_checkpoint_as_registered_ones_are(make):
    world = make()
    agent = world.cluster.agents[0]
    agent_id = agent.id
    agent.kill()
    world.fail_over()
    answer = world.query("GET_AGENTS")
    (recovered,) = answer["recovered_agents"]
    assert (recovered["id"]["value"], recovered["checkpoint"], answer["agents"]) == (agent_id, True, [])
    agent.start()
    world.agents_back()
    answer = world.query("GET_AGENTS")
    assert answer["recovered_agents"] == []
    assert answer["agents"][0]["agent_info"]["checkpoint"] is True


def test_24_what_operators_are_told_as_agents_return(make, make_framework, task):
    world = make()
    agent = world.cluster.agents[0]
    framework = make_framework(world, failover_timeout=1000.0, checkpoint=True).subscribe()
    run_task(world, framework, task)
    agent.kill()
    world.fail_over()
    stream = world.post({"type": "SUBSCRIBE"}, "/api/v1").opened
    agent.start()
    world.agents_back()
    told = [event for event in stream.events if event["type"] not in {"SUBSCRIBED", "HEARTBEAT"}]
    assert [event["type"] for event in told] == ["AGENT_ADDED", "FRAMEWORK_ADDED", "TASK_ADDED"]
    added = told[1]["framework_added"]["framework"]
    assert (added["recovered"], added["active"], added["connected"]) == (True, False, False)
    added_task = told[2]["task_added"]["task"]
    assert [status["state"] for status in added_task["statuses"]] == ["TASK_STARTING", "TASK_RUNNING"]
    framework.subscribe()
    assert [event["type"] for event in stream.events if event["type"] not in {"SUBSCRIBED", "HEARTBEAT"}][3:4] == [
        "FRAMEWORK_UPDATED"
    ]


def test_25_streams_and_offers_of_the_old_leader_are_void(make, make_framework, task):
    world = make()
    framework = make_framework(world, failover_timeout=1000.0, checkpoint=True).subscribe()
    (offer,) = offers_of(world, framework)
    old_stream = framework.stream_id
    world.fail_over()
    assert framework.stream.aborted
    response = framework.call("REVIVE")
    assert (response.status, response.body) == (400, b"Framework cannot be found")
    framework.subscribe()
    response = framework.call("REVIVE", None, **{"mesos-stream-id": old_stream})
    assert response.status == 400
    assert b"didn't match the stream ID currently associated" in response.body
    framework.launch(offer, task("late", offer))
    (status,) = framework.take_statuses()
    assert status["state"] == "TASK_DROPPED"
    assert "no longer valid" in status["message"]


@pytest.mark.parametrize(("agents", "enough"), [(3, 2), (2, 1)])
def test_26_with_a_quota_nothing_is_offered_before_enough_agents_are_back(make, make_framework, agents, enough):
    world = make(agents)
    quota = {"role": "other", "guarantees": {"cpus": {"value": 1}}}
    assert world.operator("UPDATE_QUOTA", {"quota_configs": [quota]}).status == 200
    for agent in world.cluster.agents:
        agent.kill()
    world.fail_over()
    framework = make_framework(world).subscribe()
    for index, agent in enumerate(world.cluster.agents[:enough]):
        world.advance(3)
        assert [event for event in framework.take() if event["type"] == "OFFERS"] == []
        agent.start()
        world.agents_back(index + 1)
    assert offers_of(world, framework)


def test_26_without_a_quota_offers_go_out_as_agents_come_back(make, make_framework):
    world = make(3)
    for agent in world.cluster.agents:
        agent.kill()
    world.fail_over()
    framework = make_framework(world).subscribe()
    world.cluster.agents[0].start()
    world.agents_back(1)
    assert offers_of(world, framework)


def test_27_operators_cannot_reserve_on_a_recovered_agent(make):
    world = make()
    agent = world.cluster.agents[0]
    agent_id = {"value": agent.id}
    agent.kill()
    world.fail_over()
    reserved = {
        "name": "cpus",
        "type": "SCALAR",
        "scalar": {"value": 1},
        "reservations": [{"type": "DYNAMIC", "role": "web"}],
    }
    response = world.operator("RESERVE_RESOURCES", {"agent_id": agent_id, "resources": [reserved]})
    assert (response.status, response.body) == (400, b"No agent found with specified ID")


def test_6_a_kill_for_an_agent_that_is_not_back_is_neither_answered_nor_remembered(make, make_framework, task):
    world = make()
    framework = make_framework(world, failover_timeout=1000.0, checkpoint=True).subscribe()
    status = run_task(world, framework, task)
    agent = world.cluster.agents[0]
    agent.kill()
    world.fail_over()
    framework.subscribe()
    kill = {"task_id": {"value": "t"}, "agent_id": status["agent_id"]}
    assert framework.call("KILL", kill).status == 202
    assert framework.take_statuses() == []
    agent.start()
    world.agents_back()
    world.advance(5)
    assert world.cluster.task("t").state == "TASK_RUNNING"


def test_tasks_agents_and_frameworks_are_recovered_from_reregistrations(make, make_framework, task):
    world = make(2)
    framework = make_framework(world, failover_timeout=1000.0, checkpoint=True).subscribe()
    for number, offer in enumerate(offers_of(world, framework)):
        run_task(world, framework, task, f"t{number}", offer)
    ids = {agent.id for agent in world.cluster.agents}
    before = world.master.id
    world.fail_over()
    assert world.master.id != before
    assert world.cluster.tasks() == []
    assert set(world.state.recovered_agents) == ids
    world.agents_back()
    assert set(world.state.agents) == ids
    assert {task.id: task.state for task in world.cluster.tasks()} == {"t0": "TASK_RUNNING", "t1": "TASK_RUNNING"}
    framework.subscribe()
    framework.call("KILL", {"task_id": {"value": "t0"}})
    world.cluster.wait_for_task("t0", "TASK_KILLED")
    assert framework.id in frameworks(world)


def test_updates_that_the_old_leader_did_not_pass_on_arrive_through_the_new_one(make, make_framework, task):
    world = make()
    framework = make_framework(world, failover_timeout=1000.0, checkpoint=True).subscribe()
    (offer,) = offers_of(world, framework)
    framework.launch(offer, task("t", offer))
    world.cluster.wait_for_task("t", "TASK_RUNNING")
    framework.take()  # none of it is acknowledged
    world.fail_over()
    framework.subscribe()
    world.agents_back()
    states = [status["state"] for status in acknowledge(world, framework)]
    assert states[0] == "TASK_STARTING"
    assert states[-1] == "TASK_RUNNING"


def test_what_operators_decided_is_known_to_the_next_leader(make):
    """Quota, weights, maintenance, draining, deactivation, the unreachable and the gone: the registry."""
    world = make(4, master_flags={"agent_ping_timeout": "1secs", "max_agent_ping_timeouts": "2"})
    drained, deactivated, gone, unreachable = ({"value": agent.id} for agent in world.cluster.agents)
    quota = {"role": "web", "guarantees": {"cpus": {"value": 1}}, "limits": {"cpus": {"value": 2}}}
    window = {
        "machine_ids": [{"hostname": "elsewhere", "ip": "10.0.0.9"}],
        "unavailability": {"start": {"nanoseconds": 5}},
    }
    for kind, payload in (
        ("UPDATE_QUOTA", {"quota_configs": [quota]}),
        ("UPDATE_WEIGHTS", {"weight_infos": [{"role": "web", "weight": 3.0}]}),
        ("UPDATE_MAINTENANCE_SCHEDULE", {"schedule": {"windows": [window]}}),
        ("START_MAINTENANCE", {"machines": window["machine_ids"]}),
        ("DRAIN_AGENT", {"agent_id": drained}),
        ("DEACTIVATE_AGENT", {"agent_id": deactivated}),
        ("MARK_AGENT_GONE", {"agent_id": gone}),
    ):
        response = world.operator(kind, payload)
        assert response.status == 200, response
    world.cluster.agents[3].kill()
    world.cluster.wait_for(lambda: unreachable["value"] in world.state.unreachable, timeout=60)
    asked = ("GET_QUOTA", "GET_WEIGHTS", "GET_MAINTENANCE_STATUS", "GET_MAINTENANCE_SCHEDULE")
    before = {kind: world.query(kind) for kind in asked}
    world.fail_over()
    assert {kind: world.query(kind) for kind in asked} == before
    assert before["GET_MAINTENANCE_STATUS"]["status"]["down_machines"] == window["machine_ids"]
    assert set(world.state.recovered_agents) == {drained["value"], deactivated["value"]}
    assert set(world.state.unreachable) == {unreachable["value"]}
    assert set(world.state.gone) == {gone["value"]}
    world.cluster.wait_for(lambda: len(world.state.agents) == 2, timeout=600)
    shown = {agent["agent_info"]["id"]["value"]: agent for agent in world.query("GET_AGENTS")["agents"]}
    assert shown[drained["value"]]["drain_info"]["state"] == "DRAINED"
    assert all(agent["deactivated"] for agent in shown.values())
    assert world.operator("MARK_AGENT_GONE", {"agent_id": gone}).status == 200  # it is already
    world.cluster.agents[3].start()
    world.cluster.wait_for(lambda: unreachable["value"] in world.state.agents, timeout=600)
    assert not world.state.unreachable


def test_a_registry_in_memory_ends_with_its_master(make):
    world = make(2, master_flags={"registry": "in_memory"})
    quota = {"role": "web", "guarantees": {"cpus": {"value": 1}}}
    assert world.operator("UPDATE_QUOTA", {"quota_configs": [quota]}).status == 200
    ids = {agent.id for agent in world.cluster.agents}
    world.fail_over()
    assert world.query("GET_QUOTA") == {"status": {}}
    assert world.query("GET_AGENTS") == {"agents": [], "recovered_agents": []}
    world.agents_back()
    assert set(world.state.agents) == ids  # they keep the ids that the former master gave them


def test_agents_that_do_not_return_to_the_next_leader_become_unreachable(make, make_framework):
    world = make(2, master_flags={"agent_reregister_timeout": "10mins"})
    framework = make_framework(world, failover_timeout=1000.0).subscribe()
    lost = world.cluster.agents[1]
    lost_id = lost.id
    lost.kill()
    world.fail_over()
    framework.subscribe()
    world.agents_back(1)
    world.cluster.wait_for(lambda: lost_id in world.state.unreachable, timeout=700)
    failures = [event["failure"] for event in framework.take() if event["type"] == "FAILURE"]
    assert failures == [{"agent_id": {"value": lost_id}}]
    metrics = world.get("/metrics/snapshot")
    assert metrics["master/recovery_slave_removals"] == 1
    assert json.loads(json.dumps(metrics))["master/elected"] == 1
