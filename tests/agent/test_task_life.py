"""Command tasks from launch to their last acknowledged update (docs/reference/agent-executor.md 3 and 8)."""

from __future__ import annotations

import math

import pytest

from pymesoskit.testing.engine.agent import Outcome
from pymesoskit.testing.engine.network.messages import StatusUpdate
from pymesoskit.wire.v1 import mesos
from tests.agent.world import World, framework, task


def test_a_task_that_exits_0_starts_runs_and_finishes() -> None:
    world = World().start()
    world.run(task())
    world.until_state("t1", "TASK_FINISHED")
    assert world.master.states("t1") == ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]
    last = world.master.statuses("t1")[-1]
    assert last.message == "Command exited with status 0"
    assert last.source == mesos.TaskStatus.SOURCE_EXECUTOR
    assert last.executor_id.value == "t1"
    assert last.agent_id.value == "M-S0"
    assert last.container_status.network_infos[0].ip_addresses[0].ip_address == "127.0.0.1"
    assert last.container_status.executor_pid > 0
    assert not last.HasField("reason")


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (Outcome.fails(code=3), "Command exited with status 3"),
        (Outcome.crashes(number=9), "Command terminated with signal Killed"),
    ],
)
def test_a_task_that_ends_otherwise_fails(outcome: Outcome, message: str) -> None:
    world = World({"t1": outcome}).start()
    world.run(task())
    status = world.until_state("t1", "TASK_FAILED")
    assert status.message == message
    assert not status.HasField("reason")


def test_each_update_waits_for_the_acknowledgement_of_the_one_before() -> None:
    world = World().start()
    world.master.acknowledges = False
    world.run(task())
    world.advance(5)
    assert world.master.states() == ["TASK_STARTING"]
    update = world.master.got(StatusUpdate)[0]
    world.master.acknowledge(world.agent.address, update)
    world.advance(1)
    assert world.master.states() == ["TASK_STARTING", "TASK_RUNNING"]


def test_an_update_is_repeated_after_10_seconds_then_after_twice_as_long() -> None:
    world = World({"*": Outcome.runs()}).start()
    world.master.acknowledges = False
    world.run(task())
    world.advance(1)
    seen = []
    for _ in range(40):
        seen.append(len(world.master.statuses()))
        world.advance(10)
    changes = [10 * i for i in range(1, 40) if seen[i] != seen[i - 1]]
    assert changes == [10, 30, 70, 150, 310]
    assert len({status.uuid for status in world.master.statuses()}) == 1


def test_kill_ends_a_task_by_sigterm() -> None:
    world = World({"*": Outcome.runs()}).start()
    world.run(task())
    world.until_state("t1", "TASK_RUNNING")
    world.kill("t1")
    status = world.until_state("t1", "TASK_KILLED", 0.1)
    assert status.message == "Command terminated with signal Terminated"


def test_a_task_that_ignores_sigterm_is_killed_after_the_grace_period() -> None:
    world = World({"*": Outcome.runs().ignoring_sigterm()}).start()
    world.run(task())
    world.until_state("t1", "TASK_RUNNING")
    world.kill("t1")
    world.advance(2.9)
    assert "TASK_KILLED" not in world.master.states()
    status = world.until_state("t1", "TASK_KILLED", 0.2)
    assert status.message == "Command terminated with signal Killed"


def test_the_grace_period_is_that_of_the_tasks_own_kill_policy() -> None:
    world = World({"*": Outcome.runs().ignoring_sigterm()}).start()
    patient = task()
    patient.kill_policy.grace_period.nanoseconds = 20 * 10**9
    world.run(patient)
    world.until_state("t1", "TASK_RUNNING")
    policy = mesos.KillPolicy()
    policy.grace_period.nanoseconds = 10**9  # never reaches a command executor
    world.kill("t1", policy)
    world.advance(19)
    assert "TASK_KILLED" not in world.master.states()
    world.advance(2)
    assert "TASK_KILLED" in world.master.states()


def test_an_http_command_executor_is_told_the_kill_policy_of_the_call() -> None:
    world = World({"*": Outcome.runs().ignoring_sigterm()}, http_command_executor="true").start()
    world.run(task())
    world.until_state("t1", "TASK_RUNNING")
    policy = mesos.KillPolicy()
    policy.grace_period.nanoseconds = 10**9
    world.kill("t1", policy)
    world.advance(1.1)
    assert "TASK_KILLED" in world.master.states()


def test_killing_is_told_only_to_frameworks_that_want_to_know() -> None:
    world = World({"*": Outcome.runs()}).start()
    world.run(task(), info=framework(mesos.FrameworkInfo.Capability.TASK_KILLING_STATE))
    world.until_state("t1", "TASK_RUNNING")
    world.kill("t1")
    world.until_state("t1", "TASK_KILLED")
    assert world.master.states()[-2:] == ["TASK_KILLING", "TASK_KILLED"]


def test_a_killed_task_is_killed_even_if_it_exits_0() -> None:
    world = World({"*": Outcome(run_time=1.0, term_delay=math.inf)}).start()
    world.run(task())
    world.until_state("t1", "TASK_RUNNING")
    world.kill("t1")
    assert world.until_state("t1", "TASK_KILLED").message == "Command exited with status 0"


def test_a_task_may_run_no_longer_than_its_max_completion_time() -> None:
    world = World({"*": Outcome.runs()}).start()
    limited = task()
    limited.max_completion_time.nanoseconds = 2 * 10**9
    world.run(limited, info=framework(mesos.FrameworkInfo.Capability.TASK_KILLING_STATE))
    world.advance(1.9)
    assert world.master.states() == ["TASK_STARTING", "TASK_RUNNING"]
    status = world.until_state("t1", "TASK_FAILED", 0.2)
    assert status.reason == mesos.TaskStatus.REASON_MAX_COMPLETION_TIME_REACHED
    assert status.message == "Command terminated with signal Terminated"
    assert "TASK_KILLING" not in world.master.states()


def test_a_task_that_cannot_start_fails_its_container() -> None:
    world = World({"*": Outcome.cannot_start("no such image")}).start()
    world.run(task())
    status = world.until_state("t1", "TASK_FAILED")
    assert status.reason == mesos.TaskStatus.REASON_CONTAINER_LAUNCH_FAILED
    assert status.message == "Failed to launch container: no such image"
    assert status.source == mesos.TaskStatus.SOURCE_AGENT


def test_an_executor_that_dies_takes_its_task_with_it() -> None:
    world = World({"*": Outcome.loses_executor(5.0)}).start()
    world.run(task())
    status = world.until_state("t1", "TASK_FAILED")
    assert status.reason == mesos.TaskStatus.REASON_EXECUTOR_TERMINATED
    assert status.message == "Executor terminated"


def test_nothing_is_left_of_a_framework_whose_tasks_are_all_acknowledged() -> None:
    world = World().start()
    world.run(task("a"), task("b"))
    world.until_state("b", "TASK_FINISHED")
    world.advance(1)
    assert world.agent.core.frameworks == {}
    assert len(world.agent.core.completed_frameworks) >= 1
    assert world.host.containers() == []
