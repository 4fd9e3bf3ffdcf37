"""What an agent knows of its frameworks, their executors and their tasks.

Records only: what happens to them is in the modules around, the states of executors are in ``transitions.py``. Source:
docs/reference/agent-executor.md 1, 3.3 and 5.1.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from attrs import define, field, frozen

from pymesoskit.testing.engine.agent.container import Container, Kind
from pymesoskit.testing.engine.agent.transitions import EXECUTOR, ExecutorCause, ExecutorState
from pymesoskit.testing.engine.states import TERMINAL_TASK_STATES
from pymesoskit.wire.v1 import executor as executor_v1
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymesoskit.testing.engine.containers.layout import RunLayout
    from pymesoskit.testing.runtime.clock import Timer

#: How many of each an agent remembers.
COMPLETED_TASKS_PER_EXECUTOR = 200
COMPLETED_FRAMEWORKS = 50


class Connection(Protocol):
    """The way to a subscribed executor."""

    def send(self, event: executor_v1.Event) -> None:
        """Sends an event; ignored when the executor has gone."""

    def end(self) -> None:
        """Ends the subscription in good order."""

    def abort(self) -> None:
        """Breaks it, as when the agent dies."""


@define(eq=False)
class Task:
    """A task in an executor's hands."""

    info: mesos.TaskInfo
    framework_id: str
    executor_id: str  # "" for command tasks
    state: mesos.TaskState = mesos.TASK_STAGING
    statuses: tuple[bytes, ...] = ()  # the last one of each state in a row, encoded: there are very many tasks
    told: bytes = b""  # the uuid of the status that was last sent to the master, and its state
    told_state: mesos.TaskState = mesos.TASK_STAGING
    group: tuple[str, ...] = ()  # ids of all tasks of its group, if it came in one

    @property
    def id(self) -> str:
        return self.info.task_id.value

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL_TASK_STATES

    def record(self, status: mesos.TaskStatus) -> None:
        """Takes note of a status."""
        kept = self.statuses[:-1] if self.state == status.state else self.statuses
        self.statuses = (*kept, status.SerializeToString())
        self.state = status.state

    def tell(self, status: mesos.TaskStatus) -> None:
        """That status goes to the master now."""
        self.told, self.told_state = status.uuid, status.state

    def message(self) -> mesos.Task:
        """The task as masters and operators see it."""
        task = mesos.Task(name=self.info.name, state=self.state)
        task.task_id.CopyFrom(self.info.task_id)
        task.framework_id.value = self.framework_id
        task.agent_id.CopyFrom(self.info.agent_id)
        if self.executor_id:
            task.executor_id.value = self.executor_id
        task.resources.extend(self.info.resources)
        for status in self.statuses:
            task.statuses.add().MergeFromString(status)
        if self.told:
            task.status_update_state = self.told_state
            task.status_update_uuid = self.told
        for name in ("labels", "discovery", "container", "health_check", "kill_policy"):
            if self.info.HasField(name):
                getattr(task, name).CopyFrom(getattr(self.info, name))
        for name, limit in self.info.limits.items():
            task.limits[name].CopyFrom(limit)
        user = self.info.command.user or self.info.executor.command.user
        if user:
            task.user = user
        return task


@frozen
class Ending:
    """What the end of an executor means for its tasks; what is unset is left to its container's end."""

    state: mesos.TaskState | None = None
    reason: mesos.TaskStatus.Reason | None = None
    message: str | None = None
    limited: tuple[mesos.Resource, ...] = ()  # what was exceeded, if that is why


@define(eq=False)
class Executor:
    """One run of an executor."""

    info: mesos.ExecutorInfo
    kind: Kind
    run: RunLayout
    checkpoint: bool
    directory: str  # the sandbox; "" on machines without a disk
    state: ExecutorState = ExecutorState.REGISTERING
    container: Container | None = None
    connection: Connection | None = None
    queued: dict[str, Task] = field(factory=dict)
    launched: dict[str, Task] = field(factory=dict)
    terminated: dict[str, Task] = field(factory=dict)  # ended, but not acknowledged
    completed: deque[bytes] | None = None  # the newest, as mesos.Task
    heard: bool = False  # whether it has ever said a word of a task of its own
    ending: Ending | None = None  # decided before its container ended
    timer: Timer | None = None  # of registration or of shutdown
    exit_status: int | None = None
    pid: int = 0
    disk_used: int | None = None  # bytes that its sandbox took when it was last measured, if it ever was

    @property
    def id(self) -> str:
        return self.info.executor_id.value

    @property
    def container_id(self) -> str:
        return self.run.container_id

    @property
    def is_command(self) -> bool:
        return self.kind is Kind.COMMAND

    def enter(self, cause: ExecutorCause) -> bool:
        """Changes the state by the table; returns False where the table has nothing, and changes nothing then."""
        following = EXECUTOR[self.state].get(cause)
        if following is not None:
            self.state = following
        return following is not None

    def live(self) -> Iterator[Task]:
        """The tasks that have not ended: those that it has, then those that it is to get."""
        yield from self.launched.values()
        yield from self.queued.values()

    def find(self, task_id: str) -> Task | None:
        """A task that is not completed."""
        return self.queued.get(task_id) or self.launched.get(task_id) or self.terminated.get(task_id)

    def complete(self, task: Task) -> None:
        """All is said of the task: it is kept for the record only."""
        if self.completed is None:
            self.completed = deque(maxlen=COMPLETED_TASKS_PER_EXECUTOR)
        self.completed.append(task.message().SerializeToString())

    def completed_tasks(self) -> Iterator[mesos.Task]:
        """The tasks of which all is said."""
        return (mesos.Task.FromString(data) for data in self.completed or ())

    @property
    def ever_sent_task(self) -> bool:
        """Whether it has been given a task: it has one now, or has spoken of one."""
        return bool(self.launched) or self.heard

    @property
    def busy(self) -> bool:
        """Whether it has tasks that are not completed."""
        return bool(self.queued or self.launched or self.terminated)

    def cancel_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def resources(self) -> Iterator[mesos.Resource]:
        """What it and its tasks hold."""
        yield from self.info.resources
        for task in self.live():
            yield from task.info.resources


@frozen
class CompletedExecutor:
    """What is remembered of an executor that was removed: messages in their encoded form, because there are many."""

    encoded_info: bytes
    container_id: str
    directory: str
    tasks: tuple[bytes, ...]  # as mesos.Task

    @property
    def info(self) -> mesos.ExecutorInfo:
        return mesos.ExecutorInfo.FromString(self.encoded_info)


def has_capability(framework: mesos.FrameworkInfo, capability: int) -> bool:
    """Whether the framework has declared it."""
    return any(item.type == capability for item in framework.capabilities)


@define(eq=False)
class Framework:
    """A framework with executors on this agent."""

    info: mesos.FrameworkInfo
    completed: deque[CompletedExecutor]
    terminating: bool = False
    executors: dict[str, Executor] = field(factory=dict)
    by_task: dict[str, Executor] = field(factory=dict)  # of tasks that are not completed
    partition_aware: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.update(self.info)

    def update(self, info: mesos.FrameworkInfo) -> None:
        """It has new info."""
        self.info = info
        self.partition_aware = has_capability(info, mesos.FrameworkInfo.Capability.PARTITION_AWARE)

    @property
    def id(self) -> str:
        return self.info.id.value

    def task(self, task_id: str) -> Task | None:
        """A task that is not completed."""
        executor = self.by_task.get(task_id)
        return None if executor is None else executor.find(task_id)

    @property
    def idle(self) -> bool:
        """Whether nothing of it is left here."""
        return not self.executors
