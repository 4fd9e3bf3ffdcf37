"""Tasks and executors as the master keeps them: how they come, change state and go, and what that does to resources.

The statuses that the master makes itself are built here too; those of agents come in through ``status.py``. A task's
resources are free as soon as it is known to be terminal or unreachable; the task itself goes when its terminal status
is acknowledged. Source: docs/reference/scheduler-api.md 4.3, 6 and 7, operator-api.md 2.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.master import events
from pymesoskit.testing.engine.master.entities import Executor, Task
from pymesoskit.testing.engine.master.metrics import count_task_end, task_counter
from pymesoskit.testing.engine.master.transitions import task_state_after
from pymesoskit.testing.engine.states import RELEASED_TASK_STATES
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.engine.master.state import Agent, Framework

Reason = mesos.TaskStatus.Reason
TaskState = mesos.TaskState


def make_task(info: mesos.TaskInfo, framework_id: str) -> mesos.Task:
    """What is remembered of a task that is being launched."""
    task = mesos.Task(
        name=info.name,
        task_id=info.task_id,
        framework_id=mesos.FrameworkID(value=framework_id),
        agent_id=info.agent_id,
        state=mesos.TASK_STAGING,
        resources=info.resources,
    )
    if info.HasField("executor"):
        task.executor_id.CopyFrom(info.executor.executor_id)
    if info.HasField("labels"):
        task.labels.CopyFrom(info.labels)
    if info.HasField("discovery"):
        task.discovery.CopyFrom(info.discovery)
    if info.HasField("container"):
        task.container.CopyFrom(info.container)
    if info.HasField("health_check"):
        task.health_check.CopyFrom(info.health_check)
    if info.HasField("kill_policy"):
        task.kill_policy.CopyFrom(info.kill_policy)
    for name, limit in info.limits.items():
        task.limits[name].value = limit.value
    for command in (info.command, info.executor.command):
        if command.HasField("user"):
            task.user = command.user
            break
    return task


def make_status(
    core: Core,
    task_id: str,
    state: TaskState,
    reason: Reason,
    message: str,
    *,
    agent_id: str | None = None,
    executor_id: str = "",
    unreachable_time: float | None = None,
) -> mesos.TaskStatus:
    """A status of the master's own: without a uuid, so there is nothing to acknowledge."""
    status = mesos.TaskStatus(
        task_id=mesos.TaskID(value=task_id),
        state=state,
        source=mesos.TaskStatus.SOURCE_MASTER,
        reason=reason,
        message=message,
        timestamp=core.now(),
    )
    if agent_id is not None:
        status.agent_id.value = agent_id
    if executor_id:
        status.executor_id.value = executor_id
    if unreachable_time is not None:
        status.unreachable_time.nanoseconds = int(unreachable_time * 1e9)
    return status


def status_of(
    core: Core, task: Task, state: TaskState, reason: Reason, message: str, unreachable_time: float | None = None
) -> mesos.TaskStatus:
    """A status of the master's own about a task that it knows."""
    return make_status(
        core,
        task.id,
        state,
        reason,
        message,
        agent_id=task.agent_id,
        executor_id=task.executor_id,
        unreachable_time=unreachable_time,
    )


def copy_facts(task: mesos.Task, status: mesos.TaskStatus) -> None:
    """A status of the master's own that tells of a task's state goes with some facts of the task's last status."""
    if not task.statuses:
        return
    last = task.statuses[-1]
    if last.HasField("healthy"):
        status.healthy = last.healthy
    if last.HasField("check_status"):
        status.check_status.CopyFrom(last.check_status)
    if last.HasField("container_status"):
        status.container_status.CopyFrom(last.container_status)


def refuse(
    core: Core, framework: Framework, info: mesos.TaskInfo, state: TaskState, reason: Reason, message: str
) -> None:
    """A task is not launched: tells the framework why."""
    status = make_status(core, info.task_id.value, state, reason, message, agent_id=info.agent_id.value)
    count_task_end(core.state.counters, status)
    core.note(f"task {info.task_id.value} of {framework.id}: {TaskState.Name(state)}, {message}")
    core.tell(framework, events.update(status))


def dropped(framework: Framework) -> TaskState:
    """What becomes of a task that was never launched: who is not PARTITION_AWARE only knows TASK_LOST."""
    return mesos.TASK_DROPPED if framework.partition_aware else mesos.TASK_LOST


# Coming


def add_task(core: Core, task: Task, agent: Agent, framework: Framework | None) -> None:
    """A task is launched."""
    core.state.add_task(task, framework, agent)
    for listener in core.listeners:
        listener.task_added(task.message)


def add_executor(
    core: Core, framework_id: str, info: mesos.ExecutorInfo, agent: Agent, framework: Framework | None
) -> Executor:
    """An executor is launched with its first task, or known again from its agent."""
    executor = Executor(framework_id, agent.id, info, Resources.from_messages(info.resources))
    core.state.add_executor(executor, framework, agent)
    return executor


# Changing


def update_task(core: Core, task: Task, status: mesos.TaskStatus, latest_state: TaskState | None = None) -> None:
    """Takes in a status; ``latest_state`` is what the agent knows by now, where that is ahead of the status."""
    message = task.message
    reported = latest_state if latest_state is not None else status.state
    released = task.holds_resources and reported in RELEASED_TASK_STATES
    before = message.state
    message.state = task_state_after(before, reported)
    framework = core.state.frameworks.get(task.framework_id)
    if message.state != before and framework is not None:
        framework.counters[task_counter(before)] -= 1
        framework.counters[task_counter(message.state)] += 1
    previous = message.statuses[-1].state if message.statuses else None
    if previous == status.state:
        del message.statuses[-1]  # of consecutive statuses in one state the last is kept
    kept = message.statuses.add()
    kept.CopyFrom(status)
    kept.ClearField("data")  # may be large, and is of no interest any more
    for listener in core.listeners:
        listener.task_updated(message, status, previous)
    if released:
        _release(core, task)
        count_task_end(core.state.counters, status)


def _release(core: Core, task: Task) -> None:
    core.state.release_task(task)
    _recover(core, task.framework_id, task.agent_id, task.resources)


def _recover(core: Core, framework_id: str, agent_id: str, resources: Resources) -> None:
    for role, held in resources.allocations().items():
        core.allocator.recover_resources(framework_id, agent_id, role, held.unallocated(), allocated=True)


# Going


def remove_task(core: Core, task: Task, *, unreachable: bool = False) -> None:
    """The task is over: acknowledged, or lost with its agent.

    As unreachable it is kept apart from the completed ones.
    """
    if task.holds_resources:
        _release(core, task)
    framework = core.state.frameworks.get(task.framework_id)
    agent = core.state.agents[task.agent_id]
    core.state.forget_task(task)
    killed = agent.killed_tasks.get(task.framework_id)
    if killed is not None:
        killed.discard(task.id)
    if framework is not None:
        if unreachable:
            core.state.add_unreachable_task(task, framework)
        else:
            framework.completed_tasks.append(task)


def remove_executor(core: Core, executor: Executor) -> None:
    """The executor has ended, or is lost with its agent."""
    core.state.forget_executor(executor)
    _recover(core, executor.framework_id, executor.agent_id, executor.resources)


def remove_executors(core: Core, agent: Agent, framework_id: str | None = None) -> None:
    """All executors of an agent (of one framework, if given) are gone."""
    for owner, executors in list(agent.executors.items()):
        if framework_id is None or owner == framework_id:
            for executor in list(executors.values()):
                remove_executor(core, executor)
