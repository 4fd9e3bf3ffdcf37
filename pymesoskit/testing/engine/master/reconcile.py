"""RECONCILE: what the master knows of tasks, and what it can say of those that it does not know.

Source: docs/reference/scheduler-api.md 8, failover.md 7, 15, 20 and 21.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.master import events
from pymesoskit.testing.engine.master.tasks import copy_facts, make_status
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.engine.master.entities import Task
    from pymesoskit.testing.engine.master.state import Framework

_RECONCILIATION = mesos.TaskStatus.REASON_RECONCILIATION


def reconcile(core: Core, framework: Framework, call: scheduler.Call.Reconcile) -> None:
    """Answers for the tasks that are asked for, or (none given) for all that the framework has."""
    core.count("messages_reconcile_tasks")
    if not call.tasks:
        for task in list(framework.tasks.values()):
            core.tell(framework, events.update(_known(core, task)))
        return
    for question in call.tasks:
        agent_id = question.agent_id.value if question.HasField("agent_id") else None
        reconcile_task(core, framework, question.task_id.value, agent_id)


def reconcile_task(core: Core, framework: Framework, task_id: str, agent_id: str | None) -> None:
    """Answers for one task; says nothing as long as an agent that may have it has not returned."""
    task = framework.tasks.get(task_id)
    status = _known(core, task) if task is not None else _unknown(core, framework, task_id, agent_id)
    if status is not None:
        core.tell(framework, events.update(status))


def _known(core: Core, task: Task) -> mesos.TaskStatus:
    """The state that the framework was told last, else the current one; a few facts of the last status go with it."""
    message = task.message
    state = message.status_update_state if message.HasField("status_update_state") else message.state
    status = make_status(
        core,
        task.id,
        state,
        _RECONCILIATION,
        "Reconciliation: Latest task state",
        agent_id=task.agent_id,
        executor_id=task.executor_id,
    )
    copy_facts(message, status)
    return status


def _unknown(core: Core, framework: Framework, task_id: str, agent_id: str | None) -> mesos.TaskStatus | None:
    state = core.state
    if agent_id in state.recovered_agents or (agent_id is None and state.recovered_agents):
        return None
    unreachable_time = None
    if agent_id in state.agents:
        answer, text = mesos.TASK_GONE, "Task is unknown to the agent"
    elif agent_id in state.unreachable:
        answer, text = mesos.TASK_UNREACHABLE, "Task is unreachable"
        unreachable_time = state.unreachable[agent_id].since
    elif agent_id in state.gone:
        answer, text = mesos.TASK_GONE_BY_OPERATOR, "Task is gone"
    else:
        answer, text = mesos.TASK_UNKNOWN, "Task is unknown"
    return make_status(
        core,
        task_id,
        answer if framework.partition_aware else mesos.TASK_LOST,
        _RECONCILIATION,
        f"Reconciliation: {text}",
        agent_id=agent_id,
        unreachable_time=unreachable_time,
    )
