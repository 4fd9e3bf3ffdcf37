"""Simulated commands: what the table or function says is what happens."""

from __future__ import annotations

import signal

import pytest

from pymesoskit.testing.engine.agent import Command, Exit, Outcome, Outcomes, SimulatedLauncher, Usage
from pymesoskit.testing.engine.network.messages import RunTask
from pymesoskit.testing.runtime.actor import SimulatedActor
from pymesoskit.wire.v1 import mesos
from tests.agent.world import World, executor, framework, task


class Run:
    def __init__(self, outcomes: Outcomes, task_id: str | None = "t") -> None:
        self.actor = SimulatedActor()
        launcher = SimulatedLauncher(self.actor, outcomes)
        info = None if task_id is None else task(task_id)
        self.events: list[object] = []
        self.process = launcher.launch(
            Command((), {}, None, task=info), lambda: self.events.append("start"), self._end, self.events.append
        )

    def _end(self, how: Exit) -> None:
        self.events.append((self.actor.clock.monotonic(), how.describe()))


@pytest.mark.parametrize(
    ("outcome", "end"),
    [
        (Outcome.finishes(), (0, "exited with status 0")),
        (Outcome.finishes(3.5), (3.5, "exited with status 0")),
        (Outcome.fails(1, 7), (1, "exited with status 7")),
        (Outcome.crashes(2), (2, "terminated with signal Segmentation fault")),
        (Outcome.loses_executor(4), (4, "terminated with signal Killed")),
    ],
)
def test_outcomes(outcome: Outcome, end: object) -> None:
    run = Run({"t": outcome})
    run.actor.advance(100)
    assert run.events == ["start", end]
    assert run.process.usage() is None


def test_a_command_that_cannot_start_says_why() -> None:
    run = Run({"t": Outcome.cannot_start("no room")})
    run.actor.advance(1)
    assert run.events == ["no room"]


@pytest.mark.parametrize(
    ("signals", "end"),
    [
        ([(1, signal.SIGTERM)], (1, "terminated with signal Terminated")),
        ([(1, signal.SIGTERM), (1, signal.SIGKILL)], (1, "terminated with signal Terminated")),
        ([(1, signal.SIGSTOP), (2, signal.SIGCONT), (3, signal.SIGHUP)], (3, "terminated with signal Hangup")),
    ],
)
def test_signals(signals: list[tuple[float, int]], end: object) -> None:
    run = Run({"t": Outcome.runs()})
    for at, number in signals:
        run.actor.advance(at - run.actor.clock.monotonic())
        run.process.kill(number)
    run.actor.advance(100)
    assert run.events == ["start", end]
    run.process.kill(signal.SIGKILL)
    run.actor.advance(100)
    assert len(run.events) == 2


def test_sigterm_may_take_its_time_or_be_ignored() -> None:
    slow = Run({"t": Outcome(run_time=100, term_delay=5)})
    slow.actor.advance(1)
    slow.process.kill(signal.SIGTERM)
    slow.actor.advance(100)
    assert slow.events[-1] == (6, "terminated with signal Terminated")
    deaf = Run({"t": Outcome.runs().ignoring_sigterm()})
    deaf.actor.advance(1)
    deaf.process.kill(signal.SIGTERM)
    deaf.actor.advance(100)
    assert deaf.events == ["start"]


def test_a_table_is_asked_by_id_then_by_name_then_for_all_others() -> None:
    table = {"t": Outcome.fails(code=1), "*": Outcome.fails(code=3)}
    assert [Run(table, task_id).process.outcome.exit.code for task_id in ("t", "other")] == [1, 3]
    assert Run({}, "unknown").process.outcome == Outcome()
    assert Run(lambda info: Outcome.fails(code=len(info.name)), "four").process.outcome.exit.code == 4


def test_a_command_of_no_task_succeeds_at_once() -> None:
    run = Run({"*": Outcome.runs()}, None)
    run.actor.advance(0)
    assert run.events == ["start", (0, "exited with status 0")]


def test_what_it_uses_is_told_while_it_runs() -> None:
    run = Run({"t": Outcome(run_time=5, usage=Usage(mem_rss_bytes=7))})
    run.actor.advance(1)
    assert run.process.usage() == Usage(mem_rss_bytes=7)


def test_a_custom_executor_is_played_and_runs_its_tasks_as_they_should_end() -> None:
    world = World({"good": Outcome.finishes(1), "bad": Outcome.fails(1, 2), "long": Outcome.runs()}).start()
    for number, task_id in enumerate(("good", "bad", "long")):
        info = task(task_id, None)
        info.executor.CopyFrom(executor())
        world.send(RunTask(framework(), info, launch_executor=number == 0))
    world.until_state("bad", "TASK_FAILED")
    assert world.master.states("good") == ["TASK_RUNNING", "TASK_FINISHED"]
    world.kill("long")
    assert world.until_state("long", "TASK_KILLED")


# Health


def health_check(kind: str, **fields: float) -> mesos.HealthCheck:
    check = mesos.HealthCheck(type=mesos.HealthCheck.Type.Value(kind), delay_seconds=0, interval_seconds=1)
    check.consecutive_failures = 3
    check.grace_period_seconds = 0
    if kind == "COMMAND":
        check.command.value = "false"  # is not run
    else:
        getattr(check, kind.lower()).port = 1  # nothing listens there
    for name, value in fields.items():
        setattr(check, name, value)
    return check


def healths(world: World, task_id: str = "t1") -> list[tuple[float, bool]]:
    """When the task's health was told, in seconds after the beginning, and what it was."""
    reason = mesos.TaskStatus.REASON_TASK_HEALTH_CHECK_STATUS_UPDATED
    return [
        (round(status.timestamp - world.agent.core.start_time), status.healthy)
        for status in world.master.statuses(task_id)
        if status.reason == reason
    ]


class NoProber:
    """Fails the test if anybody looks at a port."""

    def http(self, *_: object) -> None:
        raise AssertionError("a check of a simulated task has looked at a port")

    tcp = http


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("kind", ["COMMAND", "HTTP", "TCP"])
def test_health_checks_follow_the_script_of_the_outcome(kind: str, grouped: bool) -> None:
    class ScriptedWorld(World):
        def make_prober(self) -> NoProber:
            return NoProber()

    world = ScriptedWorld({"*": Outcome.runs().healthy(after=3).unhealthy(after=60)}).start()
    info = task("t1")
    info.health_check.CopyFrom(health_check(kind, grace_period_seconds=10))
    (world.run_group if grouped else world.run)(info)
    world.until_state("t1", "TASK_KILLED")
    assert healths(world) == [(3, True), (60, False), (61, False), (62, False)]
    assert world.master.statuses("t1")[-1].healthy is False


def test_without_a_script_a_task_is_healthy() -> None:
    world = World({"*": Outcome.runs()}).start()
    info = task("t1")
    info.health_check.CopyFrom(health_check("HTTP"))
    world.run(info)
    world.advance(100)
    assert healths(world) == [(0, True)]


@pytest.mark.parametrize(("kind", "results"), [("COMMAND", [0, 1]), ("HTTP", [200, 500]), ("TCP", [True, False])])
def test_checks_follow_the_script_too(kind: str, results: list[object]) -> None:
    world = World({"*": Outcome.runs().unhealthy(after=5)}).start()
    info = task("t1")
    info.check.type = mesos.CheckInfo.Type.Value(kind)
    info.check.delay_seconds, info.check.interval_seconds = 0, 1
    if kind == "COMMAND":
        info.check.command.command.value = "false"
    else:
        getattr(info.check, kind.lower()).port = 1
    world.run(info)
    world.advance(10)
    found = [
        (s.check_status.command.exit_code, s.check_status.http.status_code, s.check_status.tcp.succeeded)
        for s in world.master.statuses("t1")
        if s.reason == mesos.TaskStatus.REASON_TASK_CHECK_STATUS_UPDATED
    ]
    assert [each[["COMMAND", "HTTP", "TCP"].index(kind)] for each in found] == results


def test_an_interval_of_nothing_lets_time_pass() -> None:
    world = World({"*": Outcome.finishes(1)}).start()
    info = task("t1")
    info.health_check.CopyFrom(health_check("TCP", interval_seconds=0))
    world.run(info)
    world.until_state("t1", "TASK_FINISHED")
    assert healths(world) == [(0, True)]


@pytest.mark.parametrize(
    ("outcome", "ages"),
    [
        (Outcome.runs().healthy(), [True, True, True]),
        (Outcome.runs().unhealthy(), [False, False, False]),
        (Outcome.runs().healthy(5), [False, True, True]),
        (Outcome.runs().unhealthy(5), [True, False, False]),
        (Outcome.runs().unhealthy(5).healthy(10), [True, False, True]),
    ],
)
def test_before_the_first_step_health_is_the_opposite(outcome: Outcome, ages: list[bool]) -> None:
    assert [outcome.is_healthy_at(age) for age in (4.9, 5, 10)] == ages


@pytest.mark.parametrize("after", [-1.0, 5.0, 4.0, float("nan")])
def test_the_steps_of_health_come_in_order(after: float) -> None:
    with pytest.raises(ValueError, match=r"bad time .* of a change of health: expected seconds from the start, later"):
        Outcome.runs().healthy(5).unhealthy(after)
