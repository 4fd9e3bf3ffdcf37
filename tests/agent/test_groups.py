"""Task groups in the default executor, checks and health checks (agent-executor.md 9 and 11)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.testing.engine.agent import Outcome, SimulatedLauncher
from pymesoskit.testing.engine.machine.simulated import SimulatedProcess
from pymesoskit.testing.engine.network.messages import ExitedExecutor
from pymesoskit.wire.v1 import mesos
from tests.agent.world import World, framework, task

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.agent import Command, Outcomes
    from pymesoskit.testing.runtime.actor import Actor

RUNS = {"*": Outcome.runs()}


@pytest.fixture(autouse=True)
def looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks look at simulated tasks by way of the world's prober, as they do at real ones."""
    monkeypatch.setattr(SimulatedProcess, "healthy", None)


def health_checked(**fields: float) -> mesos.TaskInfo:
    info = task()
    info.health_check.type = mesos.HealthCheck.HTTP
    info.health_check.http.port = 80
    info.health_check.delay_seconds = 0
    info.health_check.interval_seconds = 1
    for name, value in fields.items():
        setattr(info.health_check, name, value)
    return info


def test_the_tasks_of_a_group_run_in_containers_nested_in_one_executor() -> None:
    world = World({"t2": Outcome.finishes(1)}).start()
    world.run_group(task("t1"), task("t2"))
    world.until_state("t2", "TASK_FINISHED")
    assert world.master.states("t1") == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]
    ids = {task_id: world.master.statuses(task_id)[1].container_status.container_id for task_id in ("t1", "t2")}
    assert ids["t1"].value != ids["t2"].value
    assert ids["t1"].parent == ids["t2"].parent
    world.advance(1)
    (exited,) = world.master.got(ExitedExecutor)
    assert (exited.executor_id, exited.status) == ("default", 0)


def test_a_task_that_fails_takes_the_rest_of_its_group_along() -> None:
    world = World({"bad": Outcome.fails(1, 2), "good": Outcome.runs()}).start()
    world.run_group(task("bad"), task("good"))
    assert world.until_state("good", "TASK_KILLED").message == "Command terminated with signal Terminated"
    assert world.master.states("bad")[-1] == "TASK_FAILED"


def test_a_task_that_finishes_leaves_the_rest_of_its_group_alone() -> None:
    world = World({"long": Outcome.runs()}).start()
    world.run_group(task("short"), task("long"))
    world.until_state("short", "TASK_FINISHED")
    world.advance(60)
    assert world.master.states("long")[-1] == "TASK_RUNNING"


def test_killing_one_task_kills_its_group_but_no_other_group() -> None:
    world = World(RUNS).start()
    world.run_group(task("a1"), task("a2"))
    world.run_group(task("b1"), launch_executor=False)
    world.until_state("b1", "TASK_RUNNING")
    world.kill("a1")
    world.until_state("a2", "TASK_KILLED")
    assert world.master.states("b1")[-1] == "TASK_RUNNING"


def test_the_rest_of_the_group_has_the_default_grace_whatever_their_policies() -> None:
    world = World({"bad": Outcome.fails(1), "good": Outcome.runs().ignoring_sigterm()}).start()
    patient = task("good")
    patient.kill_policy.grace_period.nanoseconds = 100 * 10**9
    world.run_group(task("bad"), patient)
    world.until_state("bad", "TASK_FAILED")
    world.advance(2.9)
    assert "TASK_KILLED" not in world.master.states("good")
    world.advance(0.2)
    assert world.master.states("good")[-1] == "TASK_KILLED"


def test_a_task_that_cannot_start_fails_and_takes_its_group_along() -> None:
    world = World({"bad": Outcome.cannot_start("no way"), "good": Outcome.runs()}).start()
    world.run_group(task("bad"), task("good"))
    world.until_state("good", "TASK_KILLED")
    assert world.master.states("bad") == ["TASK_STARTING", "TASK_FAILED"]
    assert world.master.statuses("bad")[-1].message == "no way"


def test_health_is_told_when_it_changes_and_persists_in_later_statuses() -> None:
    world = World(RUNS).start()
    world.run(health_checked(consecutive_failures=5, grace_period_seconds=0))
    world.advance(3.5)
    world.prober.http_status = 500
    world.advance(2)
    world.prober.http_status = 399
    world.advance(3)
    health = [s.healthy for s in world.master.statuses() if s.HasField("reason")]
    assert health == [True, False, False, True]
    assert {s.reason for s in world.master.statuses() if s.HasField("healthy")} == {
        mesos.TaskStatus.REASON_TASK_HEALTH_CHECK_STATUS_UPDATED
    }


def test_failures_in_the_grace_period_do_not_count() -> None:
    world = World(RUNS).start()
    world.prober.http_status = None
    world.run(health_checked(consecutive_failures=2, grace_period_seconds=10))
    world.advance(9.5)
    assert world.master.states() == ["TASK_STARTING", "TASK_RUNNING"]
    status = world.until_state("t1", "TASK_KILLED", 5)
    assert status.HasField("healthy")
    assert not status.healthy


def test_a_check_reports_its_result_when_it_changes() -> None:
    world = World(RUNS).start()
    info = task()
    info.check.type = mesos.CheckInfo.TCP
    info.check.tcp.port = 80
    info.check.delay_seconds = 0
    info.check.interval_seconds = 1
    world.run(info)
    world.advance(3)
    world.prober.listens = False
    world.advance(3)
    results = [s.check_status for s in world.master.statuses()]
    assert [r.tcp.succeeded if r.tcp.HasField("succeeded") else None for r in results] == [None, None, True, False]
    assert all(r.type == mesos.CheckInfo.TCP for r in results)


def test_checks_stop_when_the_task_is_killed() -> None:
    world = World({"*": Outcome(math.inf, term_delay=math.inf)}).start()
    world.run(health_checked(consecutive_failures=99, grace_period_seconds=0))
    world.advance(1.5)
    world.kill("t1")
    world.prober.http_status = 500
    world.until_state("t1", "TASK_KILLED")
    assert [s.healthy for s in world.master.statuses() if s.HasField("healthy")] == [True]


def test_one_unhealthy_task_makes_all_later_ends_in_its_executor_unhealthy() -> None:
    world = World(RUNS).start()
    world.prober.http_status = 500
    sick = health_checked(consecutive_failures=1, grace_period_seconds=0)
    world.run_group(sick, task("t2"), info=framework())
    status = world.until_state("t2", "TASK_KILLED")
    assert status.HasField("healthy")
    assert not status.healthy


class SlowLauncher(SimulatedLauncher):
    """Tells of a start only when the test says so."""

    def __init__(self, actor: Actor, outcomes: Outcomes) -> None:
        super().__init__(actor, outcomes)
        self.starts: list[Callable[[], None]] = []

    def launch(self, command: Command, on_start: Callable[[], None], *others: Any) -> SimulatedProcess:
        return super().launch(command, lambda: self.starts.append(on_start), *others)


class SlowWorld(World):
    def make_launcher(self, outcomes: Outcomes) -> SlowLauncher:
        return SlowLauncher(self.actor, outcomes)


def test_a_kill_that_comes_before_the_group_is_launched_is_lost() -> None:
    world = SlowWorld(RUNS)
    world.start()
    world.run_group(task("t1"), task("t2"))
    world.until_state("t2", "TASK_STARTING")
    world.kill("t1")
    world.advance(10)
    assert world.master.states("t1") == ["TASK_STARTING"]
    for start in world.launcher.starts:
        start()
    world.advance(60)
    assert world.master.states("t1") == ["TASK_STARTING", "TASK_RUNNING"]
    world.kill("t1")
    world.until_state("t1", "TASK_KILLED")


def test_without_checkpoints_a_group_ends_at_once_when_its_agent_is_gone() -> None:
    world = World({"*": Outcome.runs().ignoring_sigterm()}).start()
    world.run_group(task("t1"))
    world.until_state("t1", "TASK_RUNNING")
    world.advance(1)
    world.agent.terminate()
    world.actor.settle()
    assert world.host.containers() == []
    assert world.host.nested.all() == []
