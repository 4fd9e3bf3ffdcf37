"""Protobuf bodies with a string that is not UTF-8: each is refused with 400, and leaves nothing behind.

`make nightly` sends 10,000 to each endpoint.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymesoskit.wire.v1 import scheduler
from tests.hostile.test_fuzz import CASES, ENDPOINTS, FUZZ, JSON, PROTOBUF, World, world
from tests.server.strings import BAD, MARK, fill, paths
from tests.wire.strategies import messages

__all__ = ["world"]

READING = [
    ("master", "/state"),
    ("master", "/tasks"),
    ("master", "/frameworks"),
    ("master", "/slaves"),
    ("agent", "/state"),
]


def broken(call: Any, path: Any, bad: bytes) -> bytes:
    """The call with a bad string at the end of the path."""
    fill(call, path)
    return call.SerializePartialToString().replace(MARK.encode(), bad)


def check(world: World) -> None:
    world.check()
    for where, path in READING:
        member = world.cluster.master if where == "master" else world.cluster.agents[0]
        answer = world.send(member, "GET", path)
        assert answer.status == 200
        json.loads(answer.response.body)


@pytest.mark.timeout(0 if CASES > 1000 else 120)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_call_with_a_bad_string_is_refused(endpoint: str, world: World) -> None:
    where, target, kind = ENDPOINTS[endpoint]
    member = world.cluster.master if where == "master" else world.cluster.agents[0]
    named = 0

    @FUZZ
    @given(messages(kind.DESCRIPTOR, 3), st.sampled_from(list(paths(kind.DESCRIPTOR))), st.sampled_from(BAD))
    def fuzz(call: Any, path: Any, bad: bytes) -> None:
        nonlocal named
        body = broken(call, path, bad)
        answer = world.send(member, "POST", target, (("content-type", PROTOBUF), ("accept", JSON)), body)
        assert answer.status == 400, (answer.response, call)
        assert answer.response is not None
        named += b"is not valid UTF-8" in answer.response.body  # unless required fields are missing as well

    fuzz()
    assert named > CASES / 10
    check(world)


@pytest.mark.timeout(0 if CASES > 1000 else 120)
def test_a_call_of_a_subscribed_framework_with_a_bad_string_is_refused(world: World) -> None:
    me = world.subscribe("me")
    framework_id = json.loads(me.events[0])["subscribed"]["framework_id"]["value"]
    headers = (("content-type", PROTOBUF), ("accept", JSON), ("mesos-stream-id", me.headers["Mesos-Stream-Id"]))
    ways = [path for path in paths(scheduler.Call.DESCRIPTOR) if path[0].name not in {"framework_id", "subscribe"}]

    @FUZZ
    @given(messages(scheduler.Call.DESCRIPTOR, 4), st.sampled_from(ways), st.sampled_from(BAD))
    def fuzz(call: Any, path: Any, bad: bytes) -> None:
        call.framework_id.value = framework_id
        answer = world.send(world.cluster.master, "POST", "/api/v1/scheduler", headers, broken(call, path, bad))
        assert answer.status == 400, (answer.response, call)

    fuzz()
    assert not me.closed
    check(world)


@pytest.mark.timeout(0 if CASES > 1000 else 120)
def test_a_record_with_a_bad_string_ends_the_input_of_a_container(world: World) -> None:
    """ATTACH_CONTAINER_INPUT is a stream of calls: its first record is read like any body."""
    from pymesoskit.testing.engine.agent.media_types import parse
    from pymesoskit.testing.engine.http.v1 import Refused
    from pymesoskit.wire.v1 import agent

    call = agent.Call(type=agent.Call.ATTACH_CONTAINER_INPUT)
    call.attach_container_input.type = agent.Call.AttachContainerInput.CONTAINER_ID
    call.attach_container_input.container_id.value = MARK
    with pytest.raises(Refused) as refused:
        parse(call.SerializeToString().replace(MARK.encode(), BAD[0]), PROTOBUF)
    assert b"'attach_container_input.container_id.value' is not valid UTF-8" in refused.value.response.body
