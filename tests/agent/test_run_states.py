"""The table of a task's states in the hands of a built-in executor, and that what happens keeps to it."""

from __future__ import annotations

import pytest

from pymesoskit.testing.engine.agent import Outcome
from pymesoskit.testing.engine.executors.run_states import MEANINGS, RUN, RunCause, RunState
from pymesoskit.testing.engine.executors.task_run import TaskRun
from tests.agent.world import World, task


def test_every_state_is_in_the_table_and_explained() -> None:
    assert set(RUN) == set(MEANINGS) == set(RunState)


def test_every_state_can_be_reached_and_left_for_the_end() -> None:
    reached, todo = set(), [RunState.LAUNCHING]
    while todo:
        state = todo.pop()
        if state not in reached:
            reached.add(state)
            todo += RUN[state].values()
    assert reached == set(RunState)
    for state in set(RunState) - {RunState.ENDED}:
        assert RunState.ENDED in RUN[state].values()
        assert RUN[state][RunCause.DESTROY] is RunState.ENDED
    assert not RUN[RunState.ENDED]


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The causes that changed the state of a task, in order."""
    seen: list[str] = []
    enter = TaskRun.enter

    def noted(run: TaskRun, cause: RunCause) -> bool:
        entered = enter(run, cause)
        if entered:
            seen.append(cause.name)
        return entered

    monkeypatch.setattr(TaskRun, "enter", noted)
    return seen


@pytest.mark.parametrize("grouped", [False, True])
def test_a_task_that_finishes(path: list[str], grouped: bool) -> None:
    world = World({"*": Outcome.finishes(1)}).start()
    (world.run_group if grouped else world.run)(task("t1"))
    world.until_state("t1", "TASK_FINISHED")
    assert path == ["START", "ANNOUNCE", "END"]


@pytest.mark.parametrize("grouped", [False, True])
def test_a_task_that_is_killed_twice(path: list[str], grouped: bool) -> None:
    world = World({"*": Outcome.runs().ignoring_sigterm()}).start()
    (world.run_group if grouped else world.run)(task("t1"))
    world.kill("t1")
    world.kill("t1")
    world.until_state("t1", "TASK_KILLED")
    kills = ["KILL"] if grouped else ["KILL", "KILL"]  # a group's task ignores the second kill
    assert path == ["START", "ANNOUNCE", *kills, "END"]


def test_a_task_that_cannot_be_started(path: list[str]) -> None:
    world = World({"*": Outcome.cannot_start("no room")}).start()
    world.run_group(task("t1"))
    world.until_state("t1", "TASK_FAILED")
    assert path == ["FAIL"]


def test_a_task_whose_executor_is_destroyed(path: list[str]) -> None:
    world = World({"*": Outcome.runs()}).start()
    world.run_group(task("t1"))
    ((_, found),) = world.agent.core.executors()
    world.host.destroy(found.container_id)
    world.advance(1)
    assert path == ["START", "ANNOUNCE", "DESTROY"]
