"""When checks look, and what follows from what they see (agent-executor.md 11)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.testing.engine.agent import Outcome
from pymesoskit.testing.engine.executors.checks import Checker, Health, Timing, Unavailable, judge
from pymesoskit.testing.engine.machine.simulated import SimulatedProcess
from pymesoskit.testing.runtime.actor import SimulatedActor
from pymesoskit.wire.v1 import mesos
from tests.agent.test_commands import group_sandbox
from tests.agent.world import RealWorld, World, framework, task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUNS = {"*": Outcome.runs()}


@pytest.fixture(autouse=True)
def looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks look at simulated tasks by way of the world's prober, as they do at real ones."""
    monkeypatch.setattr(SimulatedProcess, "healthy", None)


def command_check(command: str, **fields: Any) -> mesos.CheckInfo:
    info = mesos.CheckInfo(type=mesos.CheckInfo.COMMAND, delay_seconds=0, interval_seconds=0.05, **fields)
    info.command.command.value = command
    return info


def command_health(command: str, **fields: Any) -> mesos.HealthCheck:
    fields = {"delay_seconds": 0, "interval_seconds": 0.05, "grace_period_seconds": 0, **fields}
    info = mesos.HealthCheck(type=mesos.HealthCheck.COMMAND, **fields)
    info.command.value = command
    return info


@pytest.mark.parametrize(("grace", "age", "counts"), [(10, 10, False), (10, 10.1, True), (0, 0, True)])
def test_the_grace_period_includes_its_end_and_none_is_none(grace: float, age: float, counts: bool) -> None:
    verdict = judge(mesos.HealthCheck(grace_period_seconds=grace, consecutive_failures=3), Health(), None, age)
    assert (verdict.report is False) is counts


class Looks:
    """A probe that answers when the test says so."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.done: Any = None
        self.results: list[object] = []
        self.actor = SimulatedActor()
        self.clock = self.actor.clock
        self.checker = Checker(self.clock, self._probe, Timing(5, 10, math.inf), self.results.append)
        self.checker.start()

    def _probe(self, _timeout: float, done: Any) -> None:
        self.times.append(self.clock.monotonic())
        self.done = done


def test_the_next_look_is_an_interval_after_the_end_of_the_one_before() -> None:
    looks = Looks()
    start = looks.clock.monotonic()
    looks.actor.advance(8)
    looks.done(0)
    looks.actor.advance(10)
    assert [moment - start for moment in looks.times] == [5, 18]


def test_a_look_that_says_nothing_has_no_result_but_a_successor() -> None:
    looks = Looks()
    looks.actor.advance(5)
    looks.done(Unavailable.UNAVAILABLE)
    looks.actor.advance(10)
    looks.done(1)
    assert (len(looks.times), looks.results) == (2, [1])


def test_after_a_pause_it_looks_at_once() -> None:
    looks = Looks()
    looks.actor.advance(5)
    looks.done(0)
    looks.checker.pause()
    looks.actor.advance(100)
    looks.checker.resume()
    looks.actor.advance(0.001)
    assert len(looks.times) == 2


def test_a_look_that_the_prober_does_not_bring_to_an_end_in_time_has_failed() -> None:
    world = World(RUNS)
    world.prober.http = lambda *_: None  # never answers
    world.start()
    info = task()
    info.health_check.type = mesos.HealthCheck.HTTP
    info.health_check.http.port = 80
    info.health_check.delay_seconds = info.health_check.grace_period_seconds = 0
    info.health_check.timeout_seconds = 7
    world.run(info)
    world.advance(6.9)
    assert world.master.states() == ["TASK_STARTING", "TASK_RUNNING"]
    world.advance(0.2)
    assert not world.master.statuses()[-1].healthy
    assert world.master.statuses()[-1].HasField("healthy")


def test_an_unhealthy_task_shows_at_once_in_the_ends_of_the_others_of_its_executor() -> None:
    world = World({"sick": Outcome.runs().ignoring_sigterm(), "*": Outcome.finishes(2)}).start()
    sick = task("sick")
    sick.health_check.type = mesos.HealthCheck.TCP
    sick.health_check.tcp.port = 80
    sick.health_check.delay_seconds = sick.health_check.grace_period_seconds = 0
    sick.health_check.consecutive_failures = 1
    world.prober.listens = False
    world.run_group(sick)
    world.run_group(task("other"), info=framework(), launch_executor=False)
    status = world.until_state("other", "TASK_FINISHED")
    assert status.HasField("healthy")
    assert not status.healthy


def test_no_limit_of_time_is_no_limit() -> None:
    world = World(RUNS).start()
    world.run(task(max_completion_time=mesos.DurationInfo(nanoseconds=0)))
    world.advance(1000)
    assert world.master.states() == ["TASK_STARTING", "TASK_RUNNING"]


def test_a_second_kill_counts_its_grace_period_from_the_first() -> None:
    world = World({"*": Outcome.runs().ignoring_sigterm()}, http_command_executor="true").start()
    world.run(task())
    world.until_state("t1", "TASK_RUNNING")
    for grace, wait in ((20, 4.0), (30, 2.0), (10, 3.9)):
        policy = mesos.KillPolicy()
        policy.grace_period.nanoseconds = grace * 10**9
        world.kill("t1", policy)
        world.advance(wait)
        assert "TASK_KILLED" not in world.master.states()
    world.advance(0.2)  # 10 seconds after the first
    assert "TASK_KILLED" in world.master.states()


def test_a_grace_period_that_is_over_already_is_the_end_at_once() -> None:
    world = World({"*": Outcome.runs().ignoring_sigterm()}, http_command_executor="true").start()
    world.run(task())
    world.until_state("t1", "TASK_RUNNING")
    for grace in (20, 5):
        policy = mesos.KillPolicy()
        policy.grace_period.nanoseconds = grace * 10**9
        world.kill("t1", policy)
        world.advance(6 if grace == 20 else 0.1)
    assert "TASK_KILLED" in world.master.states()


# With real processes


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealWorld]:
    world = RealWorld(tmp_path / "work")
    world.start()
    yield world
    world.close()


def exit_code(status: mesos.TaskStatus) -> int | None:
    result = status.check_status.command
    return result.exit_code if result.HasField("exit_code") else None


def test_what_a_check_of_a_command_task_says_goes_to_stderr(real: RealWorld) -> None:
    real.run(task(command="sleep 1000", check=command_check("echo out; echo err >&2; exit 4")))
    real.actor.run_until(lambda: any(exit_code(status) == 4 for status in real.master.statuses()))
    assert (real.sandbox() / "stdout").read_text() == ""
    assert (real.sandbox() / "stderr").read_text().startswith("out\nerr\n")


def test_what_a_check_of_a_task_in_a_group_says_is_its_executors(real: RealWorld) -> None:
    real.run_group(task(command="sleep 1000", check=command_check("echo out; pwd; exit 4")))
    real.actor.run_until(lambda: any(exit_code(status) == 4 for status in real.master.statuses()))
    own = group_sandbox(real)
    assert (own / "stdout").read_text() == (own / "stderr").read_text() == ""
    assert (real.sandbox("default") / "stderr").read_text().startswith(f"out\n{own}\n")


def test_a_check_of_a_command_task_sees_the_executors_environment(real: RealWorld) -> None:
    info = task(command="sleep 1000")
    info.command.environment.variables.add(name="OWN", value="3")
    info.check.CopyFrom(command_check('test -z "$MESOS_ALLOCATION_ROLE" && exit $OWN'))
    real.run(info)
    real.actor.run_until(lambda: any(exit_code(status) == 3 for status in real.master.statuses()))


@pytest.mark.parametrize("grouped", [False, True])
def test_a_check_that_takes_too_long_has_no_result(real: RealWorld, grouped: bool) -> None:
    check = command_check("test -e first || { touch first; exit 5; }; sleep 1000", timeout_seconds=0.2)
    info = task(command="sleep 1000", check=check)
    real.run_group(info) if grouped else real.run(info)
    real.actor.run_until(lambda: len(real.master.statuses()) == 4)
    assert [exit_code(status) for status in real.master.statuses()] == [None, None, 5, None]
    assert [status.reason for status in real.master.statuses()[2:]] == [
        mesos.TaskStatus.REASON_TASK_CHECK_STATUS_UPDATED
    ] * 2


def test_a_check_that_is_killed_with_its_container_says_nothing(real: RealWorld) -> None:
    real.run_group(task(command="sleep 1000", health_check=command_health("echo > looked; kill -9 $$")))
    real.actor.run_until((group_sandbox(real) / "looked").exists)
    (group_sandbox(real) / "looked").unlink()
    real.actor.run_until((group_sandbox(real) / "looked").exists)
    assert real.master.states() == ["TASK_STARTING", "TASK_RUNNING"]


def test_a_pipe_in_the_place_of_its_output_does_not_hold_up_a_check(real: RealWorld) -> None:
    health = command_health("true", consecutive_failures=1)
    real.run(task(command="mkfifo pipe; mv -f pipe stderr; sleep 1000", health_check=health))
    status = real.until_state("t1", "TASK_KILLED", 20)
    assert not status.healthy
