"""Tasks and frameworks of a cluster as tests see them: frozen values, taken from the master's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from pymesoskit.testing.engine.states import TERMINAL_TASK_STATES
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymesoskit.testing.engine.master.entities import Task
    from pymesoskit.testing.engine.master.master import Master
    from pymesoskit.testing.engine.master.state import Framework


@frozen
class TaskView:
    """A task at one moment, as the leading master knows it."""

    id: str
    name: str
    framework_id: str
    agent_id: str
    state: str  # ``TASK_RUNNING``, …
    states: tuple[str, ...]  # all that it has been in, the oldest first
    message: str = ""  # of the newest status
    reason: str = ""  # of the newest status, ``REASON_…``; "" if it has none
    ended: bool = False  # whether it will never change again


@frozen
class FrameworkView:
    """A framework at one moment, as the leading master knows it."""

    id: str
    name: str
    roles: tuple[str, ...]
    connected: bool
    active: bool
    completed: bool


def tasks_of(master: Master | None) -> list[TaskView]:
    """Returns all tasks that the master knows, each once; none while there is no master."""
    if master is None:
        return []
    state = master.core.state
    frameworks = [*state.completed_frameworks.values(), *state.frameworks.values()]
    return [view for framework in frameworks for view in _views(framework)]


def frameworks_of(master: Master | None) -> list[FrameworkView]:
    """Returns all frameworks that the master knows, the completed ones first."""
    if master is None:
        return []
    state = master.core.state
    return [
        *(_framework(framework, completed=True) for framework in state.completed_frameworks.values()),
        *(_framework(framework, completed=False) for framework in state.frameworks.values()),
    ]


def _views(framework: Framework) -> Iterator[TaskView]:
    """The framework's tasks. An agent that registers again reports completed tasks that the master has already."""
    completed: dict[object, TaskView] = {}
    for task in framework.completed_tasks:
        view = _task(task, ended=True)
        newest = task.message.statuses[-1] if task.message.statuses else None
        run = (view.id, view.agent_id, view.state, None if newest is None else newest.timestamp)
        completed.setdefault(run, view)
    yield from completed.values()
    for task in framework.unreachable_tasks.values():
        yield _task(task, ended=False)
    for task in framework.tasks.values():
        yield _task(task, ended=True)


def _task(task: Task, *, ended: bool) -> TaskView:
    message = task.message
    name = mesos.TaskState.Name
    newest = message.statuses[-1] if message.statuses else mesos.TaskStatus()
    return TaskView(
        id=message.task_id.value,
        name=message.name,
        framework_id=message.framework_id.value,
        agent_id=message.agent_id.value,
        state=name(message.state),
        states=tuple(dict.fromkeys([*(name(status.state) for status in message.statuses), name(message.state)])),
        message=newest.message,
        reason=mesos.TaskStatus.Reason.Name(newest.reason) if newest.HasField("reason") else "",
        ended=ended and message.state in TERMINAL_TASK_STATES,
    )


def _framework(framework: Framework, *, completed: bool) -> FrameworkView:
    return FrameworkView(
        id=framework.info.id.value,
        name=framework.info.name,
        roles=tuple(framework.roles),
        connected=framework.connected,
        active=framework.active,
        completed=completed,
    )
