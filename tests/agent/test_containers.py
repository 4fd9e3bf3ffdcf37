"""Nested and standalone containers, sessions, attaching (operator-api.md 4.1)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.testing.agent import Outcome
from pymesoskit.testing.http import Request
from pymesoskit.wire import RecordDecoder, encode_record
from pymesoskit.wire.v1 import mesos

from .test_executors import status_of
from .world import Answer, RealWorld, World, task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

JSON = {"content_type": "application/json"}
RECORDIO = {**JSON, "accept": "application/recordio", "message_accept": "application/json"}


def call(world: World, kind: str, headers: dict[str, str] = JSON, **payload: Any) -> Answer:
    document = {"type": kind, kind.lower(): payload}
    return world.http("POST", "/api/v1", json.dumps(document).encode(), **headers)


def parent(world: World) -> str:
    """The container of a running task group's executor."""
    world.run_group(task("t1", "sleep 1000"))
    world.until_state("t1", "TASK_RUNNING", 20)
    ((_, executor),) = world.agent.core.executors()
    return executor.container_id


def nested(top: str, name: str = "c1") -> dict[str, Any]:
    return {"value": name, "parent": {"value": top}}


def output(answer: Answer, kind: str = "STDOUT") -> str:
    assert answer.opened is not None
    records = [json.loads(record) for record in RecordDecoder().feed(answer.opened.data)]
    return "".join(
        base64.b64decode(r["data"]["data"]).decode()
        for r in records
        if r["type"] == "DATA" and r["data"]["type"] == kind
    )


class Body:
    """A request body that the test writes."""

    def __init__(self) -> None:
        self.on_data: Callable[[bytes], None] = lambda _: None
        self.on_end: Callable[[], None] = lambda: None

    def listen(self, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self.on_data, self.on_end = on_data, on_end

    def send(self, **payload: Any) -> None:
        document = {"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": payload}
        self.on_data(encode_record(json.dumps(document).encode()))


@pytest.fixture
def world() -> World:
    return World({"*": Outcome.runs()}).start()


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealWorld]:
    world = RealWorld(tmp_path)
    world.start()
    yield world
    world.close()


def test_a_nested_container_is_launched_waited_for_killed_and_removed(real: RealWorld) -> None:
    top = parent(real)
    launched = call(real, "LAUNCH_NESTED_CONTAINER", container_id=nested(top), command={"value": "echo hi; sleep 1000"})
    real.actor.run_until(lambda: launched.response is not None)
    assert status_of(launched) == (200, "")
    again = call(real, "LAUNCH_NESTED_CONTAINER", container_id=nested(top), command={"value": "true"})
    assert status_of(again)[0] == 202
    written = real.sandbox("default") / "containers/c1/stdout"
    real.actor.run_until(lambda: written.read_text() == "hi\n")
    waiting = call(real, "WAIT_NESTED_CONTAINER", container_id=nested(top))
    assert waiting.response is None
    assert status_of(call(real, "REMOVE_NESTED_CONTAINER", container_id=nested(top)))[0] == 500
    assert status_of(call(real, "KILL_NESTED_CONTAINER", container_id=nested(top), signal=15))[0] == 200
    real.actor.run_until(lambda: waiting.response is not None)
    assert waiting.response is not None
    assert json.loads(waiting.response.body) == {
        "type": "WAIT_NESTED_CONTAINER",
        "wait_nested_container": {"exit_status": 15},
    }
    assert status_of(call(real, "REMOVE_NESTED_CONTAINER", container_id=nested(top)))[0] == 200
    missing = call(real, "WAIT_NESTED_CONTAINER", container_id=nested(top))
    assert status_of(missing) == (404, f"Container {top}.c1 cannot be found")


def test_a_standalone_container_needs_no_executor(real: RealWorld) -> None:
    launched = call(real, "LAUNCH_CONTAINER", container_id={"value": "alone"}, command={"value": "exit 3"})
    real.actor.run_until(lambda: launched.response is not None)
    waiting = call(real, "WAIT_CONTAINER", container_id={"value": "alone"})
    real.actor.run_until(lambda: waiting.response is not None)
    assert waiting.response is not None
    assert json.loads(waiting.response.body)["wait_container"] == {"exit_status": 768}


@pytest.mark.parametrize(
    ("kind", "container_id", "error"),
    [
        ("LAUNCH_NESTED_CONTAINER", {"value": "a"}, "Expecting '{}.container_id.parent' to be present"),
        ("WAIT_NESTED_CONTAINER", {"value": ""}, "'{}.container_id' is invalid: ID must not be empty"),
        ("WAIT_CONTAINER", {"value": "a/b"}, "'{}.container_id' is invalid: 'a/b' contains invalid characters"),
        (
            "KILL_CONTAINER",
            {"value": "a.b"},
            "'{}.container_id' is invalid: 'ContainerID.value' 'a.b' contains invalid characters",
        ),
        (
            "REMOVE_CONTAINER",
            {"value": "a", "parent": {"value": ".."}},
            "'{}.container_id' is invalid: 'ContainerID.parent' is invalid: '..' is disallowed",
        ),
    ],
)
def test_ids_that_are_refused(world: World, kind: str, container_id: dict[str, Any], error: str) -> None:
    answer = call(world, kind, container_id=container_id)
    assert status_of(answer) == (400, f"Failed to validate agent::Call: {error.format(kind.lower())}")


def test_the_parent_must_be_there(world: World) -> None:
    assert status_of(call(world, "LAUNCH_NESTED_CONTAINER", container_id=nested("nobody")))[0] == 400


def test_nested_containers_end_with_their_executor(real: RealWorld) -> None:
    top = parent(real)
    launched = call(real, "LAUNCH_NESTED_CONTAINER", container_id=nested(top), command={"value": "sleep 1000"})
    real.actor.run_until(lambda: launched.response is not None)
    waiting = call(real, "WAIT_NESTED_CONTAINER", container_id=nested(top))
    real.kill("t1")
    real.actor.run_until(lambda: waiting.response is not None)


def test_a_session_is_a_stream_of_its_output(real: RealWorld) -> None:
    top = parent(real)
    session = call(
        real,
        "LAUNCH_NESTED_CONTAINER_SESSION",
        RECORDIO,
        container_id=nested(top),
        command={"value": "echo out; echo err >&2"},
    )
    real.actor.run_until(lambda: session.opened is not None and session.opened.ended)
    assert session.response is not None
    assert ("Message-Content-Type", "application/json") in session.response.headers
    assert output(session) == "out\n"
    assert output(session, "STDERR") == "err\n"


def test_a_session_takes_input_until_its_connection_breaks(real: RealWorld) -> None:
    top = parent(real)
    session = call(
        real, "LAUNCH_NESTED_CONTAINER_SESSION", RECORDIO, container_id=nested(top), command={"value": "cat"}
    )
    real.actor.run_until(lambda: session.opened is not None)
    body, answer = Body(), Answer()
    headers = (("content-type", "application/recordio"), ("message-content-type", "application/json"))
    real.agent.http(Request("POST", "/api/v1", headers, body_stream=body), answer)
    body.send(type="CONTAINER_ID", container_id=nested(top))
    body.send(type="PROCESS_IO", process_io={"type": "DATA", "data": {"type": "STDIN", "data": "aGVsbG8="}})
    real.actor.run_until(lambda: output(session) == "hello")
    waiting = call(real, "WAIT_NESTED_CONTAINER", container_id=nested(top))
    assert session.opened is not None
    session.opened.on_close()
    real.actor.run_until(lambda: waiting.response is not None)
    body.on_end()
    assert status_of(answer)[0] == 200


def test_an_empty_piece_of_input_is_its_end(real: RealWorld) -> None:
    top = parent(real)
    session = call(
        real, "LAUNCH_NESTED_CONTAINER_SESSION", RECORDIO, container_id=nested(top), command={"value": "cat; echo end"}
    )
    real.actor.run_until(lambda: session.opened is not None)
    body, answer = Body(), Answer()
    headers = (("content-type", "application/recordio"), ("message-content-type", "application/json"))
    real.agent.http(Request("POST", "/api/v1", headers, body_stream=body), answer)
    body.send(type="CONTAINER_ID", container_id=nested(top))
    body.send(type="PROCESS_IO", process_io={"type": "DATA", "data": {"type": "STDIN", "data": ""}})
    real.actor.run_until(lambda: session.opened is not None and session.opened.ended)
    assert output(session) == "end\n"


def test_a_session_with_a_terminal_has_one_of_the_size_asked_for(real: RealWorld) -> None:
    top = parent(real)
    session = call(
        real,
        "LAUNCH_NESTED_CONTAINER_SESSION",
        RECORDIO,
        container_id=nested(top),
        command={"value": "stty size; tty >/dev/null && echo yes > /dev/tty"},
        container={"type": "MESOS", "tty_info": {"window_size": {"rows": 33, "columns": 77}}},
    )
    real.actor.run_until(lambda: session.opened is not None and session.opened.ended)
    assert output(session).split() == ["33", "77", "yes"]


def test_one_can_attach_to_a_task_with_a_terminal(real: RealWorld) -> None:
    info = task("t1", 'while read line; do echo "got $line"; done')
    info.container.type = mesos.ContainerInfo.MESOS
    info.container.tty_info.SetInParent()
    real.run(info)
    real.until_state("t1", "TASK_RUNNING", 20)
    ((_, executor),) = real.agent.core.executors()
    attached = call(real, "ATTACH_CONTAINER_OUTPUT", RECORDIO, container_id={"value": executor.container_id})
    body = Body()
    headers = (("content-type", "application/recordio"), ("message-content-type", "application/json"))
    real.agent.http(Request("POST", "/api/v1", headers, body_stream=body), Answer())
    body.send(type="CONTAINER_ID", container_id={"value": executor.container_id})
    body.send(type="PROCESS_IO", process_io={"type": "DATA", "data": {"type": "STDIN", "data": "eW91Cg=="}})
    real.actor.run_until(lambda: "got you" in output(attached))
    assert "got you" in (real.sandbox() / "stdout").read_text()


def test_a_container_that_nobody_was_to_talk_to_cannot_be_attached_to(world: World) -> None:
    top = parent(world)
    answer = call(world, "ATTACH_CONTAINER_OUTPUT", RECORDIO, container_id={"value": top})
    assert status_of(answer) == (400, f"I/O switchboard server was disabled for container '{top}'")


def test_a_silent_container_has_a_heartbeat(world: World) -> None:
    info = task()
    info.container.type = mesos.ContainerInfo.MESOS
    info.container.tty_info.SetInParent()
    world.run(info)
    ((_, executor),) = world.agent.core.executors()
    attached = call(world, "ATTACH_CONTAINER_OUTPUT", RECORDIO, container_id={"value": executor.container_id})
    world.advance(61)
    assert attached.opened is not None
    kinds = [json.loads(record)["type"] for record in RecordDecoder().feed(attached.opened.data)]
    assert kinds == ["CONTROL", "CONTROL"]
