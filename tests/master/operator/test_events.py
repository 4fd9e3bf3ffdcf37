"""The operators' event stream: the snapshot, heartbeats, its bound, and the events for each change."""

from __future__ import annotations

import pytest

from pymesoskit.wire.v1 import master as pb
from pymesoskit.wire.v1 import mesos


@pytest.fixture
def subscribe():
    def subscribe(world, accept="application/json"):
        responder = world.post({"type": "SUBSCRIBE"}, "/api/v1", accept=accept)
        assert responder.response is None
        assert "Mesos-Stream-Id" not in responder.headers
        return responder.opened

    return subscribe


def take(stream):
    events, stream.events = stream.events, []
    return [event for event in events if event["type"] != "HEARTBEAT"]


def kinds(stream):
    return [event["type"] for event in take(stream)]


def test_first_a_snapshot_then_a_heartbeat_at_once(world, subscribe):
    world.agent()
    stream = subscribe(world)
    snapshot, heartbeat = stream.events
    assert snapshot["type"] == "SUBSCRIBED"
    assert snapshot["subscribed"]["heartbeat_interval_seconds"] == 15.0
    assert snapshot["subscribed"]["get_state"] == world.query("GET_STATE")
    assert heartbeat == {"type": "HEARTBEAT"}


def test_heartbeats_come_every_15_seconds(world, subscribe):
    stream = subscribe(world)
    stream.events.clear()
    world.advance(14.9)
    assert stream.events == []
    world.advance(0.1)
    assert [event["type"] for event in stream.events] == ["HEARTBEAT"]
    world.advance(30)
    assert len(stream.events) == 3


def test_a_subscriber_that_leaves_costs_nothing_more(world, subscribe):
    stream = subscribe(world)
    stream.close_by_peer()
    assert world.get("/metrics/snapshot")["master/operator_event_stream_subscribers"] == 0
    stream.events.clear()
    world.advance(60)
    assert stream.events == []


def test_beyond_the_bound_the_oldest_is_closed(make_world, subscribe):
    world = make_world(max_operator_event_stream_subscribers="2")
    streams = [subscribe(world) for _ in range(3)]
    assert [stream.closed for stream in streams] == [True, False, False]
    assert world.get("/metrics/snapshot")["master/operator_event_stream_subscribers"] == 2


def test_protobuf_subscribers_get_the_same(world, subscribe, task):
    streams = subscribe(world), subscribe(world, "application/x-protobuf")
    framework, agent = world.framework(), world.agent()
    framework.launch(world.offer(framework, agent), task("t1", {"agent_id": {"value": agent.id}}))
    json_kinds = [event["type"] for event in streams[0].events]
    assert [pb.Event.Type.Name(pb.Event.FromString(event).type) for event in streams[1].events] == json_kinds


def test_the_life_of_a_task(world, subscribe, task):
    framework, agent = world.framework(), world.agent()
    stream = subscribe(world)
    take(stream)
    framework.launch(world.offer(framework, agent), task("t1", {"agent_id": {"value": agent.id}}))
    added = take(stream)[0]
    assert added["type"] == "TASK_ADDED"
    assert added["task_added"]["task"]["state"] == "TASK_STAGING"
    agent.update(framework.id, "t1", "TASK_RUNNING", uuid=bytes(16), data=b"x")
    (updated,) = take(stream)
    body = updated["task_updated"]
    assert (body["framework_id"]["value"], body["state"]) == (framework.id, "TASK_RUNNING")
    assert body["status"]["data"] == "eA=="


def test_an_update_in_the_same_state_is_told_only_of_checks(world, subscribe, task):
    framework, agent = world.framework(), world.agent()
    framework.launch(world.offer(framework, agent), task("t1", {"agent_id": {"value": agent.id}}))
    stream = subscribe(world)
    take(stream)
    agent.update(framework.id, "t1", "TASK_RUNNING", uuid=b"1" * 16)
    agent.update(framework.id, "t1", "TASK_RUNNING", uuid=b"2" * 16, message="again")
    assert kinds(stream) == ["TASK_UPDATED"]
    for reason in ("REASON_TASK_CHECK_STATUS_UPDATED", "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"):
        agent.update(framework.id, "t1", "TASK_RUNNING", uuid=b"3" * 16, reason=reason)
        assert kinds(stream) == ["TASK_UPDATED"]


def test_frameworks_come_change_and_go(world, subscribe):
    stream = subscribe(world)
    take(stream)
    framework = world.framework(failover_timeout=60.0)
    (added,) = take(stream)
    view = added["framework_added"]["framework"]
    assert (view["active"], view["connected"], view["recovered"]) == (True, True, False)
    assert view["unregistered_time"] == {"nanoseconds": 0}
    assert "offer_constraints" not in view
    framework.stream.close_by_peer()
    world.settle()
    assert kinds(stream) == []
    framework.subscribe()
    assert kinds(stream) == ["FRAMEWORK_UPDATED"]
    framework.call("TEARDOWN")
    (removed,) = take(stream)
    assert removed["framework_removed"]["framework_info"]["id"]["value"] == framework.id


def test_agents_come_and_go(world, subscribe):
    stream = subscribe(world)
    take(stream)
    agent = world.agent()
    (added,) = take(stream)
    info = added["agent_added"]["agent"]["agent_info"]
    assert (info["id"]["value"], info["checkpoint"]) == (agent.id, True)
    world.operator("MARK_AGENT_GONE", {"agent_id": {"value": agent.id}})
    assert kinds(stream) == []


def test_what_a_returning_agent_brings_is_told_by_framework(world, subscribe, task):
    agent = world.agent()
    frameworks = [world.framework(name=name, failover_timeout=100.0) for name in "ABC"]
    reported, infos = [], []
    for framework in frameworks:
        for name in ("1", "2"):
            framework.launch(
                world.offer(framework, agent, "cpus:1;mem:128"),
                task(f"{framework.info['name']}{name}", {"agent_id": {"value": agent.id}}),
            )
        known = world.state.frameworks[framework.id]
        reported += [mesos.Task.FromString(each.message.SerializeToString()) for each in known.tasks.values()]
        infos.append(mesos.FrameworkInfo.FromString(known.info.SerializeToString()))
    world.master.terminate()
    world.start_master()
    frameworks[1].subscribe()
    stream = subscribe(world)
    take(stream)
    agent.reregister(tasks=reported, frameworks=infos)

    def name(event):
        shown = event.get("task_added", {}).get("task") or event.get("framework_added", {}).get("framework", {})
        return shown.get("name") or shown.get("framework_info", {}).get("name", "")

    assert [(event["type"], name(event)) for event in take(stream)] == [
        ("TASK_ADDED", "B1"),  # of a framework that is known already
        ("TASK_ADDED", "B2"),
        ("AGENT_ADDED", ""),
        ("FRAMEWORK_ADDED", "A"),
        ("TASK_ADDED", "A1"),
        ("TASK_ADDED", "A2"),
        ("FRAMEWORK_ADDED", "C"),
        ("TASK_ADDED", "C1"),
        ("TASK_ADDED", "C2"),
    ]


def test_streams_break_when_the_master_dies(world, subscribe):
    stream = subscribe(world)
    world.master.terminate()
    assert stream.aborted
