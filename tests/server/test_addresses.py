"""Listening, ending, freezing; the port is kept while nobody listens."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from pymesoskit.testing.engine.http.server import HttpServer, ListenError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.conftest import Served

GET = b"GET / HTTP/1.1\r\n\r\n"


def test_it_listens_on_loopback_only(served: Served) -> None:
    listener = served.server._listener
    assert listener is not None
    assert listener.getsockname()[0] == "127.0.0.1"


def test_a_taken_port_is_an_error_that_names_it(served: Served) -> None:
    other = HttpServer(served.actor, served.handle, served.history, "other")
    with pytest.raises(ListenError, match=rf"cannot listen on 127\.0\.0\.1:{served.port}: the port is taken"):
        served.actor.call(other.reserve, "127.0.0.1", served.port)


@pytest.mark.parametrize("port", [70000, -1])
def test_what_is_no_port_is_an_error(served: Served, port: int) -> None:
    other = HttpServer(served.actor, served.handle, served.history, "other")
    with pytest.raises(ListenError, match=r"cannot listen on 127\.0\.0\.1:"):
        served.actor.call(other.reserve, "127.0.0.1", port)


def test_a_closed_server_refuses_connections_and_keeps_its_port(served: Served) -> None:
    client = served.connect().send(GET)
    client.answer()
    served.actor.call(served.server.close)
    assert client.rest() == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", served.port))
    other = HttpServer(served.actor, served.handle, served.history, "other")
    served.actor.call(served.server.open)
    with pytest.raises(ListenError):
        served.actor.call(other.reserve, "127.0.0.1", served.port)
    assert served.connect().send(GET).answer().status == 202


def test_a_frozen_server_takes_connections_and_bytes_and_answers_when_it_thaws(served: Served) -> None:
    before = served.connect().send(GET)
    before.answer()
    served.actor.call(served.server.freeze)
    before.send(GET)
    after = served.connect().send(GET)
    assert before.quiet()
    assert after.quiet()
    assert len(served.requests) == 1
    served.actor.call(served.server.thaw)
    assert before.answer().status == 202
    assert after.answer().status == 202


def test_reset_breaks_connections_with_an_error(served: Served) -> None:
    client = served.connect().send(GET)
    client.answer()
    served.actor.call(served.server.reset_connections)
    with pytest.raises(ConnectionResetError):
        client.rest()
    assert served.connect().send(GET).answer().status == 202


def test_a_unix_socket_is_served_too_and_removed(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    server = HttpServer(served.actor, served.handle, served.history, "socket")
    served.actor.call(server.open_unix, path)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(GET)
        assert client.recv(1000).startswith(b"HTTP/1.1 202 Accepted")
    served.actor.call(server.release)
    assert not path.exists()
