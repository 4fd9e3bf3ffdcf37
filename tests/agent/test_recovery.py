"""Agents that come back, to what they left, and what they heed meanwhile (agent-executor.md 2, 5.5; failover.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pymesoskit.testing.engine.agent import Exit, Outcome
from pymesoskit.testing.engine.agent.transitions import Phase
from pymesoskit.testing.engine.flags.flags import AgentFlags
from pymesoskit.testing.engine.network.messages import (
    AgentReregistered,
    DrainAgent,
    ExecutorToFramework,
    ExitedExecutor,
    FrameworkToExecutor,
    Message,
    PingAgent,
    PongAgent,
    RegisterAgent,
    ReregisterAgent,
    RunTask,
    ShutdownAgent,
    ShutdownExecutor,
    ShutdownFramework,
    StatusUpdate,
    StatusUpdateAcknowledgement,
    UpdateAgent,
    UpdateFramework,
)
from pymesoskit.wire.v1 import mesos
from tests.agent.test_executors import CheckpointedWorld, CustomWorld, kinds
from tests.agent.world import FRAMEWORK_ID, World, executor, framework, task

if TYPE_CHECKING:
    from pathlib import Path

RUNS = {"*": Outcome.runs()}
KILLING = mesos.FrameworkInfo.Capability.TASK_KILLING_STATE


# How long it waits


def test_an_agent_waits_for_executors_that_have_ended_too(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    world.launch("t1")
    world.subscribe()
    world.update("t1", "TASK_RUNNING")
    world.agent.terminate()
    world.process().on_exit(Exit.of_code(0))
    world.advance(5)
    world.restart()
    world.advance(0.99)
    assert not world.agent.recovered
    status = world.until_state("t1", "TASK_FAILED")
    assert status.message == "Executor terminated"
    assert world.master.got(ExitedExecutor) == []


def test_nothing_is_waited_for_if_all_executors_were_done_with(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    world.launch("t1")
    world.subscribe()
    world.update("t1", "TASK_FINISHED")
    world.process().on_exit(Exit.of_code(0))
    world.advance(1)
    world.restart()
    assert world.agent.recovered


def test_an_agent_that_recovers_answers_pings(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    world.launch("t1")
    world.subscribe()
    world.restart()
    assert not world.agent.recovered
    world.send(PingAgent(connected=False))
    assert len(world.master.got(PongAgent)) == 1
    assert not world.agent.recovered


def test_an_executor_that_comes_back_in_time_shortens_nothing(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    world.launch("t1")
    world.subscribe()
    world.update("t1", "TASK_RUNNING")
    world.restart()
    assert kinds(world.subscribe()) == ["SUBSCRIBED"]
    world.advance(0.99)
    assert world.master.got(ReregisterAgent) == []
    world.actor.run_until(lambda: world.agent.registered)
    assert world.master.statuses() == []


def test_an_executor_of_a_framework_that_is_not_partition_aware_is_lost_if_it_does_not_come_back(
    tmp_path: Path,
) -> None:
    world = CheckpointedWorld(tmp_path)
    info = task("t1", None)
    info.executor.CopyFrom(executor())
    world.send(RunTask(framework(checkpoint=True, partition_aware=False), info, launch_executor=True))
    world.subscribe()
    world.update("t1", "TASK_RUNNING")
    world.restart()
    world.advance(1.01)
    world.process().on_exit(Exit.of_signal(9))
    status = world.until_state("t1", "TASK_LOST")
    assert status.reason == mesos.TaskStatus.REASON_EXECUTOR_REREGISTRATION_TIMEOUT


# What it remembers


def test_what_a_framework_became_is_remembered(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    world.launch("t1")
    world.send(UpdateFramework(framework(KILLING, checkpoint=True, partition_aware=False)))
    world.restart()
    (known,) = world.agent.core.frameworks.values()
    assert not known.partition_aware


def test_an_executor_with_the_id_of_its_task_is_still_no_command_executor(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    info = task("custom", None)
    info.executor.CopyFrom(executor("custom"))
    info.executor.ClearField("type")
    world.send(RunTask(framework(checkpoint=True), info, launch_executor=True))
    world.agent.terminate()
    world.process().on_exit(Exit.of_code(0))
    world.advance(1)
    world.restart()
    ((_, found),) = world.agent.core.executors()
    assert not found.is_command


def test_only_what_was_sent_is_said_to_be_the_state_of_updates() -> None:
    """A master that fails over must know which update the next acknowledgement is about."""
    world = World(RUNS, executor_reregistration_timeout="1secs").start()
    world.master.acknowledges = False
    world.run(task(), info=framework(checkpoint=True))
    world.until_state("t1", "TASK_STARTING")
    world.advance(1)
    (known,) = world.agent.core.tasks()
    assert known.message().state == mesos.TASK_RUNNING
    assert known.message().status_update_state == mesos.TASK_STARTING
    assert known.message().status_update_uuid == world.master.statuses("t1")[0].uuid
    world.restart()
    world.actor.run_until(lambda: world.agent.registered)
    (message,) = world.master.got(ReregisterAgent)
    assert message.tasks[0].state == mesos.TASK_RUNNING
    assert not message.tasks[0].HasField("status_update_uuid")


def test_a_drain_goes_on_after_a_restart(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    world.launch("t1")
    world.subscribe()
    world.update("t1", "TASK_RUNNING")
    world.send(DrainAgent(mesos.DrainConfig()))
    world.restart()
    stream = world.subscribe()
    world.actor.run_until(lambda: world.agent.registered)
    assert kinds(stream) == ["SUBSCRIBED", "KILL"]
    world.update("t1", "TASK_KILLED", "BBBBBBBBQACAAAAAAAAAAA==")
    assert world.until_state("t1", "TASK_KILLED").reason == mesos.TaskStatus.REASON_AGENT_DRAINING


def test_a_framework_that_comes_back_brings_its_old_executors_along() -> None:
    world = World({"*": Outcome.finishes()}).start()
    for each in ("t1", "t2"):
        world.run(task(each))
        world.until_state(each, "TASK_FINISHED")
        world.advance(1)
    (known,) = world.agent.core.completed_frameworks
    assert [done.info.executor_id.value for done in known.completed] == ["t1", "t2"]


def test_an_agent_that_is_shut_down_while_it_recovers_ends(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    world.launch("t1")
    world.subscribe()
    world.restart()
    world.agent.shutdown()
    assert kinds(world.subscribe()) == ["SHUTDOWN"]
    world.advance(4)
    assert world.agent.phase is Phase.TERMINATING
    assert world.master.got(ReregisterAgent) == []
    world.process().on_exit(Exit.of_code(0))
    world.advance(0.1)
    assert world.ended[-1] == "unregisters and shuts down"


# An agent that only cleans up


def cleaning(world: World) -> World:
    """The next life of the agent only cleans up."""
    world.flags = AgentFlags.from_texts({"recover": "cleanup"})
    world.restart()
    return world


def test_an_agent_that_cleans_up_shuts_executors_down_and_ends() -> None:
    world = World(RUNS).start()
    world.run(task(), info=framework(checkpoint=True))
    world.until_state("t1", "TASK_RUNNING")
    ended = len(world.ended) + 1
    cleaning(world)
    world.advance(6)
    assert world.host.containers() == []
    assert world.ended[ended:] == ["has cleaned up (--recover=cleanup)"]
    assert world.master.got(ReregisterAgent) == []


def test_an_executor_that_does_not_heed_an_agent_that_cleans_up_is_killed(tmp_path: Path) -> None:
    world = CheckpointedWorld(tmp_path)
    world.launch("t1")
    world.subscribe()
    cleaning(world)
    stream = world.subscribe()
    assert kinds(stream) == ["SHUTDOWN"]
    world.advance(4.9)
    assert world.process().signals == []
    world.advance(0.2)
    assert world.process().signals == [9]
    world.process().on_exit(Exit.of_signal(9))
    world.advance(0.1)
    assert world.ended[-1] == "has cleaned up (--recover=cleanup)"


def test_an_agent_that_has_nothing_to_clean_up_ends_at_once() -> None:
    assert cleaning(World().start()).ended[-1] == "has cleaned up (--recover=cleanup)"


# What it heeds


def lose_the_master(world: World) -> None:
    """The agent thinks that its master is gone, and registers again; the master is silent."""
    world.master.answers = False
    world.send(PingAgent(connected=False))
    assert world.agent.phase is Phase.DISCONNECTED


@pytest.mark.parametrize(
    "message",
    [
        FrameworkToExecutor("M-S0", FRAMEWORK_ID, "custom", b"x"),
        ShutdownExecutor(FRAMEWORK_ID, "custom"),
        ShutdownFramework(FRAMEWORK_ID),
        UpdateFramework(framework(partition_aware=False)),
    ],
)
def test_an_agent_that_is_not_registered_does_not_heed(tmp_path: Path, message: Message) -> None:
    world = CustomWorld(tmp_path)
    world.start()
    world.launch("t1")
    stream = world.subscribe()
    lose_the_master(world)
    world.send(message)
    assert kinds(stream) == ["SUBSCRIBED", "LAUNCH"]
    (known,) = world.agent.core.frameworks.values()
    assert not known.terminating
    assert known.partition_aware


def test_an_agent_that_is_not_registered_does_not_heed_acknowledgements(tmp_path: Path) -> None:
    world = CustomWorld(tmp_path)
    world.start()
    world.master.acknowledges = False
    world.launch("t1")
    world.subscribe()
    world.update("t1", "TASK_RUNNING")
    uuid = world.master.statuses("t1")[0].uuid
    lose_the_master(world)
    world.send(StatusUpdateAcknowledgement("M-S0", FRAMEWORK_ID, "t1", uuid))
    world.master.answers = True
    world.actor.run_until(lambda: world.agent.registered, 600)
    assert [status.uuid for status in world.master.statuses("t1")] == [uuid, uuid]


def test_an_agent_that_is_not_registered_launches_and_kills_all_the_same(tmp_path: Path) -> None:
    world = CustomWorld(tmp_path)
    world.start()
    lose_the_master(world)
    world.launch("t1")
    stream = world.subscribe()
    world.kill("t1")
    assert kinds(stream) == ["SUBSCRIBED", "LAUNCH", "KILL"]


def test_messages_of_executors_are_lost_while_the_agent_is_not_registered(tmp_path: Path) -> None:
    world = CustomWorld(tmp_path)
    world.start()
    world.launch("t1")
    world.subscribe()
    lose_the_master(world)
    world.call("MESSAGE", message={"data": "eA=="})
    assert world.master.got(ExecutorToFramework) == []


def test_a_stranger_cannot_shut_an_agent_down() -> None:
    world = World().start()
    world.network.send("master@127.0.0.1:9", world.agent.address, ShutdownAgent("go away"))
    world.advance(1)
    assert world.ended == []


# What it says when it is registered


@pytest.mark.parametrize("again", [False, True])
def test_a_registered_agent_first_says_what_it_oversubscribes_be_it_nothing(again: bool) -> None:
    world = World(RUNS).start()
    if again:
        world.master.acknowledges = False
        world.run(task(), info=framework(checkpoint=True))
        world.until_state("t1", "TASK_STARTING")
        world.restart()
        world.actor.run_until(lambda: world.agent.registered, 10)
    kinds = [type(m) for m in world.master.received if isinstance(m, (UpdateAgent, StatusUpdate))]
    assert kinds == ([UpdateAgent, StatusUpdate] if again else [UpdateAgent])
    assert world.master.got(UpdateAgent)[0].oversubscribed == ()


def test_an_unknown_task_is_told_lost_whatever_becomes_of_its_framework(tmp_path: Path) -> None:
    world = CustomWorld(tmp_path)
    world.start()
    world.launch("t1")
    world.subscribe()
    world.send(ShutdownFramework(FRAMEWORK_ID))
    world.send(AgentReregistered("M-S0", 75.0, unknown_tasks=((FRAMEWORK_ID, "lost"),), frameworks=(framework(),)))
    (status,) = world.master.statuses("lost")
    assert status.state == mesos.TASK_DROPPED


# A machine that is rebooted


def test_after_a_reboot_all_that_ran_has_ended() -> None:
    world = World(RUNS, executor_reregistration_timeout="1secs").start()
    world.run(task(), info=framework(checkpoint=True))
    world.until_state("t1", "TASK_RUNNING")
    world.agent.terminate()
    world.host.reboot()
    world.restart()
    assert world.until_state("t1", "TASK_FAILED").message == "Executor terminated"
    assert world.agent.agent_id == "M-S0"


def test_after_a_reboot_an_agent_whose_flags_changed_is_a_new_one() -> None:
    world = World(RUNS).start()
    world.run(task(), info=framework(checkpoint=True))
    world.until_state("t1", "TASK_RUNNING")
    world.agent.terminate()
    world.host.reboot()
    world.agent = world.new_agent("cpus:8;mem:4096")
    world.agent.start()
    world.actor.run_until(lambda: world.agent.registered)
    assert world.agent.agent_id == "M-S1"
    assert world.agent.core.frameworks == {}
    assert len(world.master.got(RegisterAgent)) == 2
