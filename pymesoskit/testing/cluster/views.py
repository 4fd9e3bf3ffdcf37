"""Tasks and frameworks of a cluster as tests see them: frozen values, taken from the master's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymesoskit.testing.engine.master.entities import Task
    from pymesoskit.testing.engine.master.master import Master
    from pymesoskit.testing.engine.master.state import Framework


@frozen
class TaskView:
    """A task at one moment."""

    id: str
    name: str
    framework_id: str
    agent_id: str
    state: str  # ``TASK_RUNNING``, …
    states: tuple[str, ...]  # all that it has been in, the oldest first


@frozen
class FrameworkView:
    """A framework at one moment."""

    id: str
    name: str
    roles: tuple[str, ...]
    connected: bool
    active: bool
    completed: bool


def tasks_of(master: Master | None) -> list[TaskView]:
    """All tasks that the master knows; none while there is no master."""
    if master is None:
        return []
    state = master.core.state
    frameworks = [*state.completed_frameworks.values(), *state.frameworks.values()]
    return [_task(task) for framework in frameworks for task in _tasks(framework)]


def frameworks_of(master: Master | None) -> list[FrameworkView]:
    """All frameworks that the master knows."""
    if master is None:
        return []
    state = master.core.state
    return [
        *(_framework(framework, completed=True) for framework in state.completed_frameworks.values()),
        *(_framework(framework, completed=False) for framework in state.frameworks.values()),
    ]


def _tasks(framework: Framework) -> Iterator[Task]:
    yield from framework.completed_tasks
    yield from framework.unreachable_tasks.values()
    yield from framework.tasks.values()


def _task(task: Task) -> TaskView:
    message = task.message
    name = mesos.TaskState.Name
    return TaskView(
        id=message.task_id.value,
        name=message.name,
        framework_id=message.framework_id.value,
        agent_id=message.agent_id.value,
        state=name(message.state),
        states=tuple(dict.fromkeys([*(name(status.state) for status in message.statuses), name(message.state)])),
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
