"""Tasks that are killed: by their framework, or because the agent drains.

Source: docs/reference/agent-executor.md 5.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.agent import reports
from pymesoskit.testing.engine.agent.transitions import ExecutorState
from pymesoskit.testing.engine.containers.commands import is_docker
from pymesoskit.wire.v1 import executor as executor_v1
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.agent.state import Executor, Framework, Task
    from pymesoskit.testing.engine.network.messages import KillTask

Reason = mesos.TaskStatus


def kill(core: Core, message: KillTask) -> None:
    """Kills a task for its framework."""
    framework = core.frameworks.get(message.framework_id)
    if framework is None or framework.terminating:
        return
    executor = framework.by_task.get(message.task_id)
    if executor is None:
        reports.from_agent(
            core,
            framework.id,
            message.task_id,
            core.lost_state(framework, mesos.TASK_DROPPED),
            Reason.REASON_EXECUTOR_TERMINATED,
            "Cannot find executor",
        )
        return
    kill_task(core, framework, executor, message.task_id, message.kill_policy)


def kill_task(
    core: Core, framework: Framework, executor: Executor, task_id: str, kill_policy: mesos.KillPolicy | None
) -> None:
    """Kills a task that an executor has, or that is queued for it.

    ``kill_policy`` replaces the task's own, if it is given and the executor takes one.
    """
    if executor.state not in {ExecutorState.REGISTERING, ExecutorState.RUNNING}:
        return
    queued = executor.queued.get(task_id)
    if queued is not None:
        _kill_queued(core, framework, executor, queued)  # an executor that subscribes and has no task is shut down then
    elif executor.connection is not None:  # also if the task has ended and its update is not acknowledged yet
        event = executor_v1.Event(type=executor_v1.Event.KILL)
        event.kill.task_id.value = task_id
        if kill_policy is not None and _takes_kill_policies(core, executor):
            event.kill.kill_policy.CopyFrom(kill_policy)
        executor.connection.send(event)


def _takes_kill_policies(core: Core, executor: Executor) -> bool:
    docker = is_docker(executor.info.container)
    return not executor.is_command or docker or core.flags.http_command_executor


def _kill_queued(core: Core, framework: Framework, executor: Executor, task: Task) -> None:
    text = "Killed before delivery to the executor"
    if task.group:
        text = "A task within the task group was killed before delivery to the executor"
    for task_id in task.group or (task.id,):
        reports.from_agent(
            core,
            framework.id,
            task_id,
            mesos.TASK_KILLED,
            Reason.REASON_TASK_KILLED_DURING_LAUNCH,
            text,
            executor_id=executor.id,
        )
