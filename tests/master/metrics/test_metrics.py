"""Metrics: names, what counts when, percentiles of durations."""

from __future__ import annotations

from collections import Counter

import pytest

from pymesoskit.testing.engine.master.metrics import count_operation, count_task_end, encode_name, read_counters
from pymesoskit.wire.v1 import mesos


@pytest.fixture
def read(make_world):
    return lambda world: world.get("/metrics/snapshot")


def test_the_answer_is_sorted_and_both_apis_agree(world, read):
    world.agent()
    world.framework()
    metrics = read(world)
    assert list(metrics) == sorted(metrics)
    listed = {entry["name"]: entry["value"] for entry in world.query("GET_METRICS", {})["metrics"]}
    assert listed.keys() == metrics.keys()


def test_a_timeout_must_be_a_duration(world):
    assert world.request("GET", "/metrics/snapshot?timeout=5secs").response.status == 200
    response = world.request("GET", "/metrics/snapshot?timeout=soon").response
    assert response.status == 400
    assert response.body.startswith(b"Invalid timeout 'soon': ")


def test_agents_and_frameworks_are_gauged(world, read):
    agents = [world.agent(port=port) for port in (5051, 5052, 5053)]
    world.operator("DEACTIVATE_AGENT", {"agent_id": {"value": agents[0].id}})
    agents[1].die()
    world.framework()
    world.framework(failover_timeout=60.0).stream.close_by_peer()
    metrics = read(world)
    expected = {
        "master/slaves_connected": 2, "master/slaves_disconnected": 1, "master/slaves_active": 1,
        "master/slaves_inactive": 2, "master/frameworks_connected": 1, "master/frameworks_disconnected": 1,
        "master/frameworks_active": 1, "master/frameworks_inactive": 1, "master/elected": 1,
        "master/messages_register_slave": 3, "master/slave_registrations": 3,
        "master/messages_register_framework": 2,
    }  # fmt: skip
    assert {name: metrics[name] for name in expected} == expected


def test_uptime(world, read):
    world.advance(12.5)
    assert read(world)["master/uptime_secs"] == 12.5


def test_resources_used_are_those_of_tasks_not_of_offers(world, read, task):
    framework, agent = world.framework(), world.agent()
    offer = world.offer(framework, agent)
    assert read(world)["master/cpus_used"] == 0
    assert read(world)["master/outstanding_offers"] == 1
    framework.launch(offer, task("t1", offer, cpus=1, mem=1024))
    metrics = read(world)
    assert (metrics["master/cpus_used"], metrics["master/cpus_total"], metrics["master/cpus_percent"]) == (1, 4, 0.25)
    assert metrics["master/mem_percent"] == 0.25
    assert metrics["master/gpus_percent"] == 0
    assert metrics["master/outstanding_offers"] == 0


def test_tasks_by_state_and_by_reason(world, read, task):
    framework, agent = world.framework(), world.agent()
    for n in range(3):
        framework.launch(world.offer(framework, agent), task(f"t{n}", {"agent_id": {"value": agent.id}}))
    agent.update(framework.id, "t0", "TASK_RUNNING", uuid=b"1" * 16)
    agent.update(framework.id, "t1", "TASK_FAILED", uuid=b"2" * 16, reason="REASON_CONTAINER_LIMITATION_MEMORY")
    metrics = read(world)
    assert [metrics[f"master/tasks_{state}"] for state in ("staging", "running", "failed")] == [1, 1, 1]
    assert metrics["master/task_failed/source_executor/reason_container_limitation_memory"] == 1
    prefix = f"master/frameworks/A/{framework.id}"
    assert metrics[f"{prefix}/tasks/active/task_running"] == 1
    assert metrics[f"{prefix}/tasks/terminal/task_failed"] == 1


def test_reasons_have_their_older_names():
    counters = Counter()
    status = mesos.TaskStatus(state=mesos.TASK_LOST, source=mesos.TaskStatus.SOURCE_AGENT)
    status.reason = mesos.TaskStatus.REASON_AGENT_REMOVED
    count_task_end(counters, status)
    assert counters == {"master/tasks_lost": 1, "master/task_lost/source_slave/reason_slave_removed": 1}


def test_calls_events_and_offers_of_a_framework(world, read):
    framework, agent = world.framework(name="a b/ü~"), world.agent()
    offer = world.offer(framework, agent)
    framework.call("DECLINE", {"offer_ids": [offer["id"]]})
    framework.call("REVIVE")
    metrics = read(world)
    prefix = f"master/frameworks/a%20b%2F%C3%BC%7E/{framework.id}"
    expected = {
        "calls": 3, "calls/subscribe": 1, "calls/decline": 1, "calls/revive": 1, "events/offers": 1, "offers/sent": 1,
        "offers/declined": 1, "subscribed": 1, "roles/web/suppressed": 0,
    }  # fmt: skip
    assert {name: metrics[f"{prefix}/{name}"] for name in expected} == expected
    framework.call("TEARDOWN")
    assert not [name for name in read(world) if name.startswith("master/frameworks/")]


def test_calls_count_for_a_framework_whatever_becomes_of_them(world, read):
    framework = world.framework()
    assert framework.call("REVIVE", **{"mesos-stream-id": "another"}).status == 400
    assert read(world)[f"master/frameworks/A/{framework.id}/calls/revive"] == 1


@pytest.mark.parametrize(
    ("kind", "payload", "counter"),
    [
        (
            "ACKNOWLEDGE",
            {"agent_id": {"value": "S0"}, "task_id": {"value": "t"}, "uuid": "AAAA"},
            "invalid_status_update_acknowledgements",
        ),
        (
            "ACKNOWLEDGE_OPERATION_STATUS",
            {"agent_id": {"value": "S0"}, "operation_id": {"value": "o"}, "uuid": "AAAA"},
            "invalid_operation_status_update_acknowledgements",
        ),
        ("MESSAGE", None, "invalid_framework_to_executor_messages"),
        ("KILL", None, None),
    ],
)
def test_some_calls_that_are_invalid_in_themselves_are_counted(world, read, kind, payload, counter):
    framework = world.framework()
    assert framework.call(kind, payload).status == 400
    counted = {name: value for name, value in read(world).items() if name.startswith("master/invalid_") and value}
    assert counted == ({} if counter is None else {f"master/{counter}": 1})


def test_events_for_a_framework_that_is_away_do_not_count(world, read, task):
    framework, agent = world.framework(failover_timeout=1000), world.agent()
    framework.launch(world.offer(framework, agent), task("t1", {"agent_id": {"value": agent.id}}))
    framework.stream.close_by_peer()
    agent.die()
    world.advance(100)
    metrics = read(world)
    assert metrics["master/slaves_unreachable"] == 1
    assert [metrics[f"master/frameworks/A/{framework.id}/events/{kind}"] for kind in ("update", "failure")] == [0, 0]


@pytest.fixture
def counted(read):
    def counted(world, framework):
        """The numbers of a framework's tasks that are not 0, by ``active/task_running`` and so on."""
        prefix = f"master/frameworks/A/{framework.id}/tasks/"
        return {
            name.removeprefix(prefix): value for name, value in read(world).items() if name.startswith(prefix) and value
        }

    return counted


def test_tasks_of_a_framework_are_counted_by_state(world, counted, task):
    framework, agent = world.framework(), world.agent()
    framework.launch(world.offer(framework, agent), task("t1", {"agent_id": {"value": agent.id}}))
    assert counted(world, framework) == {"active/task_staging": 1}
    agent.update(framework.id, "t1", "TASK_RUNNING", uuid=b"1" * 16)
    assert counted(world, framework) == {"active/task_running": 1}
    agent.update(framework.id, "t1", "TASK_FINISHED", uuid=b"2" * 16)
    assert counted(world, framework) == {"terminal/task_finished": 1}
    agent.update(framework.id, "t1", "TASK_FAILED", uuid=b"3" * 16)
    assert counted(world, framework) == {"terminal/task_finished": 1}


@pytest.mark.parametrize(
    ("aware", "lost", "back"),
    [
        (True, {"active/task_unreachable": 1}, {"active/task_unreachable": 1, "active/task_running": 1}),
        (False, {"terminal/task_lost": 1}, {"terminal/task_lost": 1, "active/task_running": 1}),
    ],
)
def test_tasks_that_are_back_are_counted_anew(world, counted, read, task, aware, lost, back):
    kinds = ("MULTI_ROLE", "RESERVATION_REFINEMENT", *(["PARTITION_AWARE"] if aware else []))
    framework = world.framework(checkpoint=True, capabilities=[{"type": kind} for kind in kinds])
    agent = world.agent()
    framework.launch(world.offer(framework, agent), task("t1", {"agent_id": {"value": agent.id}}))
    agent.update(framework.id, "t1", "TASK_RUNNING", uuid=b"1" * 16)
    running = world.state.agents[agent.id].task(framework.id, "t1").message
    known = mesos.Task()
    known.CopyFrom(running)
    agent.die()
    world.advance(100)
    assert counted(world, framework) == lost
    assert read(world)["master/tasks_unreachable"] == (1 if aware else 0)
    agent.live_again()
    agent.reregister(tasks=[known], frameworks=[world.state.frameworks[framework.id].info])
    assert counted(world, framework) == back
    assert read(world)["master/tasks_unreachable"] == 0


@pytest.mark.parametrize(
    ("flags", "shown"),
    [({}, [1.0, 1.0]), ({"quorum": "2"}, [1.0, 3.0]), ({"registry": "in_memory"}, [None, None])],
)
def test_the_log_of_the_registry_is_shown_if_there_is_one(make_world, read, flags, shown):
    metrics = read(make_world(**flags))
    assert [metrics.get(f"registrar/log/{name}") for name in ("recovered", "ensemble_size")] == shown


def test_what_is_stored_in_the_registry_is_timed(world, read):
    def timed():
        names = ("state_fetch_ms", "state_store_ms", "state_store_ms/count", "state_store_ms/p9999")
        return [read(world).get(f"registrar/{name}") for name in names]

    assert timed() == [0.0, 0.0, None, None]  # the master's own recovery
    agent = world.agent()
    assert timed() == [0.0, 0.0, 2.0, 0.0]
    world.operator("DEACTIVATE_AGENT", {"agent_id": {"value": agent.id}})
    world.operator("UPDATE_WEIGHTS", {"weight_infos": [{"role": "a", "weight": 2}]})
    world.operator("UPDATE_WEIGHTS", {"weight_infos": [{"role": "a", "weight": -2}]})
    assert timed() == [0.0, 0.0, 4.0, 0.0]


def test_metrics_of_a_principal_outlive_its_frameworks(world, read):
    world.framework(principal="p").call("TEARDOWN")
    world.framework()
    assert [name for name in read(world) if name.startswith("frameworks/")] == [
        "frameworks/p/messages_processed",
        "frameworks/p/messages_received",
    ]


def test_per_framework_metrics_can_be_switched_off(make_world, read):
    world = make_world(publish_per_framework_metrics="false")
    world.framework()
    assert not [name for name in read(world) if name.startswith("master/frameworks/")]


def test_names_are_encoded_as_by_libprocess():
    assert encode_name("a-b_c.d!(e)*'") == "a-b_c.d!(e)*'"
    assert encode_name("/ ~%\x00é") == "%2F%20%7E%25%00%C3%A9"


def test_operations_move_between_states():
    counters = Counter()
    reserve = mesos.Offer.Operation.RESERVE
    count_operation(counters, reserve, before=None, now=mesos.OPERATION_PENDING)
    values = read_counters(counters)
    assert (values["master/operations/pending"], values["master/operations/reserve/total"]) == (1, 1)
    count_operation(counters, reserve, before=mesos.OPERATION_PENDING, now=mesos.OPERATION_FINISHED)
    values = read_counters(counters)
    assert (values["master/operations/pending"], values["master/operations/finished"]) == (0, 1)
    assert values["master/operations/total"] == 1
