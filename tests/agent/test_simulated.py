"""Simulated commands: what the table or function says is what happens."""

from __future__ import annotations

import signal

import pytest

from pymesoskit.testing.engine.agent import Command, Exit, Outcome, Outcomes, SimulatedLauncher, Usage
from pymesoskit.testing.engine.network.messages import RunTask
from pymesoskit.testing.runtime.actor import SimulatedActor

from .world import World, executor, framework, task


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
