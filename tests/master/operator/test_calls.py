"""POST /api/v1: checks in their order, types of answers, what is refused."""

from __future__ import annotations

import json

import pytest

from pymesoskit.wire import from_json
from pymesoskit.wire.v1 import master as pb

KINDS = {"content-type": "application/json", "accept": "application/json"}
PAYLOADS = {
    "GET_METRICS", "SET_LOGGING_LEVEL", "LIST_FILES", "READ_FILE", "UPDATE_WEIGHTS", "RESERVE_RESOURCES",
    "UNRESERVE_RESOURCES", "CREATE_VOLUMES", "DESTROY_VOLUMES", "GROW_VOLUME", "SHRINK_VOLUME",
    "UPDATE_MAINTENANCE_SCHEDULE", "START_MAINTENANCE", "STOP_MAINTENANCE", "DRAIN_AGENT", "DEACTIVATE_AGENT",
    "REACTIVATE_AGENT", "UPDATE_QUOTA", "SET_QUOTA", "REMOVE_QUOTA", "TEARDOWN", "MARK_AGENT_GONE",
}  # fmt: skip


@pytest.mark.parametrize(
    ("method", "headers", "body", "status", "text"),
    [
        ("GET", KINDS, b"", 405, "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'GET'."),
        ("POST", {}, b"{}", 400, "Expecting 'Content-Type' to be present"),
        (
            "POST",
            {"content-type": "text/plain"},
            b"{}",
            415,
            "Expecting 'Content-Type' of application/json or application/x-protobuf",
        ),
        ("POST", KINDS, b"[", 400, "Failed to parse body into JSON: syntax error at line 1 near: "),
        (
            "POST",
            {**KINDS, "content-type": "application/x-protobuf"},
            b"\xff",
            400,
            "Failed to parse body into Call protobuf",
        ),
        ("POST", KINDS, b"{}", 400, "Failed to validate master::Call: Expecting 'type' to be present"),
        ("POST", KINDS, b'{"type":"NONE"}', 400, "Failed to validate master::Call: Expecting 'type' to be present"),
        (
            "POST",
            {**KINDS, "accept": "text/html"},
            b'{"type":"TEARDOWN","teardown":{"framework_id":{"value":"x"}}}',
            406,
            "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'",
        ),
    ],
)
def test_checks_before_a_call_is_carried_out(world, method, headers, body, status, text):
    response = world.request(method, "/api/v1", body, **headers).response
    assert (response.status, response.body.decode()) == (status, text)


def test_a_call_is_validated_before_accept_is_looked_at(world):
    response = world.operator("GET_METRICS", accept="text/html")
    assert (response.status, response.body) == (
        400,
        b"Failed to validate master::Call: Expecting 'get_metrics' to be present",
    )


def test_the_type_unknown_is_not_implemented(world):
    assert world.operator("UNKNOWN").status == 501


@pytest.mark.parametrize("kind", sorted(pb.Call.Type.keys()))
def test_each_call_needs_its_payload_or_none(world, kind):
    response = world.post({"type": kind}, "/api/v1").response
    if kind in PAYLOADS:
        expected = f"Failed to validate master::Call: Expecting '{kind.lower()}' to be present"
        assert (response.status, response.body.decode()) == (400, expected)
    elif kind == "SUBSCRIBE":
        assert response is None
    elif kind != "UNKNOWN":
        assert response.status == 200
        assert json.loads(response.body)["type"] == kind


@pytest.mark.parametrize("kind", ["grow_volume", "shrink_volume"])
def test_a_volume_that_is_resized_is_on_an_agent(world, amount, kind):
    payload = {"volume": amount("disk", 1), "addition": amount("disk", 1), "subtract": {"value": 1}}
    response = world.operator(kind.upper(), payload)
    assert response.body == b"Failed to validate master::Call: Expecting 'agent_id' to be present"


def test_json_is_preferred_and_protobuf_spoken(world):
    call = pb.Call(type=pb.Call.GET_HEALTH).SerializeToString()
    headers = {"content-type": "application/x-protobuf"}
    both = world.request("POST", "/api/v1", call, **headers, accept="application/x-protobuf, application/json").response
    assert json.loads(both.body) == {"type": "GET_HEALTH", "get_health": {"healthy": True}}
    protobuf = world.request("POST", "/api/v1", call, **headers, accept="application/x-protobuf").response
    assert dict(protobuf.headers)["Content-Type"] == "application/x-protobuf"
    assert pb.Response.FromString(protobuf.body).get_health.healthy


@pytest.mark.parametrize(
    "kind", ["GET_STATE", "GET_AGENTS", "GET_FRAMEWORKS", "GET_TASKS", "GET_EXECUTORS", "GET_ROLES"]
)
def test_protobuf_and_json_say_the_same(world, kind, task):
    framework, agent = world.framework(), world.agent()
    framework.launch(world.offer(framework, agent), task("t1", {"agent_id": {"value": agent.id}}))
    body = world.operator(kind, accept="application/x-protobuf").body
    message = pb.Response.FromString(body)
    from pymesoskit.wire import to_json_value

    def without_empty(value):
        if isinstance(value, dict):
            return {k: without_empty(v) for k, v in value.items() if v != [] and k != "checkpoint"}
        return [without_empty(item) for item in value] if isinstance(value, list) else value

    assert without_empty(to_json_value(message)) == without_empty(json.loads(world.operator(kind).body))


def test_agents_are_shown_with_checkpoint_in_protobuf_too(world):
    world.agent()
    body = world.operator("GET_AGENTS", accept="application/x-protobuf").body
    info = pb.Response.FromString(body).get_agents.agents[0].agent_info
    assert b"\x38\x01" in info.SerializeToString()


def test_the_prefixes_of_the_path_do_not_matter(world):
    for path in ("/api/v1", "/api/v1/", "/master/api/v1", "/api/v1/operator"):
        assert world.post({"type": "GET_HEALTH"}, path).response.status == 200


def test_unknown_frameworks_and_agents(world):
    refused = {
        "TEARDOWN": ({"framework_id": {"value": "x"}}, 400, "No framework found with specified ID"),
        "MARK_AGENT_GONE": ({"agent_id": {"value": "x"}}, 404, "Agent 'x' not found"),
        "DEACTIVATE_AGENT": ({"agent_id": {"value": "x"}}, 400, "Unknown agent"),
        "REACTIVATE_AGENT": ({"agent_id": {"value": "x"}}, 400, "Agent is not deactivated"),
        "DRAIN_AGENT": ({"agent_id": {"value": "x"}}, 400, "Unknown agent"),
        "RESERVE_RESOURCES": ({"agent_id": {"value": "x"}, "resources": []}, 400, "No agent found with specified ID"),
    }
    for kind, (payload, status, text) in refused.items():
        response = world.operator(kind, payload)
        assert (response.status, response.body.decode()) == (status, text)


def test_flags_are_shown_by_name(make_world):
    world = make_world(allocation_interval="200ms")
    flags = {flag["name"]: flag["value"] for flag in world.query("GET_FLAGS")["flags"]}
    assert flags["allocation_interval"] == "200ms"
    assert list(flags) == sorted(flags)
    assert world.get("/flags") == {"flags": flags}


def test_the_logging_level_goes_back_by_itself(world):
    payload = {"level": 2, "duration": {"nanoseconds": 5 * 10**9}}
    assert world.operator("SET_LOGGING_LEVEL", payload).status == 200
    assert world.query("GET_LOGGING_LEVEL") == {"level": 2}
    world.advance(5)
    assert world.query("GET_LOGGING_LEVEL") == {"level": 0}


def test_the_logging_level_of_the_older_endpoint(world):
    assert world.request("GET", "/logging/toggle").response.body == b"0\n"
    assert world.request("GET", "/logging/toggle?level=1&duration=10secs").response.status == 200
    assert world.request("GET", "/logging/toggle").response.body == b"1\n"
    assert world.request("GET", "/logging/toggle?level=0x2&duration=10secs").response.body == b""
    assert world.request("GET", "/logging/toggle").response.body == b"2\n"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("level=1", "Expecting 'duration=value' in query.\n"),
        ("duration=1secs", "Expecting 'level=value' in query.\n"),
        ("level=x&duration=1secs", "Failed to convert 'x' to number.\n"),
        ("level=-1&duration=1secs", "Invalid level '-1'.\n"),
        ("level=-1&duration=soon", "Invalid level '-1'.\n"),
    ],
)
def test_levels_of_logging_that_are_refused(world, query, text):
    response = world.request("GET", f"/logging/toggle?{query}").response
    assert (response.status, response.body.decode()) == (400, text)


def test_a_level_of_logging_is_kept_for_a_duration(world):
    assert world.request("GET", "/logging/toggle?level=1&duration=soon").response.status == 400
    assert world.request("GET", "/logging/toggle").response.body == b"0\n"


@pytest.mark.parametrize("kind", ["GET_TASKS", "GET_STATE"])
def test_protobuf_forgets_the_tasks_of_completed_frameworks(world, kind, task):
    framework, agent = world.framework(), world.agent()
    framework.launch(world.offer(framework, agent), task("t1", {"agent_id": {"value": agent.id}}))
    framework.call("TEARDOWN")

    def tasks(answer):
        return answer.get_tasks if kind == "GET_TASKS" else answer.get_state.get_tasks

    as_json = from_json(world.operator(kind).body, pb.Response)
    as_protobuf = pb.Response.FromString(world.operator(kind, accept="application/x-protobuf").body)
    assert [task.task_id.value for task in tasks(as_json).completed_tasks] == ["t1"]
    assert not tasks(as_protobuf).ListFields()


def test_there_are_no_files_unless_a_log_is_written(world):
    assert world.operator("LIST_FILES", {"path": "/master/log"}).status == 404
    assert world.operator("READ_FILE", {"path": "/master/log", "offset": 0}).status == 404
    assert world.get("/files/debug") == {}


def test_teardown_by_an_operator(world):
    framework = world.framework()
    assert world.operator("TEARDOWN", {"framework_id": {"value": framework.id}}).status == 200
    assert framework.stream.closed
    assert [f["framework_info"]["name"] for f in world.query("GET_FRAMEWORKS")["completed_frameworks"]] == ["A"]
    assert world.state.counters["master/messages_unregister_framework"] == 0


def test_an_agent_can_be_gone_more_than_once(world):
    agent = world.agent()
    for _ in range(2):
        assert world.operator("MARK_AGENT_GONE", {"agent_id": {"value": agent.id}}).status == 200
    assert world.query("GET_AGENTS") == {"agents": [], "recovered_agents": []}
