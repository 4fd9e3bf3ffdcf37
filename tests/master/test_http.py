"""The scheduler endpoint as an HTTP resource (docs/reference/scheduler-api.md 1)."""

import base64
import json

import pytest

SUBSCRIBE = {"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "root", "name": "A"}}}


def refusal(responder):
    return responder.response.status, responder.response.body.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/scheduler",
        "/master/api/v1/scheduler",
        "/api/v1/scheduler/",
        "/api/v1/scheduler/x",
        "//api/v1/scheduler?x=1",
    ],
)
def test_the_endpoint_has_several_names(world, path):
    assert refusal(world.request("GET", path))[0] == 405


@pytest.mark.parametrize("path", ["/nothing/here", "/api/v1/../v1/scheduler", "/api/v1/scheduler/.."])
def test_an_unknown_path_is_404(world, path):
    assert refusal(world.request("GET", path)) == (404, "404 Not Found.")


def test_the_method_is_checked_before_everything_else(world):
    responder = world.request("PUT", "/api/v1/scheduler", b"garbage", **{"content-type": "text/plain"})
    assert refusal(responder) == (405, "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'PUT'.")
    assert ("Allow", "POST") in responder.response.headers


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({}, (400, "Expecting 'Content-Type' to be present")),
        (
            {"content-type": "text/plain"},
            (415, "Expecting 'Content-Type' of application/json or application/x-protobuf"),
        ),
        (
            {"content-type": "application/json; charset=utf-8"},
            (415, "Expecting 'Content-Type' of application/json or application/x-protobuf"),
        ),
    ],
)
def test_the_content_type_must_be_exact(world, headers, answer):
    assert refusal(world.request("POST", "/api/v1/scheduler", b"{}", **headers)) == answer


@pytest.mark.parametrize("body", [b"\xff\xff", b"\x1a\x00"])
def test_protobuf_that_is_none_or_lacks_fields_is_400(world, body):
    responder = world.request("POST", "/api/v1/scheduler", body, **{"content-type": "application/x-protobuf"})
    assert refusal(responder) == (400, "Failed to parse body into Call protobuf")


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "application/json"),
        ("application/*;q=0.1", "application/json"),
        ("APPLICATION/JSON", "application/json"),
        ("application/x-protobuf", "application/x-protobuf"),
        ("application/json;q=0, */*", "application/x-protobuf"),
        ("application/x-protobuf, application/json", "application/json"),
        ("application / json", "application/json"),
        ("application/json, application/json;q=0", "application/json"),
        ("application/json;q=0, application/json, */*", "application/x-protobuf"),
        ("application/json;q=nonsense, */*", "application/x-protobuf"),
        ("application/json;q=-1, */*", "application/x-protobuf"),
        ("application/json;q=0;q=0", "application/json"),
        ("application/json;Q=0", "application/json"),
        ("text/html, application/json;q=0.001", "application/json"),
    ],
)
def test_json_is_preferred_where_both_types_are_accepted(world, accept, content_type):
    assert world.post(SUBSCRIBE, accept=accept).headers["Content-Type"] == content_type


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", ""])
def test_subscribe_needs_an_acceptable_type(world, accept):
    assert refusal(world.post(SUBSCRIBE, accept=accept)) == (
        406,
        "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'",
    )


def test_other_calls_do_not_look_at_accept(world):
    framework = world.framework()
    assert framework.call("REVIVE", accept="text/html").status == 202
    assert framework.call("RECONCILE_OPERATIONS", {}, accept="text/html").status == 406


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ({"type": "KILL"}, "Expecting 'framework_id' to be present"),
        ({"type": "KILL", "framework_id": {"value": "x"}}, "Expecting 'kill' to be present"),
        (
            {"type": "SUBSCRIBE", "framework_id": {"value": "x"}, "subscribe": SUBSCRIBE["subscribe"]},
            "'framework_id' differs from 'subscribe.framework_info.id'",
        ),
        (
            {
                "type": "ACKNOWLEDGE",
                "framework_id": {"value": "x"},
                "acknowledge": {"agent_id": {"value": "a"}, "task_id": {"value": "t"}, "uuid": "AAAA"},
            },
            "Not a valid UUID",
        ),
        (
            {
                "type": "ACKNOWLEDGE_OPERATION_STATUS",
                "framework_id": {"value": "x"},
                "acknowledge_operation_status": {"operation_id": {"value": "o"}, "uuid": "AAAAAAAAQACAAAAAAAAAAA=="},
            },
            "Expecting 'agent_id' to be present",
        ),
    ],
)
def test_calls_are_validated_before_their_framework_is_looked_for(world, call, error):
    assert refusal(world.post(call)) == (400, f"Failed to validate scheduler::Call: {error}")


def test_calls_that_are_not_valid_are_counted_where_there_is_a_counter(world):
    for kind in ("ACKNOWLEDGE", "ACKNOWLEDGE_OPERATION_STATUS", "MESSAGE", "KILL"):
        world.post({"type": kind, "framework_id": {"value": "x"}})
    invalid = {name: value for name, value in world.get("/metrics/snapshot").items() if value and "/invalid_" in name}
    assert invalid == {
        "master/invalid_status_update_acknowledgements": 1.0,
        "master/invalid_operation_status_update_acknowledgements": 1.0,
        "master/invalid_framework_to_executor_messages": 1.0,
    }


def test_a_framework_s_calls_are_counted_refused_ones_too(world):
    framework = world.framework()
    framework.call("REVIVE")
    framework.call("REVIVE", **{"mesos-stream-id": "x"})
    framework.call("KILL")  # not valid
    framework.call("UNKNOWN")
    framework.call("REQUEST", {})
    prefix = f"master/frameworks/A/{framework.id}/calls"
    counted = {
        name.removeprefix(prefix): value
        for name, value in world.get("/metrics/snapshot").items()
        if name.startswith(prefix) and value
    }
    assert counted == {"": 4.0, "/subscribe": 1.0, "/revive": 2.0, "/request": 1.0}


def test_teardown_is_no_message_of_a_driver(world):
    world.framework().call("TEARDOWN")
    assert world.get("/metrics/snapshot")["master/messages_unregister_framework"] == 0.0


@pytest.mark.parametrize("version", range(16))
def test_a_uuid_has_one_of_the_versions_there_are(world, version):
    uuid = base64.b64encode(bytes([0] * 6 + [version << 4] + [0] * 9)).decode()
    acknowledge = {"agent_id": {"value": "a"}, "task_id": {"value": "t"}, "uuid": uuid}
    call = {"type": "ACKNOWLEDGE", "framework_id": {"value": "x"}, "acknowledge": acknowledge}
    said = "Framework cannot be found" if 1 <= version <= 5 else "Failed to validate scheduler::Call: Not a valid UUID"
    assert refusal(world.post(call)) == (400, said)


@pytest.mark.parametrize("length", [0, 15, 17, 36])
def test_a_uuid_has_16_bytes(world, length):
    acknowledge = {"agent_id": {"value": "a"}, "task_id": {"value": "t"}}
    acknowledge["uuid"] = base64.b64encode(b"\x44" * length).decode()
    call = {"type": "ACKNOWLEDGE", "framework_id": {"value": "x"}, "acknowledge": acknowledge}
    assert refusal(world.post(call)) == (400, "Failed to validate scheduler::Call: Not a valid UUID")


REVIVE = {"type": "REVIVE", "framework_id": {"value": "x"}}

#: Each is wrong in the next respect only: method, headers, body, and the answer.
REQUESTS = [
    ("GET", {}, b"{", (405, "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'GET'.")),
    ("POST", {"accept": "text/html"}, b"{", (400, "Expecting 'Content-Type' to be present")),
    (
        "POST",
        {"accept": "text/html", "content-type": "application/json"},
        b"{",
        (400, "Failed to parse body into JSON: syntax error at line 1 near: "),
    ),
    (
        "POST",
        {"accept": "text/html", "content-type": "application/json"},
        b"[]",
        (400, "Failed to convert JSON into Call protobuf: Expecting a JSON object"),
    ),
    (
        "POST",
        {"accept": "text/html", "content-type": "application/json", "mesos-stream-id": "x"},
        b'{"type": "SUBSCRIBE"}',
        (400, "Failed to validate scheduler::Call: Expecting 'subscribe' to be present"),
    ),
    (
        "POST",
        {"accept": "text/html", "content-type": "application/json", "mesos-stream-id": "x"},
        json.dumps(SUBSCRIBE).encode(),
        (406, "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'"),
    ),
    (
        "POST",
        {"accept": "application/json", "content-type": "application/json", "mesos-stream-id": "x"},
        json.dumps(SUBSCRIBE).encode(),
        (400, "Subscribe calls should not include the 'Mesos-Stream-Id' header"),
    ),
    (
        "POST",
        {"accept": "text/html", "content-type": "application/json"},
        b'{"type": "RECONCILE_OPERATIONS", "framework_id": {"value": "x"}, "reconcile_operations": {}}',
        (406, "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'"),
    ),
    (
        "POST",
        {"accept": "text/html", "content-type": "application/json"},
        json.dumps(REVIVE).encode(),
        (400, "Framework cannot be found"),
    ),
]


@pytest.mark.parametrize(("method", "headers", "body", "answer"), REQUESTS)
def test_the_first_thing_that_is_wrong_with_a_request_is_told(world, method, headers, body, answer):
    assert refusal(world.request(method, "/api/v1/scheduler", body, **headers)) == answer


def test_a_stream_that_is_over_is_not_the_framework_s(world):
    framework = world.framework(failover_timeout=60.0)
    old = framework.stream_id
    framework.subscribe()
    response = framework.call("REVIVE", **{"mesos-stream-id": old})
    assert (response.status, response.body.decode()) == (
        400,
        (
            f"The stream ID '{old}' included in this request didn't match the stream ID currently associated with "
            f"framework ID {framework.id}"
        ),
    )
    framework.stream.close_by_peer()
    assert framework.call("REVIVE").body == b"Framework is not subscribed", "whatever the stream id"
    assert framework.call("REVIVE", **{"mesos-stream-id": old}).status == 403
    world.advance(61)
    assert framework.call("REVIVE").body == b"Framework cannot be found"


def test_calls_of_frameworks_that_are_not_there(world):
    assert refusal(world.post({"type": "REVIVE", "framework_id": {"value": "x"}})) == (400, "Framework cannot be found")
    framework = world.framework(failover_timeout=60.0)
    framework.stream.close_by_peer()
    response = framework.call("REVIVE")
    assert (response.status, response.body) == (403, b"Framework is not subscribed")


def test_the_stream_id_is_needed_and_subscribe_must_have_none(world):
    framework = world.framework()
    call = {"type": "REVIVE", "framework_id": {"value": framework.id}}
    assert refusal(world.post(call)) == (400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header")
    assert refusal(world.post(SUBSCRIBE, **{"mesos-stream-id": "x"})) == (
        400,
        "Subscribe calls should not include the 'Mesos-Stream-Id' header",
    )


def test_unknown_call_types_are_not_implemented(world):
    assert world.framework().call("UNKNOWN").status == 501


def credentials(tmp_path):
    path = tmp_path / "credentials"
    path.write_text(json.dumps({"credentials": [{"principal": name, "secret": name} for name in ("p", "q")]}))
    return {"authenticate_http_frameworks": "true", "http_framework_authenticators": "basic", "credentials": str(path)}


P = {"authorization": "Basic cDpw"}
Q = {"authorization": "Basic cTpx"}


def test_credentials_come_before_everything_else(make_world, tmp_path):
    world = make_world(**credentials(tmp_path))
    responder = world.request("GET", "/api/v1/scheduler")
    assert refusal(responder) == (401, "401 Unauthorized.")
    assert ("WWW-Authenticate", 'Basic realm="mesos-master-scheduler"') in responder.response.headers


def test_the_principal_is_filled_in_and_others_cannot_call(make_world, tmp_path):
    world = make_world(**credentials(tmp_path))
    responder = world.post(SUBSCRIBE, **P)
    (framework,) = world.state.frameworks.values()
    assert framework.info.principal == "p"
    call = {"type": "REVIVE", "framework_id": {"value": framework.id}}
    stream = {"mesos-stream-id": responder.headers["Mesos-Stream-Id"]}
    assert world.post(call, **P, **stream).response.status == 202
    assert refusal(world.post(call, **Q, **stream)) == (
        400,
        "Authenticated principal 'q' does not match principal 'p' set in `FrameworkInfo`",
    )
