"""`python -m pymesoskit run`: one command as a task."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pymesoskit.cli.run_command import exit_code
from pymesoskit.testing.cluster.cluster import Cluster
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [sys.executable, "-m", "pymesoskit", "run"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def master() -> Iterator[str]:
    with Cluster(master_flags={"allocation_interval": "100ms"}) as cluster:
        yield cluster.address


def test_it_shows_output_and_states_and_exits_with_0(master: str) -> None:
    done = run("--master", master, "--cpus", "0.1", "--mem", "32", "echo hello; echo oops >&2")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "hello\n"
    states = re.findall(r"TASK_\w+", done.stderr)
    assert states == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]
    assert "oops\n" in done.stderr


def test_of_several_masters_it_finds_the_one_that_leads(master: str) -> None:
    assert run("--master", f"127.0.0.1:1,{master}", "echo hello").stdout == "hello\n"


def test_without_a_master_it_brings_its_own() -> None:
    done = run("echo $NAME", "--env", "NAME=world")
    assert (done.returncode, done.stdout) == (0, "world\n")


def test_the_task_s_exit_code_is_its_own(master: str) -> None:
    assert run("--master", master, "exit 3").returncode == 3


def test_long_output_arrives_whole(master: str) -> None:
    done = run("--master", master, "seq 1 40000")
    assert done.stdout.split() == [str(number) for number in range(1, 40001)]


def test_the_words_of_the_command_make_one_command(master: str) -> None:
    assert run("--master", master, "echo", "a", "b").stdout == "a b\n"


def test_ctrl_c_kills_the_task(master: str) -> None:
    running = subprocess.Popen(
        [*COMMAND, "--master", master, "echo $$; exec sleep 600"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    pid = int(running.stdout.readline())
    running.send_signal(signal.SIGINT)
    output = running.communicate(timeout=30)[1]
    assert running.returncode == 130
    assert "TASK_KILLED" in output
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--master", "nowhere:x", "true"], "pymesoskit: bad address 'nowhere:x': .*"),
        (["--master", "127.0.0.1:1", "true"], "pymesoskit: no master answers at http://127.0.0.1:1"),
        (
            ["--master", "127.0.0.1:1,127.0.0.1:2", "true"],
            "pymesoskit: no master answers at http://127.0.0.1:1, http://127.0.0.1:2",
        ),
        (["--env", "NAME", "true"], "pymesoskit: bad variable 'NAME': expected NAME=VALUE"),
        (["--cpus", "-1", "true"], "pymesoskit: .*-1.*"),
        (["--cpus", "many", "true"], "pymesoskit run: argument --cpus: invalid float value: 'many' .*"),
        ([], "pymesoskit run: the following arguments are required: COMMAND .*"),
    ],
)
def test_wrong_input_is_one_clear_line(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(said + "\n", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("state", "message", "code"),
    [
        (mesos.TASK_FINISHED, "Command exited with status 0", 0),
        (mesos.TASK_FAILED, "Command exited with status 42", 42),
        (mesos.TASK_FAILED, "Command terminated with signal Killed", 137),
        (mesos.TASK_FAILED, "Command terminated with signal Segmentation fault (core dumped)", 139),
        (mesos.TASK_KILLED, "Command terminated with signal Terminated", 143),
        (mesos.TASK_FAILED, "Failed to launch container", 1),
        (mesos.TASK_LOST, "", 1),
        (mesos.TASK_ERROR, "Task uses more resources than available", 1),
    ],
)
def test_the_exit_code_stands_for_the_end(state: mesos.TaskState, message: str, code: int) -> None:
    assert exit_code(mesos.TaskStatus(state=state, message=message)) == code
