"""However a cluster ends, its tasks end with it, whatever they do to live on; and it leaves no files behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pymesoskit.scheduler import Scheduler, SchedulerDriver, command_task
from pymesoskit.wire.v1 import mesos
from tests.agent_limits.world import World, alive, pids_in, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds out about processes in /proc")

ROOT = Path(__file__).parents[2]
#: How long anything may linger, in seconds.
LIMIT = 5.0

DAEMON = (  # forks twice, in a session of its own, hides whose it is, ignores what it can
    "import os, signal, sys\n"
    "for n in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(n, signal.SIG_IGN)\n"
    "file = os.open('pids', os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)\n"
    "os.write(file, b'%d\\n' % os.getpid())\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork() == 0:\n"
    "        os.write(file, b'%d\\n' % os.getpid())\n"
    "        os.chdir('/')\n"
    "        os.closerange(0, 1024)\n"
    "        os.execve('/bin/sleep', ['sleep', '1000'], {})\n"
    "    os._exit(0)\n"
    "while True: signal.pause()\n"
)
TASKS = {
    "plain": ("echo $$ >> pids; exec sleep 1000", 1),
    "deaf": ("trap '' TERM INT HUP; echo $$ >> pids; sleep 1000 & echo $! >> pids; while :; do wait; done", 2),
    "session": ("setsid sh -c 'echo $$ >> pids; exec sleep 1000' & echo $$ >> pids; wait", 2),
    "orphan": ("(setsid sh -c 'echo $$ >> pids; exec sleep 1000' &); echo $$ >> pids; exec sleep 1000", 2),
    "daemon": (f'exec {sys.executable} -S -c "{DAEMON}"', 2),
    "stopped": ("echo $$ >> pids; kill -STOP $$; sleep 1000", 1),
}


class Launcher(Scheduler):
    """Launches all of them on the first offer."""

    def offers(self, driver: SchedulerDriver, offers: Sequence[mesos.Offer]) -> None:
        first, *others = offers
        tasks = [command_task(what, "cpus:0.1;mem:32", first, task_id=name) for name, (what, _) in TASKS.items()]
        driver.launch(first, tasks, refuse_seconds=1000)
        if others:
            driver.decline(others)


class Program:
    """``python -m pymesoskit cluster`` in a process of its own, whose temporary files go to a directory of the test."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.temporary = directory / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pymesoskit", "cluster", "--pace", "instant", *arguments],
            env={**os.environ, "TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )

    def address(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening on http://"), self.process.communicate()
        return line.removeprefix("listening on http://").strip()

    def launch_all(self, work_dir: Path) -> list[int]:
        """Runs the tasks; returns the pids of all their processes, and of what the cluster itself has started."""
        framework = mesos.FrameworkInfo(user="root", name="lifetime")
        driver = SchedulerDriver(Launcher(), framework, self.address())
        driver.start()
        try:
            pids = children(self.process.pid)
            for name, (_, count) in TASKS.items():
                pattern = f"**/executors/{name}/runs/latest/pids"
                until(lambda pattern=pattern: any(work_dir.glob(pattern)), f"{name} to run")
                pids += pids_in(next(work_dir.glob(pattern)), count)
            pids += children(self.process.pid)
            assert len(alive(pids)) >= 10
        finally:
            driver.disconnect()
        return pids

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


def children(pid: int) -> list[int]:
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (thread / "children").read_text().split())
    return found


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path, "--agent", "cpus:4;mem:4096;disk:10000")
    yield program
    program.close()


def gone_in_time(pids: list[int]) -> None:
    began = time.monotonic()
    until(lambda: not alive(pids), "all processes to be gone", LIMIT)
    assert time.monotonic() - began < LIMIT


def test_a_cluster_killed_in_mid_flight_leaves_no_process(program: Program) -> None:
    pids = program.launch_all(program.temporary)
    program.process.send_signal(signal.SIGKILL)
    gone_in_time(pids)
    assert program.process.wait() == -signal.SIGKILL


def test_what_a_killed_cluster_has_left_on_the_disk_goes_with_the_next_start(program: Program, tmp_path: Path) -> None:
    pids = program.launch_all(program.temporary)
    (left,) = program.temporary.iterdir()
    program.process.send_signal(signal.SIGKILL)
    program.process.wait()
    gone_in_time(pids)
    following = Program(tmp_path, "--agent", "cpus:4")
    try:
        following.address()
        assert left not in program.temporary.iterdir()
        assert len(list(program.temporary.iterdir())) == 1
        third = Program(tmp_path, "--agent", "cpus:4")
        try:
            third.address()
            assert len(list(program.temporary.iterdir())) == 2, "the directory of a cluster that runs is left alone"
            third.process.send_signal(signal.SIGTERM)
            assert third.process.wait(20) == 0
        finally:
            third.close()
        following.process.send_signal(signal.SIGTERM)
        assert following.process.wait(20) == 0
    finally:
        following.close()
    assert list(program.temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cluster_ended_by_a_signal_leaves_neither_processes_nor_files(program: Program, number: int) -> None:
    pids = program.launch_all(program.temporary)
    began = time.monotonic()
    program.process.send_signal(number)
    assert program.process.wait(20) == 0
    assert time.monotonic() - began < LIMIT
    assert alive(pids) == []
    assert list(program.temporary.iterdir()) == []


def test_a_start_that_fails_leaves_neither_processes_nor_files(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        program = Program(tmp_path, "--agent", "cpus:4", "--port", str(taken.getsockname()[1]))
        _, error = program.process.communicate(timeout=20)
    assert program.process.returncode != 0
    assert "Traceback" not in error
    assert list(program.temporary.iterdir()) == []


def test_an_agent_that_cannot_start_leaves_neither_processes_nor_files(tmp_path: Path) -> None:
    program = Program(
        tmp_path, "--agent", "cpus:4", "--agent-flag", "resource_provider_config_dir=/nowhere", "--agent", "x"
    )
    _, error = program.process.communicate(timeout=20)
    assert program.process.returncode != 0
    assert "Traceback" not in error
    assert list(program.temporary.iterdir()) == []


def python(directory: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Runs a program of its own that can import the tests."""
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "TMPDIR": str(directory), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_cluster_in_a_program_that_forgets_it_ends_with_the_program(tmp_path: Path) -> None:
    script = """
from tests.agent_limits.world import World
world = World().__enter__()
world.launch("t", "echo $$ >> pids; exec sleep 1000")
print(*world.pids("t", 1))
world.driver.disconnect()
"""
    done = python(tmp_path, script)
    assert (done.returncode, done.stderr) == (0, "")
    assert alive([int(done.stdout)]) == []
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_leaves_no_thread_and_no_descriptor(tmp_path: Path) -> None:
    script = """
import gc, os, threading
from tests.agent_limits.world import World
def left():
    gc.collect()
    return threading.active_count(), len(os.listdir("/proc/self/fd"))
before = left()
for _ in range(2):
    with World(agent_flags={"isolation": "disk/du", "container_disk_watch_interval": "10ms"}) as world:
        world.launch("t", "exit 0")
        world.end("t")
print(before == left(), before, left())
"""
    done = python(tmp_path, script)
    assert done.stderr == ""
    assert done.stdout.startswith("True"), done.stdout


def test_a_cluster_does_not_wait_for_those_it_fetches_from_or_looks_at() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        command = mesos.CommandInfo(value="true")
        command.uris.add(value=f"http://127.0.0.1:{port}/never")
        check = mesos.HealthCheck(type=mesos.HealthCheck.HTTP, delay_seconds=0, timeout_seconds=0)  # no limit of time
        check.http.port = port
        with World() as world:
            world.launch("fetches", command)
            world.launch("checked", "sleep 1000", health_check=check)
            lines = [silent.accept()[0] for _ in range(2)]
            begun = time.monotonic()
        assert time.monotonic() - begun < 20
        for line in lines:
            line.close()
