"""Real processes: how they are started, killed with all that descends from them, and never outlive the cluster."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.testing.engine.agent import Command, Exit, ProcessLauncher
from pymesoskit.testing.engine.machine import supervisor
from pymesoskit.testing.engine.machine.launcher import Remains

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymesoskit.testing.engine.machine.process import RealProcess

PATIENCE = 20.0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds out about processes in /proc")


class QueueActor:
    """Posts go to a queue that the test empties."""

    clock: Any = None

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Callable[..., object], tuple[Any, ...]]] = queue.SimpleQueue()

    def post(self, callback: Callable[..., object], *args: Any) -> None:
        self._queue.put((callback, args))

    def run_until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            callback, args = self._queue.get(timeout=max(0.01, deadline - time.monotonic()))
            callback(*args)


class Run:
    """One launched command and what became of it."""

    def __init__(self, bench: Bench, command: Command) -> None:
        self.bench = bench
        self.started = False
        self.exit: Exit | None = None
        self.error: str | None = None
        self.process: RealProcess = bench.launcher.launch(command, self._start, self._end, self._fail)

    def _start(self) -> None:
        self.started = True

    def _end(self, how: Exit) -> None:
        self.exit = how

    def _fail(self, why: str) -> None:
        self.error = why

    def wait(self) -> str:
        self.bench.actor.run_until(lambda: self.exit or self.error)
        assert self.exit is not None, self.error
        return self.exit.describe()

    def wait_started(self) -> Run:
        self.bench.actor.run_until(lambda: self.started)
        return self


class Bench:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.actor = QueueActor()
        self.launcher = ProcessLauncher(self.actor)

    def sh(self, script: str, **fields: Any) -> Run:
        return self.run(("sh", "-c", script), **fields)

    def run(self, argv: tuple[str, ...], **fields: Any) -> Run:
        environment = {"PATH": os.environ["PATH"], "MESOS_SANDBOX": str(self.directory)}
        return Run(self, Command(argv, environment, self.directory, **fields))

    def pids(self, name: str, count: int) -> list[int]:
        """The pids that the task has written into a file, once they are all there."""
        path = self.directory / name

        def read() -> list[int]:
            return [int(line) for line in path.read_text().split()] if path.exists() else []

        wait_for(lambda: len(read()) == count)
        return read()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        os.sched_yield()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != b"Z"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.launcher.close()


def test_output_goes_to_files_in_the_working_directory(bench: Bench) -> None:
    assert bench.sh("echo out; echo err >&2; pwd").wait() == "exited with status 0"
    assert (bench.directory / "stdout").read_text() == f"out\n{bench.directory}\n"
    assert (bench.directory / "stderr").read_text() == "err\n"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 3", "exited with status 3"),
        ("kill -9 $$", "terminated with signal Killed"),
        ("no-such-program", "exited with status 127"),
    ],
)
def test_the_end_is_told_as_it_was(bench: Bench, script: str, message: str) -> None:
    assert bench.sh(script).wait() == message


def test_a_program_that_is_not_there_says_so_and_exits_with_1(bench: Bench) -> None:
    assert bench.run(("no-such-program",)).wait() == "exited with status 1"
    assert "No such file or directory" in (bench.directory / "stderr").read_text()


def test_only_a_program_that_is_named_as_such_may_be_in_the_working_directory(bench: Bench) -> None:
    (bench.directory / "true").write_text("#!/bin/sh\nexit 7\n")
    (bench.directory / "true").chmod(0o755)
    assert bench.run(("true",)).wait() == "exited with status 0"  # such as docker's command line
    assert bench.run(("true",), executable="true").wait() == "exited with status 7"  # a task's
    assert bench.run(("./true",)).wait() == "exited with status 7"


def test_the_environment_is_only_what_was_given(bench: Bench) -> None:
    bench.run(("env",)).wait()
    names = {line.partition("=")[0] for line in (bench.directory / "stdout").read_text().split()}
    assert names == {"PATH", "MESOS_SANDBOX"}


def test_signals_that_python_ignores_have_their_default_again(bench: Bench) -> None:
    bench.run(("grep", "SigIgn", "/proc/self/status")).wait()
    ignored = int((bench.directory / "stdout").read_text().split()[1], 16)
    assert not any(ignored >> number - 1 & 1 for number in range(1, signal.SIGSYS + 1))


def test_no_descriptor_leaks_into_a_task(bench: Bench) -> None:
    bench.run(("ls", "/proc/self/fd")).wait()
    assert (bench.directory / "stdout").read_text().split() == ["0", "1", "2", "3"]  # 3: the directory it lists


def test_rlimits_are_set(bench: Bench) -> None:
    bench.sh("ulimit -n; ulimit -f", rlimits=(("RLIMIT_NOFILE", 77, 99), ("RLIMIT_FSIZE", None, None))).wait()
    assert (bench.directory / "stdout").read_text().split() == ["77", "unlimited"]


def test_sigterm_reaches_the_whole_tree(bench: Bench) -> None:
    run = bench.sh("sleep 1000 & echo $! >> pids; setsid sleep 1000 & sleep 1000").wait_started()
    (child,) = bench.pids("pids", 1)
    run.process.kill(signal.SIGTERM)
    assert run.wait() == "terminated with signal Terminated"
    wait_for(lambda: not alive(child))


ESCAPEES = {
    "background": "sleep 1000 & echo $! >> pids",
    "another session": "setsid sh -c 'echo $$ >> pids; exec sleep 1000' &",
    "orphan in another session": "sh -c \"setsid sh -c 'echo \\$\\$ >> pids; exec sleep 1000' &\"",
    "orphan without our environment": "sh -c \"env -i setsid /bin/sh -c 'echo \\$\\$ >> pids; exec /bin/sleep 1000' &\"",
    "orphan that hides whose it is": (
        "sh -c \"env -i setsid /bin/sh -c 'echo \\$\\$ >> pids; cd /; exec /bin/sleep 1000' &\""
    ),
}


@pytest.mark.parametrize("escape", ESCAPEES.values(), ids=ESCAPEES.keys())
def test_nothing_of_a_task_outlives_its_first_process(bench: Bench, escape: str) -> None:
    run = bench.sh(f"{escape}\nwhile ! test -s pids; do :; done; exit 4")
    assert run.wait() == "exited with status 4"
    (escaped,) = bench.pids("pids", 1)
    wait_for(lambda: not alive(escaped))


@pytest.mark.parametrize("escape", ESCAPEES.values(), ids=ESCAPEES.keys())
def test_nothing_of_a_task_outlives_sigkill(bench: Bench, escape: str) -> None:
    run = bench.sh(f"trap '' TERM; {escape}\nsleep 1000; sleep 1000").wait_started()
    (escaped,) = bench.pids("pids", 1)
    run.process.kill(signal.SIGTERM)
    run.process.kill(signal.SIGKILL)
    assert run.wait() == "terminated with signal Killed"
    wait_for(lambda: not alive(escaped))


def test_a_daemon_of_one_task_does_not_suffer_from_the_end_of_another(bench: Bench) -> None:
    other = bench.sh("sh -c \"setsid sh -c 'echo \\$\\$ >> daemon; exec sleep 1000' &\"; sleep 1000").wait_started()
    (daemon,) = bench.pids("daemon", 1)
    bench.sh("exit 0").wait()
    assert alive(daemon)
    other.process.kill(signal.SIGKILL)
    other.wait()
    wait_for(lambda: not alive(daemon))


def test_a_task_that_forks_without_end_is_ended(bench: Bench) -> None:
    bomb = "f() { f & f; }; f"
    run = bench.sh(bomb, rlimits=(("RLIMIT_NPROC", 200, 200),), user="nobody" if os.geteuid() == 0 else None)
    run.wait_started()
    run.process.kill(signal.SIGKILL)
    assert run.wait() == "terminated with signal Killed"


def test_closing_ends_all(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.sh("trap '' TERM INT HUP; echo $$ >> pids; setsid sh -c 'echo $$ >> pids; sleep 1000' & sleep 1000")
    pids = bench.pids("pids", 2)
    bench.launcher.close()
    assert not any(alive(pid) for pid in pids)


def test_a_cluster_that_is_killed_takes_its_tasks_with_it(tmp_path: Path) -> None:
    program = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from tests.agent.test_processes import Bench
bench = Bench(Path({str(tmp_path)!r}))
bench.sh("trap '' TERM; echo $$ >> pids; setsid sh -c 'echo $$ >> pids; sleep 1000' & sleep 1000")
time.sleep(1000)
"""
    with subprocess.Popen([sys.executable, "-c", program]) as cluster:
        bench = Bench(tmp_path)
        pids = bench.pids("pids", 2)
        cluster.kill()
    began = time.monotonic()
    wait_for(lambda: not any(alive(pid) for pid in pids))
    assert time.monotonic() - began < 5


def test_tasks_end_with_the_process_that_started_them(bench: Bench) -> None:
    run = bench.sh("sleep 1000").wait_started()
    parent = int(Path(f"/proc/{run.process.pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    os.kill(parent, signal.SIGKILL)
    assert run.wait() == "terminated with signal Killed"
    assert bench.sh("exit 0").wait() == "exited with status 0"


def test_an_unknown_user_is_an_error(bench: Bench) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root switches users")
    run = bench.sh("true", user="no-such-user-at-all")
    bench.actor.run_until(lambda: run.error)
    assert run.error == "Failed to get user information for 'no-such-user-at-all'"


def test_usage_counts_the_tree(bench: Bench) -> None:
    run = bench.sh("sleep 1000 & echo $! >> pids; sleep 1000 & wait").wait_started()
    bench.pids("pids", 1)
    wait_for(lambda: (usage := run.process.usage()) is not None and usage.processes == 3)
    usage = run.process.usage()
    assert usage is not None
    assert usage.mem_rss_bytes > 100_000


# What is no process


def remains(bench: Bench, name: str) -> Remains:
    """A file that whoever removes remains removes."""
    return Remains(str(bench.directory / name), ("rm", "-f"), {"PATH": os.environ["PATH"]})


@pytest.mark.parametrize("script", ["touch left; exit 1", "touch left; sleep 1000"])
def test_closing_removes_what_a_command_leaves_behind(tmp_path: Path, script: str) -> None:
    bench = Bench(tmp_path)
    bench.sh(script, remains=remains(bench, "left"))
    wait_for((tmp_path / "left").exists)
    bench.launcher.close()
    assert not (tmp_path / "left").exists()


def test_what_has_been_removed_is_not_removed_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    left = remains(bench, "left")
    bench.sh("touch left", remains=left).wait()
    bench.run((*left.removal, left.name), removes=left.name).wait()
    (tmp_path / "left").touch()
    bench.launcher.close()
    assert (tmp_path / "left").exists()


def test_what_could_not_be_removed_is_removed_at_the_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    left = remains(bench, "left")
    bench.sh("touch left", remains=left).wait()
    bench.sh("exit 1", removes=left.name).wait()
    bench.launcher.close()
    assert not (tmp_path / "left").exists()


def test_remains_outlive_the_supervisor_but_not_the_next_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    run = bench.sh("touch left; sleep 1000", remains=remains(bench, "left"))
    wait_for((tmp_path / "left").exists)
    connection = bench.launcher._connection
    assert connection is not None
    connection.program.kill()
    assert run.wait() == "terminated with signal Killed"
    bench.launcher.close()
    assert not (tmp_path / "left").exists()


def test_what_comes_about_only_after_its_removal_is_removed_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    left = Remains(str(tmp_path / "left"), (str(tmp_path / "remove"),), {"PATH": os.environ["PATH"]})
    (tmp_path / "remove").write_text('#!/bin/sh\nrm "$1" 2>/dev/null; touch go\n'.replace("go", str(tmp_path / "go")))
    (tmp_path / "remove").chmod(0o755)
    # As a container that is just about to start when all ends: the first removal finds nothing.
    bench.sh("until [ -e go ]; do sleep 0.01; done; touch left; while [ -e left ]; do sleep 0.01; done", remains=left)
    bench.launcher.close()
    assert not (tmp_path / "left").exists()


# Systems that are not Linux


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor runs as if it were not on Linux, and without what only newer Pythons have there."""
    program = tmp_path / "elsewhere.py"
    program.write_text(
        "import os, runpy, sys\n"
        "del os.waitid\n"
        "sys.platform = 'darwin'\n"
        f"runpy.run_path({supervisor.__file__!r}, run_name='__main__')\n"
    )
    monkeypatch.setattr(supervisor, "__file__", str(program))


@pytest.mark.usefixtures("elsewhere")
def test_without_waitid_and_subreapers_commands_run_end_and_are_killed(bench: Bench) -> None:
    assert bench.run(("sh", "-c", "exit 3")).wait() == "exited with status 3"
    run = bench.run(("sh", "-c", "sleep 1000 & echo $! > child; wait")).wait_started()
    (child,) = bench.pids("child", 1)
    run.process.kill(signal.SIGKILL)
    assert run.wait() == "terminated with signal Killed"
    wait_for(lambda: not alive(child))


def test_a_limit_that_the_system_does_not_know_fails_the_command_and_nothing_else(bench: Bench) -> None:
    run = bench.run(("true",), rlimits=(("RLIMIT_NO_SUCH", 1, 1),))
    assert run.wait() == "exited with status 1"
    assert "RLIMIT_NO_SUCH" in (bench.directory / "stderr").read_text()
    assert bench.run(("true",)).wait() == "exited with status 0"
