"""Nested and standalone containers, sessions, attaching (operator-api.md 4.1)."""

from __future__ import annotations

import base64
import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.testing.engine.agent import Outcome
from pymesoskit.testing.engine.http.handler import Request
from pymesoskit.wire import RecordDecoder, encode_record
from pymesoskit.wire.v1 import agent, mesos
from tests.agent.test_executors import status_of
from tests.agent.world import Answer, RealWorld, World, task

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


def test_a_standalone_container_needs_no_executor_and_leaves_nothing(real: RealWorld) -> None:
    alone = {"value": "alone"}
    launched = call(real, "LAUNCH_CONTAINER", container_id=alone, command={"value": "mkfifo go; read x < go; exit 3"})
    real.actor.run_until(lambda: launched.response is not None)
    assert status_of(launched) == (200, "")
    assert status_of(call(real, "LAUNCH_CONTAINER", container_id=alone)) == (202, "")
    waiting = call(real, "WAIT_CONTAINER", container_id=alone)
    assert real.host.work_dir is not None
    go = real.host.work_dir / "containers/alone/go"
    real.actor.run_until(go.exists)
    go.write_text("now\n")
    real.actor.run_until(lambda: waiting.response is not None)
    assert waiting.response is not None
    assert json.loads(waiting.response.body)["wait_container"] == {"exit_status": 768}
    assert status_of(call(real, "WAIT_CONTAINER", container_id=alone)) == (404, "Container alone cannot be found")


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
    assert status_of(answer) == (500, "I/O switchboard server was disabled for this container")


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


# Launching again, signals, removal


def launched(world: World, kind: str = "LAUNCH_NESTED_CONTAINER", **payload: Any) -> Answer:
    answer = call(world, kind, **payload)
    world.actor.run_until(lambda: answer.response is not None)
    return answer


def waited(world: World, container_id: dict[str, Any], kind: str = "WAIT_NESTED_CONTAINER") -> dict[str, Any]:
    answer = call(world, kind, container_id=container_id)
    world.actor.run_until(lambda: answer.response is not None)
    assert answer.response is not None
    assert answer.response.status == 200, answer.response.body
    result: dict[str, Any] = json.loads(answer.response.body)[kind.lower()]
    return result


def test_a_container_that_has_ended_can_be_launched_again(real: RealWorld) -> None:
    top = parent(real)
    for code in (1, 2):
        assert status_of(launched(real, container_id=nested(top), command={"value": f"exit {code}"})) == (200, "")
        assert waited(real, nested(top)) == {"exit_status": code << 8}


def test_a_session_of_a_container_that_runs_is_accepted_and_is_none(real: RealWorld) -> None:
    top = parent(real)
    launched(real, container_id=nested(top), command={"value": "sleep 1000"})
    again = call(real, "LAUNCH_NESTED_CONTAINER_SESSION", RECORDIO, container_id=nested(top), command={"value": "true"})
    assert status_of(again) == (202, "")


@pytest.mark.parametrize("number", [-1, 65, 999, 2**31 - 1])
def test_a_signal_that_does_not_exist_is_an_error_and_harms_nobody(real: RealWorld, number: int) -> None:
    top = parent(real)
    launched(real, container_id=nested(top), command={"value": "sleep 1000"})
    answer = call(real, "KILL_NESTED_CONTAINER", container_id=nested(top), signal=number)
    assert status_of(answer) == (500, "Unable to send signal to container: Invalid argument")
    assert status_of(call(real, "KILL_NESTED_CONTAINER", container_id=nested(top))) == (200, "")
    assert waited(real, nested(top)) == {"exit_status": signal.SIGKILL}
    assert real.master.states("t1")[-1] == "TASK_RUNNING"


def test_a_signal_reaches_the_first_process_of_a_container(real: RealWorld) -> None:
    top = parent(real)
    script = "trap 'exit 5' USR1; sleep 1000 & touch ready; wait"
    launched(real, container_id=nested(top), command={"value": script})
    real.actor.run_until((real.sandbox("default") / "containers/c1/ready").exists)
    call(real, "KILL_NESTED_CONTAINER", container_id=nested(top), signal=signal.SIGUSR1)
    assert waited(real, nested(top)) == {"exit_status": 5 << 8}


def test_what_has_ended_cannot_be_killed(real: RealWorld) -> None:
    top = parent(real)
    launched(real, container_id=nested(top), command={"value": "true"})
    waited(real, nested(top))
    answer = call(real, "KILL_NESTED_CONTAINER", container_id=nested(top))
    assert status_of(answer) == (404, f"Container '{top}.c1' cannot be found (or is already killed)")


def test_to_remove_a_container_is_to_remove_its_sandbox(real: RealWorld) -> None:
    top = parent(real)
    launched(real, container_id=nested(top), command={"value": "sleep 1000"})
    sandbox = real.sandbox("default") / "containers/c1"
    running = call(real, "REMOVE_NESTED_CONTAINER", container_id=nested(top))
    assert status_of(running) == (500, "Nested container has not terminated yet")
    call(real, "KILL_NESTED_CONTAINER", container_id=nested(top))
    waited(real, nested(top))
    assert sandbox.exists()
    assert status_of(call(real, "REMOVE_NESTED_CONTAINER", container_id=nested(top))) == (200, "")
    assert not sandbox.exists()
    assert status_of(call(real, "REMOVE_NESTED_CONTAINER", container_id=nested(top))) == (200, "")


def test_nothing_can_be_removed_below_a_container_that_is_not_there(world: World) -> None:
    answer = call(world, "REMOVE_NESTED_CONTAINER", container_id=nested("nobody"))
    assert status_of(answer) == (500, "Unknown root container")


def test_a_container_ends_with_the_one_it_is_nested_in(real: RealWorld) -> None:
    top = parent(real)
    inner = {"value": "c2", "parent": nested(top)}
    launched(real, container_id=nested(top), command={"value": "sleep 1000"})
    launched(real, container_id=inner, command={"value": "sleep 1000"})
    call(real, "KILL_NESTED_CONTAINER", container_id=nested(top))
    assert waited(real, inner) == {"exit_status": signal.SIGKILL}
    answer = call(real, "LAUNCH_NESTED_CONTAINER", container_id=inner, command={"value": "true"})
    assert status_of(answer) == (400, f"Parent container {top}.c1 does not exist")


def test_the_container_of_an_executor_can_be_waited_for_and_killed(real: RealWorld) -> None:
    top = {"value": parent(real)}
    waiting = call(real, "WAIT_CONTAINER", container_id=top)
    assert status_of(call(real, "KILL_CONTAINER", container_id=top)) == (200, "")
    real.actor.run_until(lambda: waiting.response is not None)
    assert real.until_state("t1", "TASK_FAILED", 20).message == "Executor terminated"
    assert status_of(call(real, "WAIT_CONTAINER", container_id=top))[0] == 404


def test_containers_on_their_own_and_those_in_them_are_shown_when_asked_for(real: RealWorld) -> None:
    for container_id in ({"value": "alone"}, nested("alone")):
        launched(real, "LAUNCH_CONTAINER", container_id=container_id, command={"value": "sleep 1000"})

    def shown(**wanted: bool) -> list[str]:
        answer = call(real, "GET_CONTAINERS", **wanted)
        assert answer.response is not None
        containers = json.loads(answer.response.body).get("get_containers", {}).get("containers", [])
        return [item["container_id"]["value"] for item in containers]

    assert shown() == []
    assert shown(show_standalone=True) == ["alone"]
    assert shown(show_nested=True) == ["c1"]
    assert shown(show_nested=True, show_standalone=True) == ["alone", "c1"]


# What they see


def test_a_container_sees_nothing_of_the_machines_environment_but_a_session_all_of_its_parents(
    real: RealWorld,
) -> None:
    real.host.environment["MACHINE"] = "shows"
    top = parent(real)
    variables = {"variables": [{"name": "OWN", "value": "x"}]}
    launched(real, container_id=nested(top), command={"value": "env > env; pwd; sleep 1000", "environment": variables})
    sandbox = real.sandbox("default") / "containers/c1"
    real.actor.run_until(lambda: (sandbox / "stdout").read_text() == f"{sandbox}\n")
    names = {line.partition("=")[0] for line in (sandbox / "env").read_text().splitlines()}
    assert names - {"PWD", "_", "SHLVL", "OLDPWD"} == {"PATH", "MESOS_SANDBOX", "OWN"}
    session = call(
        real,
        "LAUNCH_NESTED_CONTAINER_SESSION",
        RECORDIO,
        container_id={"value": "s", "parent": nested(top)},
        command={"value": "echo $OWN $MESOS_SANDBOX; pwd"},
    )
    real.actor.run_until(lambda: session.opened is not None and session.opened.ended)
    assert output(session) == f"x {sandbox}\n{sandbox}\n"
    assert (sandbox / "containers/s/stdout").read_text() == output(session)
    assert (sandbox / "stdout").read_text() == f"{sandbox}\n"


def test_a_container_fetches_its_uris(real: RealWorld, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    top = parent(real)
    uris = [{"value": str(tmp_path / "data")}]
    launched(real, container_id=nested(top), command={"value": 'test "$(cat data)" = x', "uris": uris})
    assert waited(real, nested(top)) == {"exit_status": 0}
    missing = launched(real, container_id=nested(top, "c2"), command={"value": "true", "uris": [{"value": "/none"}]})
    text = f"Failed to fetch all URIs for container '{top}.c2': exited with status 1"
    assert status_of(missing) == (400, text)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch users")
def test_a_container_has_the_user_of_the_one_around_it_unless_it_names_its_own(real: RealWorld) -> None:
    top = parent(real)
    launched(real, container_id=nested(top), command={"value": "sleep 1000", "user": "nobody"})
    for name, command, user in (
        ("a", {"value": "id -un"}, "nobody"),
        ("b", {"value": "id -un", "user": "root"}, "root"),
    ):
        inner = {"value": name, "parent": nested(top)}
        launched(real, container_id=inner, command=command)
        waited(real, inner)
        written = real.sandbox("default") / f"containers/c1/containers/{name}/stdout"
        assert written.read_text() == f"{user}\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch users")
def test_a_container_of_an_unknown_user_is_refused(real: RealWorld) -> None:
    command = {"value": "true", "user": "nobody-here"}
    why = "Failed to chown directory to 'nobody-here': No such user 'nobody-here'"
    alone = call(real, "LAUNCH_CONTAINER", container_id={"value": "alone"}, command=command)
    assert status_of(alone) == (500, f"Failed to create sandbox: {why}")
    inner = call(real, "LAUNCH_CONTAINER", container_id=nested(parent(real)), command=command)
    directory = real.sandbox("default") / "containers/c1"
    assert status_of(inner) == (400, f"Failed to create nested sandbox '{directory}': {why}")
    assert not directory.exists()


# Refusals


LONG = "x" * 243
DEEP = {"value": "c", "parent": {"value": "b", "parent": {"value": "a"}}}
CPUS = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}


@pytest.mark.parametrize(
    ("kind", "payload", "error"),
    [
        ("WAIT_CONTAINER", {"container_id": {"value": LONG}},
         f"'wait_container.container_id' is invalid: 'ContainerID.value' '{LONG}' exceeds the maximum length (242)"),
        ("LAUNCH_CONTAINER", {"container_id": {"value": "a"}, "resources": [{**CPUS, "scalar": {"value": -1}}]},
         "Invalid resources: "),
        ("LAUNCH_CONTAINER", {"container_id": {"value": "a"},
                              "resources": [{**CPUS, "reservations": [{"type": "STATIC", "role": "r"}]}]},
         "'launch_container.resources' must be unreserved"),
        ("LAUNCH_CONTAINER", {"container_id": {"value": "a"}, "resources": [{**CPUS, "revocable": {}}]},
         "'launch_container.resources' must be non-revocable"),
        ("LAUNCH_CONTAINER", {"container_id": {"value": "a"}, "resources": [{**CPUS, "name": "gpus", "scalar": {"value": 0.5}}]},
         "Invalid GPU resources: The 'gpus' resource must be an unsigned integer"),
        ("LAUNCH_CONTAINER", {"container_id": DEEP, "resources": [CPUS]},
         "'launch_container' is invalid: containers nested at the second level or greater cannot specify resources"),
        ("LAUNCH_CONTAINER", {"container_id": DEEP, "limits": {"cpus": {"value": 1}}},
         "'launch_container' is invalid: containers nested at the second level or greater cannot specify resource limits"),
        ("LAUNCH_CONTAINER", {"container_id": {"value": "a"},
                              "container": {"type": "MESOS", "linux_info": {"share_cgroups": True}}},
         "'launch_container' is invalid: containers without a parent cannot set 'share_cgroups' to 'true'"),
        ("LAUNCH_NESTED_CONTAINER", {"container_id": nested("a"),
                                     "command": {"environment": {"variables": [{"name": "A"}]}}},
         "'launch_nested_container.command' is invalid: Environment variable 'A' of type 'VALUE' must have a value set"),
        ("LAUNCH_NESTED_CONTAINER", {"container_id": nested("a"),
                                     "container": {"type": "MESOS", "volumes": [{"container_path": "x", "mode": "RW"}]}},
         "'launch_nested_container.container' is invalid: Invalid volume: Only one of them should be set: "),
        ("LAUNCH_NESTED_CONTAINER_SESSION", {"container_id": nested("a"),
                                             "container": {"type": "MESOS", "linux_info": {"share_cgroups": False}}},
         "'launch_nested_container_session.container.linux_info' is invalid: 'share_cgroups' cannot be set to 'false'"),
        ("ADD_RESOURCE_PROVIDER_CONFIG", {"info": {"id": {"value": "x"}, "type": "t", "name": "n"}},
         "Expecting 'add_resource_provider_config.info.id' to be unset"),
    ],
)  # fmt: skip
def test_calls_that_are_invalid(world: World, kind: str, payload: dict[str, Any], error: str) -> None:
    status, text = status_of(call(world, kind, **payload))
    assert status == 400
    assert text.startswith(f"Failed to validate agent::Call: {error}")


@pytest.mark.parametrize("kind", ["LAUNCH_NESTED_CONTAINER", "LAUNCH_CONTAINER"])
def test_containers_that_are_not_for_this_agent(real: RealWorld, kind: str) -> None:
    docker = {"type": "DOCKER", "docker": {"image": "busybox"}}
    answer = call(real, kind, container_id=nested(parent(real)), command={"value": "true"}, container=docker)
    assert status_of(answer) == (400, "The provided ContainerInfo is not supported")


# Input


def attach(world: World, *records: dict[str, Any]) -> Answer:
    body, answer = Body(), Answer()
    headers = (("content-type", "application/recordio"), ("message-content-type", "application/json"))
    world.agent.http(Request("POST", "/api/v1", headers, body_stream=body), answer)
    for record in records:
        body.send(**record)
    return answer


@pytest.mark.parametrize(
    ("record", "error"),
    [
        ({"type": "CONTAINER_ID", "container_id": {"value": "a"}},
         "Expecting 'attach_container_input.type' to be 'PROCESS_IO' instead of: 'CONTAINER_ID'"),
        ({"type": "PROCESS_IO"}, "Expecting 'attach_container_input.process_io' to be present"),
        ({"type": "PROCESS_IO", "process_io": {}}, "Expecting 'process_io.type' to be present"),
        ({"type": "PROCESS_IO", "process_io": {"type": "DATA"}}, "Expecting 'process_io.data' to be present"),
        ({"type": "PROCESS_IO", "process_io": {"type": "DATA", "data": {"type": "STDOUT", "data": ""}}},
         "Expecting 'process_io.data.type' to be 'STDIN'"),
        ({"type": "PROCESS_IO", "process_io": {"type": "DATA", "data": {"type": "STDIN"}}},
         "Expecting 'process_io.data.data' to be present"),
        ({"type": "PROCESS_IO", "process_io": {"type": "CONTROL"}}, "Expecting 'process_io.control' to be present"),
        ({"type": "PROCESS_IO", "process_io": {"type": "CONTROL", "control": {"type": "TTY_INFO"}}},
         "Expecting 'process_io.control.tty_info' to be present"),
        ({"type": "PROCESS_IO", "process_io": {"type": "CONTROL", "control": {"type": "TTY_INFO", "tty_info": {}}}},
         "Expecting 'tty_info.window_size' to be present"),
        ({"type": "PROCESS_IO", "process_io": {"type": "CONTROL", "control": {"type": "HEARTBEAT"}}},
         "Expecting 'process_io.control.heartbeat' to be present"),
    ],
)  # fmt: skip
def test_records_of_input_that_are_refused(world: World, record: dict[str, Any], error: str) -> None:
    info = task()
    info.container.type = mesos.ContainerInfo.MESOS
    info.container.tty_info.SetInParent()
    world.run(info)
    ((_, executor),) = world.agent.core.executors()
    own = {"type": "CONTAINER_ID", "container_id": {"value": executor.container_id}}
    assert status_of(attach(world, own, record)) == (400, error)


def test_only_one_at_a_time_writes_to_a_container(world: World) -> None:
    info = task()
    info.container.type = mesos.ContainerInfo.MESOS
    info.container.tty_info.SetInParent()
    world.run(info)
    ((_, executor),) = world.agent.core.executors()
    own = {"type": "CONTAINER_ID", "container_id": {"value": executor.container_id}}
    first = attach(world, own)
    assert first.response is None
    assert status_of(attach(world, own)) == (409, "Multiple input connections are not allowed")
    world.kill("t1")
    world.until_state("t1", "TASK_KILLED")
    assert status_of(first) == (200, "")


@pytest.mark.parametrize("kind", ["CONTAINER_ID", "PROCESS_IO"])
def test_input_is_for_containers_that_are_there(world: World, kind: str) -> None:
    answer = attach(world, {"type": kind, "container_id": {"value": "nobody"}})
    expected = {
        "CONTAINER_ID": (404, "Container nobody cannot be found"),
        "PROCESS_IO": (400, "Expecting 'attach_container_input.type' to be CONTAINER_ID"),
    }
    assert status_of(answer) == expected[kind]


def test_a_nested_container_that_is_not_there_is_unknown_to_its_executors_agent(world: World) -> None:
    top = parent(world)
    answer = call(world, "ATTACH_CONTAINER_OUTPUT", RECORDIO, container_id=nested(top, "no"))
    assert status_of(answer) == (500, f"Unknown container {top}.no")


# Media types

TWO = "application/json or application/x-protobuf"
THREE = f"{TWO} or application/recordio"


@pytest.mark.parametrize(
    ("headers", "status", "text"),
    [
        ({}, 400, "Expecting 'Content-Type' to be present"),
        ({"content_type": "text/plain"}, 415, f"Expecting 'Content-Type' of {THREE}"),
        ({**JSON, "message_content_type": "application/json"}, 415,
         "Expecting 'Message-Content-Type' to be not set for non-streaming requests"),
        ({"content_type": "application/recordio"}, 400,
         "Expecting 'Message-Content-Type' to be set for streaming requests"),
        ({"content_type": "application/recordio", "message_content_type": "text/plain"}, 415,
         f"Expecting 'Message-Content-Type' of {TWO}"),
        ({**JSON, "accept": "text/plain"}, 406, f"Expecting 'Accept' to allow {THREE}"),
        ({**JSON, "message_accept": "application/json"}, 406,
         "Expecting 'Message-Accept' to be not set for non-streaming responses"),
        ({**JSON, "accept": "application/recordio", "message_accept": "text/plain"}, 406,
         f"Expecting 'Message-Accept' to allow {TWO}"),
        ({**JSON, "accept": "application/recordio"}, 406, "Streaming response is not supported for GET_HEALTH call"),
        ({"content_type": "application/x-protobuf"}, 400, "Failed to parse body into a protobuf object"),
    ],
)  # fmt: skip
def test_types_that_are_refused(world: World, headers: dict[str, str], status: int, text: str) -> None:
    answer = world.http("POST", "/api/v1", b'{"type": "GET_HEALTH"}', **headers)
    assert status_of(answer) == (status, text)


def test_only_input_comes_as_a_stream(world: World) -> None:
    headers = {"content_type": "application/recordio", "message_content_type": "application/json"}
    answer = world.http("POST", "/api/v1", encode_record(b'{"type": "GET_HEALTH"}'), **headers)
    text = "Streaming 'Content-Type' application/recordio is not supported for GET_HEALTH call"
    assert status_of(answer) == (415, text)
    single = call(world, "ATTACH_CONTAINER_INPUT", type="CONTAINER_ID", container_id={"value": "a"})
    text = "Expecting 'Content-Type' to be application/recordio for ATTACH_CONTAINER_INPUT call"
    assert status_of(single) == (415, text)


def test_without_recordio_output_comes_as_records_of_the_accepted_type(real: RealWorld) -> None:
    session = call(
        real,
        "LAUNCH_NESTED_CONTAINER_SESSION",
        {**JSON, "accept": "application/x-protobuf"},
        container_id=nested(parent(real)),
        command={"value": "echo out"},
    )
    real.actor.run_until(lambda: session.opened is not None and session.opened.ended)
    assert session.response is not None
    assert session.response.headers == (("Content-Type", "application/x-protobuf"),)
    assert session.opened is not None
    (record,) = RecordDecoder().feed(session.opened.data)
    assert agent.ProcessIO.FromString(record).data.data == b"out\n"


# Links that a task has put in the place of directories


def test_a_link_in_the_place_of_nested_sandboxes_leads_nowhere(real: RealWorld, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "kept").mkdir(parents=True)
    top = parent(real)
    containers = real.sandbox("default") / "containers"
    containers.rename(containers.with_name("moved"))
    containers.symlink_to(elsewhere)
    answer = launched(real, container_id=nested(top, "c2"), command={"value": "true"})
    assert status_of(answer)[0] == 400
    assert "Too many levels of symbolic links" in status_of(answer)[1]
    call(real, "REMOVE_NESTED_CONTAINER", container_id=nested(top, "kept"))
    assert [path.name for path in elsewhere.iterdir()] == ["kept"]


def test_a_path_in_a_sandbox_that_is_a_link_makes_no_directory_elsewhere(tmp_path: Path) -> None:
    real = RealWorld(tmp_path / "work", isolation="posix/cpu,posix/mem,filesystem/posix,volume/sandbox_path")
    real.start()
    top = parent(real)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (real.sandbox("default") / "out").symlink_to(elsewhere)
    volume = {
        "container_path": "x",
        "mode": "RW",
        "source": {"type": "SANDBOX_PATH", "sandbox_path": {"type": "PARENT", "path": "out/made"}},
    }
    container = {"type": "MESOS", "volumes": [volume]}
    answer = launched(real, container_id=nested(top), command={"value": "true"}, container=container)
    assert status_of(answer) == (400, "The path 'out/made' is not inside the sandbox")
    assert not list(elsewhere.iterdir())
    real.close()
