"""Executors that subscribe, and what is queued for them. Source: docs/reference/agent-executor.md 6.2 and 6.3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.agent import executors, provisioning, reports
from pymesoskit.testing.engine.agent.container import Kind
from pymesoskit.testing.engine.agent.state import Connection, Ending, Executor, Framework, Task
from pymesoskit.testing.engine.agent.transitions import ExecutorCause, ExecutorState, Phase
from pymesoskit.testing.engine.containers.commands import SandboxError
from pymesoskit.wire.v1 import executor as executor_v1
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from pymesoskit.testing.engine.agent.core import Core


def subscribe(
    core: Core,
    framework: Framework,
    executor: Executor,
    connection: Connection,
    subscribe: executor_v1.Call.Subscribe,
) -> None:
    """Subscribes the executor, for the first time or again, over that connection."""
    refused = core.phase is Phase.TERMINATING or framework.terminating
    if refused or not executor.enter(ExecutorCause.SUBSCRIBE):
        connection.send(executor_v1.Event(type=executor_v1.Event.SHUTDOWN))
        connection.end()
        return
    executor.cancel_timer()
    if executor.connection is not None:
        executor.connection.end()
    executor.connection = connection
    if executor.checkpoint and executor.kind is not Kind.COMMAND:
        core.host.store.write(executor.run.pid("http.marker"), b"")
    _drop_lost_tasks(core, framework, executor, {task.task_id.value for task in subscribe.unacknowledged_tasks})
    if executor.ever_sent_task or executor.queued:
        connection.send(_subscribed(core, framework, executor))
    else:
        executors.shutdown(core, framework, executor)
    for update in subscribe.unacknowledged_updates:
        status = mesos.TaskStatus()
        status.CopyFrom(update.status)
        reports.from_executor(core, framework, status)
    deliver_queued(core, executor)


def _drop_lost_tasks(core: Core, framework: Framework, executor: Executor, known: set[str]) -> None:
    """Drops the tasks that had not reached the executor when the agent before this one died."""
    for task in list(executor.launched.values()):
        if task.state == mesos.TASK_STAGING and task.id not in known:
            reports.from_agent(
                core,
                framework.id,
                task.id,
                core.lost_state(framework, mesos.TASK_DROPPED),
                mesos.TaskStatus.REASON_AGENT_RESTARTED,
                "Task launched during agent restart",
                executor_id=executor.id,
            )


def _subscribed(core: Core, framework: Framework, executor: Executor) -> executor_v1.Event:
    event = executor_v1.Event(type=executor_v1.Event.SUBSCRIBED)
    if executor.kind is not Kind.CUSTOM:
        return event  # the built-in executors know all that from their launch
    event.subscribed.executor_info.CopyFrom(executor.info)
    event.subscribed.framework_info.CopyFrom(framework.info)
    event.subscribed.agent_info.CopyFrom(core.info)
    event.subscribed.container_id.value = executor.container_id
    return event


def deliver_queued(core: Core, executor: Executor) -> None:
    """Sends a running executor what is queued for it: single tasks first, then groups."""
    if executor.state is not ExecutorState.RUNNING or executor.connection is None or not executor.queued:
        return
    try:
        provisioning.add_volumes(core, executor, [task.info for task in executor.queued.values()])
    except SandboxError as error:
        _update_failed(core, executor, str(error))
        return
    singles = [task for task in executor.queued.values() if not task.group]
    groups = dict.fromkeys(task.group for task in executor.queued.values() if task.group)
    for task in singles:
        _to_launched(executor, task)
        event = executor_v1.Event(type=executor_v1.Event.LAUNCH)
        event.launch.task.CopyFrom(task.info)
        executor.connection.send(event)
    for group in groups:
        event = executor_v1.Event(type=executor_v1.Event.LAUNCH_GROUP)
        for task_id in group:
            task = executor.queued[task_id]
            _to_launched(executor, task)
            event.launch_group.task_group.tasks.add().CopyFrom(task.info)
        executor.connection.send(event)


def _update_failed(core: Core, executor: Executor, why: str) -> None:
    """Ends the executor, and all of its tasks: its container cannot take what new tasks bring."""
    framework = core.frameworks[executor.run.framework_id]
    ending = Ending(
        core.lost_state(framework, mesos.TASK_GONE),
        mesos.TaskStatus.REASON_CONTAINER_UPDATE_FAILED,
        f"Failed to update resources for container: {why}",
    )
    executors.kill(core, executor, ending)


def _to_launched(executor: Executor, task: Task) -> None:
    del executor.queued[task.id]
    executor.launched[task.id] = task
