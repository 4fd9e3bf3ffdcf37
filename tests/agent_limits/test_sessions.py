"""Talking to containers over real HTTP: sessions, attached input and output, a terminal."""

from __future__ import annotations

import base64
import http.client
import json
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.wire import RecordDecoder, encode_record
from tests.agent_limits.world import PATIENCE, World, alive, until

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDS = {"Accept": "application/recordio", "Message-Accept": "application/json", "Content-Type": "application/json"}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as world:
        world.launch("parent", "sleep 1000")
        world.wait("parent", "TASK_RUNNING")
        yield world


class Session:
    """A nested container, and the stream of its output."""

    def __init__(self, world: World, name: str, command: str, **container: Any) -> None:
        parent = world.launcher.statuses["parent"][-1].container_status.container_id.value
        self.world = world
        self.id = {"value": name, "parent": {"value": parent}}
        launch = {"container_id": self.id, "command": {"value": command}}
        if container:
            launch["container"] = {"type": "MESOS", **container}
        self.connection, self.answer = self.open({"launch_nested_container_session": launch})
        assert self.answer.status == 200, self.answer.read()
        self.events: list[dict[str, Any]] = []
        self._decoder = RecordDecoder()

    def open(self, payload: dict[str, Any]) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = http.client.HTTPConnection(self.world.agent._member.host, self.world.agent.port, timeout=PATIENCE)
        call = {"type": next(iter(payload)).upper(), **payload}
        connection.request("POST", "/api/v1", json.dumps(call).encode(), RECORDS)
        return connection, connection.getresponse()

    def call(self, payload: dict[str, Any]) -> tuple[int, bytes]:
        call = {"type": next(iter(payload)).upper(), **payload}
        return self.world.request("POST", "/api/v1", json.dumps(call).encode(), content_type="application/json")

    def read_until(self, wanted: bytes) -> None:
        """Reads the stream until the output holds that."""
        while wanted not in self.output("STDOUT"):
            data = self.answer.read1(65536)
            assert data, f"the stream ended: {self.events}"
            self.events += [json.loads(record) for record in self._decoder.feed(data)]

    def read_all(self) -> None:
        while data := self.answer.read1(65536):
            self.events += [json.loads(record) for record in self._decoder.feed(data)]

    def output(self, kind: str) -> bytes:
        data = [event["data"] for event in self.events if event["type"] == "DATA"]
        return b"".join(base64.b64decode(d["data"]) for d in data if d["type"] == kind)

    def input(self, *pieces: bytes) -> tuple[int, bytes]:
        """Attaches to the input and sends the pieces, and its end."""
        attach = {"type": "CONTAINER_ID", "container_id": self.id}
        messages: list[dict[str, Any]] = [attach]
        for piece in (*pieces, b""):
            data = {"type": "STDIN", "data": base64.b64encode(piece).decode()}
            messages.append({"type": "PROCESS_IO", "process_io": {"type": "DATA", "data": data}})
        calls = [{"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": message} for message in messages]
        connection = http.client.HTTPConnection(self.world.agent._member.host, self.world.agent.port, timeout=PATIENCE)
        headers = {"Content-Type": "application/recordio", "Message-Content-Type": "application/json"}
        try:
            records = (encode_record(json.dumps(call).encode()) for call in calls)
            connection.request("POST", "/api/v1", records, headers, encode_chunked=True)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def close(self) -> None:
        self.connection.close()


def test_what_is_sent_to_a_session_comes_to_its_command_and_its_output_back(world: World) -> None:
    session = Session(world, "echo", "echo ready; while read line; do echo got $line; done; echo end >&2; exit 3")
    session.read_until(b"ready\n")
    status, body = session.input(b"one\n", b"two\n")
    assert status == 200, body
    session.read_all()
    assert session.output("STDOUT") == b"ready\ngot one\ngot two\n"
    assert session.output("STDERR") == b"end\n"
    session.close()


def test_a_session_ends_with_its_connection(world: World) -> None:
    session = Session(world, "broken", "echo $$; exec sleep 1000")
    session.read_until(b"\n")
    pid = int(session.output("STDOUT"))
    session.close()
    session.answer.close()
    until(lambda: session.call({"kill_nested_container": {"container_id": session.id}})[0] == 404, "it to end")
    until(lambda: not alive([pid]), "its process to be gone")


def test_a_terminal_is_one(world: World) -> None:
    tty = {"tty_info": {"window_size": {"rows": 33, "columns": 44}}}
    session = Session(world, "terminal", "test -t 0 && stty size; echo done", **tty)
    session.read_until(b"done")
    assert session.output("STDOUT").split() == [b"33", b"44", b"done"]
    session.close()


def test_several_can_watch_a_container(world: World) -> None:
    session = Session(world, "watched", "echo ready; read line; echo $line")
    session.read_until(b"ready\n")
    connection, answer = session.open({"attach_container_output": {"container_id": session.id}})
    assert answer.status == 200
    session.input(b"hello\n")
    session.read_all()
    decoder, seen = RecordDecoder(), b""
    while data := answer.read1(65536):
        for record in decoder.feed(data):
            event = json.loads(record)
            if event["type"] == "DATA":
                seen += base64.b64decode(event["data"]["data"])
    assert seen.endswith(b"hello\n")
    connection.close()
    session.close()
