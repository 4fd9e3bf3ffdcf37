"""Whatever an operator sends, the master answers and goes on.

``PYMESOSKIT_FUZZ`` is how many cases each test tries (default 60).
"""

from __future__ import annotations

import os
import string

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pymesoskit.wire import to_json
from pymesoskit.wire.v1 import master as pb

CASES = settings(
    max_examples=int(os.environ.get("PYMESOSKIT_FUZZ", "60")),
    deadline=None,
    derandomize="PYMESOSKIT_FUZZ" not in os.environ,
    suppress_health_check=list(HealthCheck),
)

STATUSES = {200, 202, 400, 404, 405, 406, 409, 415, 501, 503}

#: Texts that mean something here, so that many cases get beyond the first check.
WORDS = st.sampled_from(
    ["", "a", "a/b", "*", "cpus", "mem", "disk", "web", "AGENT", "127.0.0.1", "v1", "/", "ü\x00", "9" * 300]
)
NUMBERS = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 0.0001, 1e300, float("inf"), float("nan")]), st.floats())


@st.composite
def messages(draw, kind, depth=6):
    """Any message of a type: each field may be there, with values at the edge of what is sensible."""
    message = kind()
    for field in message.DESCRIPTOR.fields:
        if not field.is_required and draw(st.integers(0, 3)) == 0:
            continue
        if field.message_type is not None and depth == 0:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for _ in range(draw(st.integers(0, 2))):
                target = getattr(message, field.name)
                key = draw(WORDS)
                if field.message_type.fields_by_name["value"].message_type is not None:
                    target[key].SetInParent()
                    if hasattr(target[key], "value"):
                        target[key].value = draw(NUMBERS)
        elif field.is_repeated:
            for _ in range(draw(st.integers(0, 2))):
                if field.message_type is not None:
                    inner = draw(messages(type(getattr(message, field.name).add()), depth - 1))
                    getattr(message, field.name)[-1].CopyFrom(inner)
                else:
                    getattr(message, field.name).append(draw(values(field)))
        elif field.message_type is not None:
            target = getattr(message, field.name)
            target.SetInParent()
            target.CopyFrom(draw(messages(type(target), depth - 1)))
        else:
            setattr(message, field.name, draw(values(field)))
    return message


def values(field):
    kinds = FieldDescriptor
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    return {
        kinds.CPPTYPE_BOOL: st.booleans(),
        kinds.CPPTYPE_DOUBLE: NUMBERS,
        kinds.CPPTYPE_FLOAT: NUMBERS,
        kinds.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
        kinds.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
        kinds.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
        kinds.CPPTYPE_UINT64: st.one_of(st.integers(0, 10), st.integers(0, 2**64 - 1)),
        kinds.CPPTYPE_STRING: st.binary(max_size=4) if field.type == kinds.TYPE_BYTES else WORDS,
    }[field.cpp_type]


@pytest.fixture
def make_steady(make_real_world):
    """Makes clusters that something can be done to."""

    def make():
        world = make_real_world()
        for port in (5051, 5052):
            world.agent(port=port)
        world.framework(roles=["web", "a"])
        world.advance(1)
        return world

    return make


@pytest.fixture
def steady(make_steady):
    return make_steady()


def survives(world):
    """The master still answers, and offers are made and taken back as ever."""
    assert world.operator("GET_STATE").status == 200
    assert world.request("GET", "/state").response.status == 200
    assert world.request("GET", "/roles").response.status == 200
    assert world.request("GET", "/metrics/snapshot").response.status == 200
    world.advance(1)


@CASES
@given(data=st.data())
def test_calls_of_all_types(make_steady, data):
    steady = make_steady()
    kind = data.draw(st.sampled_from(sorted(set(pb.Call.Type.keys()) - {"SUBSCRIBE"})))
    call = pb.Call(type=kind)
    if kind.lower() in call.DESCRIPTOR.fields_by_name:
        payload = getattr(call, kind.lower())
        payload.SetInParent()
        payload.CopyFrom(data.draw(messages(type(payload))))
        if hasattr(payload, "agent_id") and data.draw(st.booleans()):
            payload.agent_id.value = next(iter(steady.state.agents))
    if call.IsInitialized():
        response = steady.request(
            "POST", "/api/v1", call.SerializeToString(), **{"content-type": "application/x-protobuf"}
        ).response
        assert response.status in STATUSES
        response = steady.post(to_json(call).encode(), "/api/v1").response
        assert response.status in STATUSES
    survives(steady)


@CASES
@given(body=st.binary(max_size=60), kind=st.sampled_from(["application/json", "application/x-protobuf", "x"]))
def test_bodies_of_any_bytes(steady, body, kind):
    assert steady.request("POST", "/api/v1", body, **{"content-type": kind}).response.status in STATUSES


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "weight", "windows", "guarantee", "machine_ids", "hostname", "ip", "unavailability", "start", "nanoseconds", "name", "type", "scalar", "value", "x"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip

CHANGING = ["/quota", "/weights", "/maintenance/schedule", "/machine/down", "/machine/up"]


@CASES
@given(path=st.sampled_from(CHANGING), method=st.sampled_from(["POST", "PUT", "DELETE"]), value=JSON)
def test_json_for_the_older_endpoints(steady, path, method, value):
    from pymesoskit.wire import dumps_value

    assert steady.request(method, path, dumps_value(value).encode()).response.status in STATUSES
    survives(steady)


FORMS = ["/teardown", "/reserve", "/unreserve", "/create-volumes", "/destroy-volumes"]


@CASES
@given(path=st.sampled_from(FORMS + CHANGING), body=st.binary(max_size=60) | st.text(string.printable, max_size=60))
def test_any_bytes_for_the_older_endpoints(steady, path, body):
    raw = body if isinstance(body, bytes) else body.encode()
    assert steady.request("POST", path, raw).response.status in STATUSES


@CASES
@given(
    path=st.sampled_from(
        ["/tasks", "/slaves", "/frameworks", "/state", "/metrics/snapshot", "/logging/toggle", "/files/read"]
    ),
    query=st.text(string.printable, max_size=30),
)
def test_any_query(steady, path, query):
    assert steady.request("GET", f"{path}?{query}").response.status in STATUSES
