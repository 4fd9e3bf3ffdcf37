"""Task statuses on their way from agents to frameworks, and the acknowledgements on their way back.

Source: docs/reference/scheduler-api.md 6, agent-executor.md 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pymesoskit.testing.engine.master import events, tasks
from pymesoskit.testing.engine.network.messages import (
    ExecutorToFramework,
    ExitedExecutor,
    StatusUpdate,
    StatusUpdateAcknowledgement,
)
from pymesoskit.testing.engine.states import TERMINAL_TASK_STATES

if TYPE_CHECKING:
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.engine.master.entities import Task
    from pymesoskit.testing.engine.master.state import Framework
    from pymesoskit.testing.engine.network.network import Address
    from pymesoskit.wire.v1 import mesos, scheduler


def status_update(core: Core, _: Address, update: StatusUpdate) -> None:
    """An agent reports a status: to the framework as it is, and into the master's own picture."""
    core.count("messages_status_update")
    status = update.status
    agent = core.state.agents.get(status.agent_id.value)
    if agent is None:  # unreachable, gone or removed: it will hear so when it misses the pings
        core.count("invalid_status_updates")
        return
    framework = core.state.frameworks.get(update.framework_id)
    forwarded = framework is not None and framework.connected
    task = agent.task(update.framework_id, status.task_id.value)
    core.count("valid_status_updates" if forwarded and task is not None else "invalid_status_updates")
    if framework is not None and forwarded:
        _forward(core, framework, task, status)
    if task is not None:
        tasks.update_task(core, task, status, cast("mesos.TaskState", update.latest_state))


def _forward(core: Core, framework: Framework, task: Task | None, status: mesos.TaskStatus) -> None:
    if task is not None and status.HasField("uuid"):
        task.message.status_update_state = status.state
        task.message.status_update_uuid = status.uuid
    core.tell(framework, events.update(status))


def acknowledge(core: Core, framework: Framework, call: scheduler.Call.Acknowledge) -> None:
    """ACKNOWLEDGE: passed on to the agent; a terminal status acknowledged is the end of the task."""
    core.count("messages_status_update_acknowledgement")
    agent = core.state.agents.get(call.agent_id.value)
    task = agent.task(framework.id, call.task_id.value) if agent is not None else None
    if (
        agent is None
        or not agent.connected
        or (task is not None and not task.message.HasField("status_update_uuid"))  # nothing was forwarded yet
    ):
        core.count("invalid_status_update_acknowledgements")
        return
    if (
        task is not None
        and task.message.status_update_state in TERMINAL_TASK_STATES
        and task.message.status_update_uuid == call.uuid
    ):
        tasks.remove_task(core, task)
        core.released(agent)
    core.send(agent, StatusUpdateAcknowledgement(agent.id, framework.id, call.task_id.value, call.uuid))
    core.count("valid_status_update_acknowledgements")


def exited_executor(core: Core, _: Address, message: ExitedExecutor) -> None:
    """An executor has ended: it holds nothing any more, and its framework is told."""
    core.count("messages_exited_executor")
    agent = core.state.agents.get(message.agent_id)
    executor = agent.executor(message.framework_id, message.executor_id) if agent is not None else None
    if executor is None:
        return
    tasks.remove_executor(core, executor)
    framework = core.state.frameworks.get(message.framework_id)
    if framework is not None:
        core.tell(framework, events.executor_failure(message.agent_id, message.executor_id, message.status))


def executor_to_framework(core: Core, _: Address, message: ExecutorToFramework) -> None:
    """An executor's MESSAGE; lost if its framework is not connected."""
    core.count("messages_executor_to_framework")
    framework = core.state.frameworks.get(message.framework_id)
    if message.agent_id not in core.state.agents or framework is None or not framework.connected:
        core.count("invalid_executor_to_framework_messages")
        return
    core.tell(framework, events.message(message.agent_id, message.executor_id, message.data))
    core.count("valid_executor_to_framework_messages")
