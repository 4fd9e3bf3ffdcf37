"""What an agent that comes back tells its master: executors that have ended, updates, what is completed.

The rules are those of docs/reference/agent-executor.md 5.5 and docs/reference/failover.md.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.testing.engine.agent import Exit, Outcome, executors
from pymesoskit.testing.engine.network.messages import (
    AgentReregistered,
    ExitedExecutor,
    ReregisterAgent,
    RunTask,
    UpdateFramework,
)
from pymesoskit.wire.v1 import mesos
from tests.agent.test_executors import CheckpointedWorld, kinds
from tests.agent.world import FRAMEWORK_ID, World, executor, framework, task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUNS = {"*": Outcome.runs()}
UNACKNOWLEDGED = "VVVVVVVVRVWVVVVVVVVVVQ=="


def listed(world: World) -> list[str]:
    """The executors with which the agent has registered again."""
    return [info.executor_id.value for _, info in world.master.got(ReregisterAgent)[-1].executors]


def come_back(world: World) -> None:
    """The agent starts again and registers; the master sends the framework's info, as it does to every such agent."""
    world.restart()
    world.actor.run_until(lambda: world.agent.registered)
    world.send(UpdateFramework(framework(checkpoint=True), after_reregistration=True))


def state_of(world: World) -> Any:
    answer = world.http("GET", "/state")
    assert answer.response is not None
    return json.loads(answer.response.body)


def run_custom(world: World) -> None:
    assert isinstance(world, CheckpointedWorld)
    world.launch("t1")
    world.subscribe()
    world.update("t1", "TASK_RUNNING")


def kill_process(world: World) -> None:
    assert isinstance(world, CheckpointedWorld)
    world.process().on_exit(Exit.of_signal(9))


def reboot(world: World) -> None:
    world.host.reboot()


# Executors that ended while the agent was away


@pytest.mark.parametrize("end", [kill_process, reboot])
def test_a_custom_executor_that_ended_meanwhile_is_not_listed(tmp_path: Path, end: Callable[[World], None]) -> None:
    world = CheckpointedWorld(tmp_path)
    run_custom(world)
    world.master.acknowledges = False
    world.agent.terminate()
    end(world)
    come_back(world)
    assert listed(world) == []
    assert world.master.states("t1") == ["TASK_FAILED"]
    assert len(list(world.agent.core.executors())) == 1  # until the update is acknowledged


def test_a_default_executor_that_ended_with_its_machine_is_not_listed() -> None:
    world = World(RUNS, executor_reregistration_timeout="1secs").start()
    world.run_group(task(), info=framework(checkpoint=True))
    world.until_state("t1", "TASK_RUNNING")
    world.agent.terminate()
    world.host.reboot()
    world.master.acknowledges = False
    come_back(world)
    assert listed(world) == []
    assert world.master.got(ExitedExecutor) == []


def test_an_executor_that_is_waited_for_is_listed(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    run_custom(world)
    world.agent.terminate()
    world.restart()
    world.subscribe()
    world.actor.run_until(lambda: world.agent.registered)
    assert listed(world) == ["custom"]


def test_an_executor_that_ended_while_there_was_no_master_is_not_listed(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    run_custom(world)
    world.master.answers = False
    world.agent._registration.detect()  # the master fails over
    world.process().on_exit(Exit.of_code(0))
    world.actor.settle()
    world.master.answers = True
    world.actor.run_until(lambda: world.agent.registered)
    assert listed(world) == []


def test_the_id_of_an_executor_that_ended_meanwhile_can_be_used_again(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    run_custom(world)
    world.agent.terminate()
    world.process().on_exit(Exit.of_code(0))
    come_back(world)
    world.actor.settle()
    info = task("t2", None)
    info.executor.CopyFrom(executor())
    world.send(RunTask(framework(checkpoint=True), info, launch_executor=True))
    assert kinds(world.subscribe()) == ["SUBSCRIBED", "LAUNCH"]


# The default executor's group ended meanwhile


@pytest.mark.parametrize(
    ("outcome", "state"), [(Outcome.finishes(5), "TASK_FINISHED"), (Outcome.fails(1, 5), "TASK_FAILED")]
)
def test_the_end_of_a_group_is_told_after_the_recovery_and_then_that_of_its_executor(
    outcome: Outcome, state: str
) -> None:
    world = World({"*": outcome}, executor_reregistration_timeout="1secs").start()
    world.run_group(task(), info=framework(checkpoint=True))
    world.until_state("t1", "TASK_RUNNING")
    world.agent.terminate()
    world.advance(10)
    come_back(world)
    assert listed(world) == ["default"]
    world.until_state("t1", state)
    assert world.master.states("t1") == [state]
    world.actor.run_until(lambda: world.master.got(ExitedExecutor), 10)
    (exited,) = world.master.got(ExitedExecutor)
    assert (exited.executor_id, exited.status) == ("default", 0)


def test_a_group_that_ends_while_the_agent_recovers_is_told_after_the_recovery() -> None:
    world = World({"*": Outcome.finishes(10.5)}, executor_reregistration_timeout="1secs").start()
    world.run_group(task(), info=framework(checkpoint=True))
    world.until_state("t1", "TASK_RUNNING")
    world.agent.terminate()
    world.advance(10)
    come_back(world)
    assert world.master.states("t1") == []
    world.until_state("t1", "TASK_FINISHED")
    world.actor.run_until(lambda: world.master.got(ExitedExecutor), 10)


# How often an update is sent


def test_what_the_agent_itself_reports_while_it_recovers_is_sent_once(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    world.launch("t1", "t2")
    world.subscribe()
    world.master.acknowledges = False
    world.agent.terminate()
    world.process().on_exit(Exit.of_code(0))
    come_back(world)
    world.send(UpdateFramework(framework(checkpoint=True), after_reregistration=True))  # one for each framework
    assert world.master.states("t1") == world.master.states("t2") == ["TASK_FAILED"]
    world.advance(10.1)
    assert len(world.master.states("t1")) == 2  # it is still sent until it is acknowledged


def test_the_end_of_an_executor_that_is_not_back_in_time_is_sent_once(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    run_custom(world)
    world.master.acknowledges = False
    world.restart()
    world.advance(1.0001)
    kill_process(world)  # as the agent has asked for
    world.actor.run_until(lambda: world.agent.registered)
    world.send(UpdateFramework(framework(checkpoint=True), after_reregistration=True))
    assert world.master.states("t1") == ["TASK_GONE"]


def test_it_is_sent_again_when_its_framework_subscribes_and_after_the_next_registration(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    run_custom(world)
    world.master.acknowledges = False
    world.agent.terminate()
    kill_process(world)
    come_back(world)
    world.send(UpdateFramework(framework(checkpoint=True)))
    assert world.master.states("t1") == ["TASK_FAILED"] * 2
    world.agent._registration.detect()
    world.actor.run_until(lambda: world.agent.registered)
    world.send(UpdateFramework(framework(checkpoint=True), after_reregistration=True))
    assert world.master.states("t1") == ["TASK_FAILED"] * 4


def test_an_update_from_before_the_restart_is_sent_twice(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    world.master.acknowledges = False
    run_custom(world)
    world.restart()
    world.subscribe()
    world.actor.run_until(lambda: world.agent.registered)
    world.send(UpdateFramework(framework(checkpoint=True), after_reregistration=True))
    assert world.master.states("t1") == ["TASK_RUNNING"] * 2


# Completed executors


@pytest.mark.parametrize("end", [None, reboot])
def test_executors_that_ended_before_the_restart_stay_completed_with_their_tasks(
    end: Callable[[World], None] | None,
) -> None:
    world = World({"t1": Outcome.finishes(1), "t2": Outcome.runs()}, executor_reregistration_timeout="1secs").start()
    world.run(task("t1"), task("t2"), info=framework(checkpoint=True))
    world.until_state("t1", "TASK_FINISHED")
    world.advance(5)
    world.agent.terminate()
    if end is not None:
        end(world)
    world.restart()
    world.actor.run_until(lambda: world.agent.registered)
    world.actor.settle()
    (shown,) = [*state_of(world)["frameworks"], *state_of(world)["completed_frameworks"]]
    done = {each["id"]: each for each in shown["completed_executors"]}
    (finished,) = done["t1"]["completed_tasks"]
    assert (finished["id"], finished["state"]) == ("t1", "TASK_FINISHED")


def test_a_framework_of_which_nothing_ran_any_more_stays_completed_and_is_not_waited_for() -> None:
    world = World({"*": Outcome.finishes(1)}).start()
    world.run(task(), info=framework(checkpoint=True))
    world.until_state("t1", "TASK_FINISHED")
    world.advance(5)
    world.restart()
    assert world.agent.recovered
    world.actor.run_until(lambda: world.agent.registered)
    shown = state_of(world)
    assert shown["frameworks"] == []
    (completed,) = shown["completed_frameworks"]
    assert [each["id"] for each in completed["completed_executors"]] == ["t1"]
    assert [each.task_id.value for each in world.master.got(ReregisterAgent)[-1].completed_tasks] == ["t1"]


def test_checkpoints_of_completed_executors_are_as_many_as_are_remembered() -> None:
    world = World({"*": Outcome.finishes(1)}, max_completed_executors_per_framework="2").start()
    world.run(task("long"), info=framework(checkpoint=True))
    for number in range(5):
        world.run(task(f"t{number}"), info=framework(checkpoint=True))
        world.advance(5)
    kept = world.host.store.names(f"slaves/M-S0/frameworks/{FRAMEWORK_ID}/executors")
    assert kept == ["t3", "t4"]


def test_the_updates_of_a_completed_executor_are_not_sent_again() -> None:
    world = World(RUNS).start()
    world.master.acknowledges = False
    world.run(task(), info=framework(checkpoint=True))
    world.until_state("t1", "TASK_STARTING")
    known = world.agent.core.frameworks[FRAMEWORK_ID]
    executors.shutdown_framework(world.agent.core, known)
    world.advance(20)
    world.restart()
    world.actor.run_until(lambda: world.agent.registered)
    world.send(UpdateFramework(framework(checkpoint=True)))
    assert world.master.statuses() == []


def test_an_agent_that_registers_again_unasked_lists_what_it_has(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    run_custom(world)
    world.agent._registration.detect()
    world.actor.run_until(lambda: world.agent.registered)
    world.send(AgentReregistered("M-S0", 75.0))
    assert listed(world) == ["custom"]
    assert world.master.got(ReregisterAgent)[-1].tasks[0].state == mesos.TASK_RUNNING
