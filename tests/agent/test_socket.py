"""The executors' unix domain socket, opened by a cluster (agent-executor.md 6)."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from pymesoskit.testing.cluster.cluster import Cluster

if TYPE_CHECKING:
    from pathlib import Path


def ask(path: Path, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(request)
        return client.recv(65536)


def test_the_socket_is_there_while_the_agent_runs_and_serves_the_v1_api_only(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    flags = {"http_executor_domain_sockets": "true", "domain_socket_location": str(path)}
    with Cluster(agents=1, agent_flags=flags) as cluster:
        assert ask(path, b"GET /api/v1/executor HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 405")
        assert ask(path, b"GET /slave(1)/api/v1/executor HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 405")
        assert ask(path, b"GET /state HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 403")
        cluster.agents[0].kill()
        assert not path.exists()
        cluster.agents[0].start()
        assert ask(path, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 403")
    assert not path.exists()
