"""Tasks that the agent does not launch: state, reason, message, and what else the master hears (agent-executor.md 4)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from pymesoskit.testing.engine.agent import Exit
from pymesoskit.testing.engine.machine.pace import Pace
from pymesoskit.testing.engine.network.messages import (
    DrainAgent,
    ExitedExecutor,
    Message,
    RunTask,
    RunTaskGroup,
    ShutdownExecutor,
    ShutdownFramework,
    StatusUpdate,
)
from pymesoskit.wire.v1 import mesos
from tests.agent.test_executors import CustomWorld, kinds
from tests.agent.world import FRAMEWORK_ID, RealWorld, default_executor, executor, framework, task

if TYPE_CHECKING:
    from pathlib import Path

Reason = mesos.TaskStatus


@pytest.fixture
def world(tmp_path: Path) -> CustomWorld:
    world = CustomWorld(tmp_path)
    world.start()
    return world


def custom(task_id: str, executor_id: str = "custom") -> mesos.TaskInfo:
    info = task(task_id, None)
    info.executor.CopyFrom(executor(executor_id))
    return info


def reserved(info: Any) -> Any:
    for resource in info.resources:
        resource.reservations.add(type=mesos.Resource.ReservationInfo.DYNAMIC, role="web")
    return info


def told(world: CustomWorld) -> list[Message]:
    """What the master has heard of executors and tasks, in order."""
    return [m for m in world.master.received if isinstance(m, (ExitedExecutor, StatusUpdate))]


def drain(world: CustomWorld) -> None:
    """The agent drains, and has something that takes its time."""
    world.send(RunTask(framework(), custom("busy", "busy"), launch_executor=True))
    world.send(DrainAgent(mesos.DrainConfig()))
    world.master.received.clear()


DROPPED = [
    (drain, custom("t"), Reason.REASON_AGENT_DRAINING, "Task was received while agent was already draining"),
    (
        lambda _: None,
        reserved(custom("t")),
        Reason.REASON_RESOURCES_UNKNOWN,
        "The checkpointed resources being used by the task or task group are unknown to the agent",
    ),
]


@pytest.mark.parametrize("aware", [True, False])
@pytest.mark.parametrize(("prepare", "info", "reason", "message"), DROPPED)
def test_a_dropped_task_is_told_after_the_end_of_the_executor_that_the_master_expects(
    world: CustomWorld, prepare: Any, info: mesos.TaskInfo, reason: Any, message: str, aware: bool
) -> None:
    prepare(world)
    world.send(RunTask(framework(partition_aware=aware), info, launch_executor=True))
    exited, update = told(world)
    assert exited == ExitedExecutor("M-S0", FRAMEWORK_ID, "custom", -1)
    assert isinstance(update, StatusUpdate)
    status = update.status
    # where the agent has the framework already, its capabilities are those of its first task
    assert status.state in {mesos.TASK_DROPPED, mesos.TASK_LOST}
    if prepare is not drain:
        assert status.state == (mesos.TASK_DROPPED if aware else mesos.TASK_LOST)
    assert (status.reason, status.message) == (reason, message)
    assert status.source == mesos.TaskStatus.SOURCE_AGENT
    assert status.executor_id.value == "custom"
    assert status.HasField("uuid")


def test_the_executors_resources_must_be_known_too(world: CustomWorld) -> None:
    info = custom("t")
    reserved(info.executor)
    world.send(RunTask(framework(), info, launch_executor=True))
    exited, update = told(world)
    assert isinstance(exited, ExitedExecutor)
    assert isinstance(update, StatusUpdate)
    assert update.status.reason == Reason.REASON_RESOURCES_UNKNOWN
    assert update.status.message == "The checkpointed resources being used by the executor are unknown to the agent"


def test_one_task_that_cannot_be_launched_fails_its_group(world: CustomWorld) -> None:
    tasks = (task("a"), reserved(task("b")))
    world.send(RunTaskGroup(framework(), default_executor(), tasks, launch_executor=True))
    exited, *updates = told(world)
    assert isinstance(exited, ExitedExecutor)
    statuses = [update.status for update in updates if isinstance(update, StatusUpdate)]
    assert [status.task_id.value for status in statuses] == ["a", "b"]
    assert {status.reason for status in statuses} == {Reason.REASON_RESOURCES_UNKNOWN}
    assert {status.executor_id.value for status in statuses} == {"default"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cpus", "CPU limits can only be set on tasks launched in Mesos containers when the agent has loaded the"),
        ("mem", "Memory limits can only be set on tasks launched in Mesos containers when the agent has loaded the"),
    ],
)
def test_limits_need_an_isolator_and_the_master_is_not_told_of_the_executor(
    world: CustomWorld, name: str, text: str
) -> None:
    info = custom("t")
    info.limits[name].value = 1
    world.send(RunTask(framework(), info, launch_executor=True))
    (update,) = told(world)
    assert isinstance(update, StatusUpdate)
    assert update.status.reason == Reason.REASON_GC_ERROR
    assert update.status.message.startswith(text)
    assert not update.status.HasField("executor_id")


@pytest.mark.parametrize("isolation", ["posix/cpu,cgroups/cpu,cgroups/mem", "cgroups/all"])
def test_limits_with_an_isolator_are_taken(tmp_path: Path, isolation: str) -> None:
    world = CustomWorld(tmp_path, isolation=isolation)
    world.start()
    info = custom("t")
    info.limits["cpus"].value = 1
    world.send(RunTask(framework(), info, launch_executor=True))
    assert told(world) == []


def test_limits_of_docker_tasks_are_dockers_own_affair(world: CustomWorld) -> None:
    info = custom("t")
    info.container.type = mesos.ContainerInfo.DOCKER
    info.limits["cpus"].value = 1
    world.send(RunTask(framework(), info, launch_executor=True))
    assert told(world) == []


def test_an_update_of_a_framework_that_has_nothing_else_here_is_sent_once(world: CustomWorld) -> None:
    world.master.acknowledges = False
    world.send(RunTask(framework(), reserved(custom("t")), launch_executor=True))
    world.advance(3600)
    assert world.master.states("t") == ["TASK_DROPPED"]


# Master and agent must agree on whether there is an executor


def test_an_executor_that_the_master_does_not_know_is_shut_down(world: CustomWorld) -> None:
    world.launch("t1")
    stream = world.subscribe()
    world.send(RunTask(framework(), custom("t2"), launch_executor=True))
    (update,) = told(world)
    assert isinstance(update, StatusUpdate)
    assert update.status.reason == Reason.REASON_EXECUTOR_TERMINATED
    assert update.status.message == "Master wants to launch executor, but one already exists"
    assert update.status.executor_id.value == "custom"
    assert kinds(stream)[-1] == "SHUTDOWN"


def test_an_executor_that_has_ended_but_is_not_acknowledged_is_told_again(world: CustomWorld) -> None:
    world.launch("t1")
    world.subscribe()
    world.master.acknowledges = False
    world.process().on_exit(Exit.of_code(0))
    world.advance(0.1)
    world.master.received.clear()
    world.send(RunTask(framework(), custom("t2"), launch_executor=True))
    exited = world.master.got(ExitedExecutor)
    assert [(message.executor_id, message.status) for message in exited] == [("custom", -1)]
    (status,) = world.master.statuses("t2")
    assert status.message == "Master wants to launch executor, but one already exists"


def test_without_the_executor_that_the_master_takes_for_running_a_task_is_dropped_until_acknowledged(
    world: CustomWorld,
) -> None:
    world.master.acknowledges = False
    world.send(RunTask(framework(), custom("t"), launch_executor=False))
    assert world.master.got(ExitedExecutor) == []
    (status,) = world.master.statuses("t")
    assert status.reason == Reason.REASON_EXECUTOR_TERMINATED
    assert status.message == "No executor is expected to launch and there is none running"
    assert status.executor_id.value == "custom"
    world.advance(11)
    assert world.master.states("t") == ["TASK_DROPPED"] * 2


@pytest.mark.parametrize("ended", [False, True])
def test_a_task_for_an_executor_that_ends_is_dropped(world: CustomWorld, ended: bool) -> None:
    world.launch("t1")
    world.subscribe()
    world.master.acknowledges = False
    world.send(ShutdownExecutor(FRAMEWORK_ID, "custom"))
    if ended:
        world.process().on_exit(Exit.of_code(0))
        world.advance(0.1)
    world.send(RunTask(framework(), custom("t2"), launch_executor=False))
    (status,) = world.master.statuses("t2")
    assert status.state == mesos.TASK_DROPPED
    assert status.reason == Reason.REASON_EXECUTOR_TERMINATED
    assert status.message == f"Executor {'terminated' if ended else 'terminating'}"
    assert not status.HasField("executor_id")


def test_the_id_of_a_command_task_whose_executor_is_still_there_cannot_be_used_again(world: CustomWorld) -> None:
    world.host.machine = evolve(world.host.machine, pace=Pace(executor_end=5))
    world.send(RunTask(framework(), task("t"), launch_executor=True))
    world.process().on_exit(Exit.of_code(0))
    world.until_state("t", "TASK_FINISHED")
    world.advance(0.1)
    world.master.received.clear()
    world.send(RunTask(framework(), task("t"), launch_executor=True))
    (update,) = told(world)
    assert isinstance(update, StatusUpdate)
    assert update.status.state == mesos.TASK_DROPPED
    assert update.status.reason == Reason.REASON_TASK_INVALID
    assert update.status.message == "Cannot reuse an already existing executor for a command task"


# What is ignored


def test_a_task_for_another_agent_is_ignored(world: CustomWorld) -> None:
    info = custom("t")
    info.agent_id.value = "M-S7"
    world.send(RunTask(framework(), info, launch_executor=True))
    assert told(world) == []
    assert world.agent.core.frameworks == {}


def test_a_task_of_a_framework_that_is_shut_down_only_ends_the_executor_that_the_master_expects(
    world: CustomWorld,
) -> None:
    world.launch("t1")
    world.subscribe()
    world.send(ShutdownFramework(FRAMEWORK_ID))
    world.send(RunTask(framework(), custom("t2", "second"), launch_executor=True))
    (exited,) = told(world)
    assert exited == ExitedExecutor("M-S0", FRAMEWORK_ID, "second", -1)


# Kills


def test_a_kill_of_a_task_that_no_executor_has_is_answered_if_its_framework_is_known(world: CustomWorld) -> None:
    world.kill("nobody")
    assert world.master.statuses("nobody") == []
    world.launch("t1")
    world.kill("nobody")
    (status,) = world.master.statuses("nobody")
    assert status.state == mesos.TASK_DROPPED
    assert status.reason == Reason.REASON_EXECUTOR_TERMINATED
    assert status.message == "Cannot find executor"
    assert not status.HasField("executor_id")


def test_a_kill_of_one_task_of_a_group_that_is_not_delivered_kills_them_all(world: CustomWorld) -> None:
    tasks = tuple(_for(default_executor(), each) for each in ("a", "b"))
    world.send(RunTaskGroup(framework(), executor("g"), tasks, launch_executor=True))
    world.kill("b")
    statuses = world.master.statuses()
    assert [status.task_id.value for status in statuses] == ["a", "b"]
    for status in statuses:
        assert status.state == mesos.TASK_KILLED
        assert status.reason == Reason.REASON_TASK_KILLED_DURING_LAUNCH
        assert status.message == "A task within the task group was killed before delivery to the executor"
        assert status.executor_id.value == "g"


def _for(info: mesos.ExecutorInfo, task_id: str) -> mesos.TaskInfo:
    result = task(task_id)
    result.executor.CopyFrom(info)
    return result


@pytest.mark.parametrize("ended", [False, True])
def test_a_kill_for_an_executor_that_ends_is_ignored(world: CustomWorld, ended: bool) -> None:
    world.launch("t1")
    stream = world.subscribe()
    world.master.acknowledges = False
    world.send(ShutdownExecutor(FRAMEWORK_ID, "custom"))
    if ended:
        world.process().on_exit(Exit.of_code(0))
        world.advance(0.1)
    before = world.master.states("t1")
    world.kill("t1")
    assert "KILL" not in kinds(stream)
    assert world.master.states("t1") == before


# Launches that fail


def test_a_sandbox_that_cannot_be_made_drops_the_task(tmp_path: Path) -> None:
    world = RealWorld(tmp_path)
    try:
        world.start()
        (tmp_path / "slaves").mkdir(exist_ok=True)
        blocked = tmp_path / "slaves" / "M-S0"
        blocked.write_text("in the way")
        world.run(custom("t"))
        status = world.until_state("t", "TASK_DROPPED", 10)
        assert status.reason == Reason.REASON_EXECUTOR_TERMINATED
        assert status.message.startswith("Failed to create executor directory")
        assert [message.executor_id for message in world.master.got(ExitedExecutor)] == ["custom"]
        assert world.agent.core.frameworks == {}
    finally:
        world.close()


class Fetcher:
    """Fetches nothing until it is told to."""

    def __init__(self) -> None:
        self.done: list[Any] = []

    def fetch(self, command: Any, directory: str, user: str | None, done: Any) -> None:
        self.done.append(done)


@pytest.fixture
def fetching(tmp_path: Path) -> tuple[CustomWorld, Fetcher]:
    world = CustomWorld(tmp_path, executor_registration_timeout="2secs")
    fetcher = Fetcher()
    world.host.machine = evolve(world.host.machine, fetcher=fetcher)
    world.start()
    info = custom("t")
    info.executor.command.uris.add(value=os.devnull)
    world.send(RunTask(framework(), info, launch_executor=True))
    return world, fetcher


def test_a_fetcher_that_fails_ends_the_executor(fetching: tuple[CustomWorld, Fetcher]) -> None:
    world, fetcher = fetching
    fetcher.done[0]("no such file")
    status = world.until_state("t", "TASK_FAILED")
    assert status.reason == Reason.REASON_CONTAINER_LAUNCH_FAILED
    assert "Failed to launch container: Failed to fetch all URIs for container '" in status.message
    assert status.message.endswith("': exited with status 1")
    assert world.master.got(ExitedExecutor)[0].status == 9


def test_the_time_to_register_includes_what_is_fetched(fetching: tuple[CustomWorld, Fetcher]) -> None:
    world, fetcher = fetching
    world.advance(1.9)
    assert world.master.statuses() == []
    world.advance(0.2)
    (status,) = world.master.statuses()
    assert status.state == mesos.TASK_FAILED
    assert status.reason == Reason.REASON_CONTAINER_LAUNCH_FAILED
    assert status.message == "Failed to launch container: Container is being destroyed during fetching"
    fetcher.done[0](None)
    world.advance(1)
    assert world.launcher.processes == []  # type: ignore[attr-defined]


def test_an_executor_that_is_shut_down_while_it_is_fetched_for_goes_after_the_grace_period(
    fetching: tuple[CustomWorld, Fetcher],
) -> None:
    world, _ = fetching
    world.send(ShutdownExecutor(FRAMEWORK_ID, "custom"))
    world.advance(4.9)
    assert world.master.statuses() == []
    world.advance(0.2)
    (status,) = world.master.statuses()
    assert status.message == "Failed to launch container: Container is being destroyed during fetching"
