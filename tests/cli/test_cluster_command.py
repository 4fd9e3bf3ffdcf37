"""`python -m pymesoskit cluster`: the launcher contract, and what it says about wrong input."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AGENT = "cpus:4;mem:4096;disk:10000;ports:[31000-32000]"
COMMAND = [sys.executable, "-m", "pymesoskit", "cluster"]


class Launched:
    """A cluster in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        line = self.line()
        match = re.fullmatch(r"listening on (http://(127\.0\.0\.1:\d+))", line)
        assert match, f"{line!r}, {self.process.stderr.read() if not line else ''}"
        self.url, self.address = match[1], match[2]

    def line(self) -> str:
        return self.process.stdout.readline().rstrip("\n")

    def control(self, command: str) -> str:
        self.process.stdin.write(command + "\n")
        return self.line()

    def get(self, path: str) -> dict:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def agents(self) -> list[dict]:
        return self.get("/slaves")["slaves"]

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(20)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()
        return code


@pytest.fixture
def launch() -> Iterator[Callable[..., Launched]]:
    launched: list[Launched] = []

    def start(*arguments: str) -> Launched:
        launched.append(Launched(*arguments))
        return launched[-1]

    yield start
    for one in launched:
        one.end()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False)


def test_it_is_ready_when_it_says_so(launch, tmp_path: Path) -> None:
    """All agents are registered, in the order given, each with an address of its own, and the API answers."""
    cluster = launch(
        "--port", "0", "--work-dir", str(tmp_path), "--agent", f"{AGENT}@rack:r1", "--agent", "cpus:2;mem:512"
    )
    agents = cluster.agents()
    assert [agent["id"][-3:] for agent in agents] == ["-S0", "-S1"]
    assert [agent["attributes"] for agent in agents] == [{"rack": "r1"}, {}]
    assert agents[1]["resources"]["cpus"] == 2
    assert len({agent["port"] for agent in agents}) == 2
    for agent in agents:
        assert agent["hostname"] == "127.0.0.1"
        with urllib.request.urlopen(f"http://127.0.0.1:{agent['port']}/health", timeout=10) as answer:
            assert answer.status == 200


def test_there_may_be_no_agent(launch) -> None:
    assert launch().agents() == []


def test_flags_are_those_of_mesos_and_shown(launch) -> None:
    cluster = launch(
        "--master-flag", "allocation_interval=50ms", "--agent-flag", "recovery_timeout=3mins", "--agent", AGENT
    )
    assert cluster.get("/flags")["flags"]["allocation_interval"] == "50ms"
    port = cluster.agents()[0]["port"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/flags", timeout=10) as answer:
        assert json.load(answer)["flags"]["recovery_timeout"] == "3mins"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0_and_nothing_is_left(launch, tmp_path: Path, number: int) -> None:
    work_dir = tmp_path / "work"
    cluster = launch("--work-dir", str(work_dir), "--agent", AGENT)
    assert cluster.end(number) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(tuple(cluster.address.split(":")))


def test_tasks_end_with_the_cluster(launch, tmp_path: Path) -> None:
    cluster = launch("--agent", AGENT)
    marker = tmp_path / "pid"
    task = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pymesoskit",
            "run",
            "--master",
            cluster.address,
            f"echo $$ > {marker}.new; mv {marker}.new {marker}; exec sleep 600",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for line in task.stderr:
            if "TASK_RUNNING" in line:
                break
        while not marker.exists():
            assert task.poll() is None
        pid = int(marker.read_text())
        assert Path(f"/proc/{pid}").exists()
        assert cluster.end() == 0
        assert not Path(f"/proc/{pid}").exists()
    finally:
        task.kill()
        task.wait()
        task.stderr.close()


def test_the_temporary_directory_goes_with_the_cluster(launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    cluster = launch("--agent", AGENT)
    assert len(list(tmp_path.iterdir())) == 1
    cluster.end()
    assert list(tmp_path.iterdir()) == []


# Wrong input: one line on stderr, exit code 2, nothing on stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--master-flag", "alocation_interval=1secs"],
            r"pymesoskit: unknown flag 'alocation_interval' of mesos-master, did you mean 'allocation_interval'.*",
        ),
        (["--agent-flag", "bogus=1"], r"pymesoskit: unknown flag 'bogus' of mesos-agent; its flags are: acls, .*"),
        (
            ["--master-flag", "allocation_interval=1 parsec"],
            (
                "pymesoskit: flag allocation_interval of mesos-master: bad value '1 parsec', expected a duration of more than 0, "
                "such as 500ms or 5secs"
            ),
        ),
        (["--master-flag", "roles"], "pymesoskit: flag 'roles' of mesos-master: expected NAME=VALUE"),
        (
            ["--agent", "cpus4"],
            "pymesoskit: resources 'cpus4' of an agent: Bad value for resources, missing or extra ':' in cpus4",
        ),
        (["--agent", "cpus:4@rack"], "pymesoskit: attributes 'rack' of an agent: .*"),
        (["--port", "x"], r"pymesoskit cluster: argument --port: invalid int value: 'x' \(see .* --help\)"),
        (["--port", "70000"], "pymesoskit: port must be between 0 .* and 65535, not 70000"),
        (["--bind", "192.0.2.1"], "pymesoskit: cannot listen on 192.0.2.1:0: .*"),
        (["--work-dir", "/proc/nowhere"], "pymesoskit: cannot use work directory /proc/nowhere: .*"),
        (["--nonsense"], r"pymesoskit: unrecognized arguments: --nonsense \(see pymesoskit --help\)"),
        (
            ["--master-flag", "authenticate_http_frameworks=true"],
            "pymesoskit: No credentials provided for --authenticate_http_frameworks: .*",
        ),
    ],
)
def test_wrong_input_is_one_clear_line(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(said + "\n", done.stderr), done.stderr


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("--port", str(port))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"pymesoskit: cannot listen on 127.0.0.1:{port}: the port is taken by another process\n"


# Control


@pytest.fixture
def controlled(launch) -> Launched:
    return launch("--control", "--agent", AGENT, "--agent", AGENT, "--agent-flag", "registration_backoff_factor=10ms")


def test_each_command_is_carried_out_before_ok(controlled: Launched) -> None:
    master = controlled.get("/state")["id"]
    assert controlled.control("agent 0 kill") == "ok"
    assert controlled.control("agent 0 kill") == "ok"  # nothing happens if it is not running
    assert controlled.control("agent 0 start") == "ok"
    assert controlled.control("agent 1 term") == "ok"
    assert controlled.control("agent 1 reset") == "ok"
    assert controlled.control("agent 0 pause") == "ok"
    assert controlled.control("agent 0 resume") == "ok"
    assert controlled.control("agent 0 shutdown") == "ok"
    assert controlled.control("master kill") == "ok"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(tuple(controlled.address.split(":")))
    assert controlled.control("master start") == "ok"
    assert controlled.get("/state")["id"] != master


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("agent 2 kill", "error: there is no agent 2, the cluster has 2"),
        ("agent 0 start", "error: agent 0 is running"),
        ("agent 0 reset", "error: agent 0 is running"),
        ("master start", "error: the master is running"),
        (
            "agent x kill",
            "error: unknown command 'agent x kill', expected agent I kill|term|.*, master kill|start|pause|resume, or master I …",
        ),
        ("nonsense", "error: unknown command 'nonsense', expected .*"),
    ],
)
def test_what_cannot_be_done_is_an_error(controlled: Launched, command: str, said: str) -> None:
    answer = controlled.control(command)
    assert re.match(said.replace("|", r"\|"), answer), answer


def test_an_agent_that_is_not_running_can_neither_pause_nor_resume(controlled: Launched) -> None:
    assert controlled.control("agent 0 kill") == "ok"
    assert controlled.control("agent 0 pause") == "error: agent 0 is not running"
    assert controlled.control("agent 0 resume") == "error: agent 0 is not running"


def test_the_end_of_stdin_means_nothing(controlled: Launched) -> None:
    controlled.process.stdin.close()
    assert len(controlled.agents()) == 2
    assert controlled.end() == 0
