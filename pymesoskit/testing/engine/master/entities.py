"""What hangs on a framework and an agent: tasks, executors, offers, operations, and the amounts that they hold.

Data only. Frameworks and agents themselves, and the books in which all of this is kept, are in ``state.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.states import RELEASED_TASK_STATES

if TYPE_CHECKING:
    from pymesoskit.testing.runtime.clock import Timer
    from pymesoskit.wire.v1 import mesos

EMPTY = Resources()


class Task:
    """A task and what is known of it.

    ``message`` is what operators are shown; only the master's status keeping changes it.
    """

    __slots__ = ("agent_id", "framework_id", "id", "message", "resources")

    def __init__(self, message: mesos.Task, resources: Resources) -> None:
        self.message: mesos.Task = message
        self.id: str = message.task_id.value
        self.framework_id: str = message.framework_id.value
        self.agent_id: str = message.agent_id.value
        self.resources: Resources = resources

    @property
    def state(self) -> mesos.TaskState:
        return self.message.state

    @property
    def executor_id(self) -> str:
        """The executor's id, "" for a command task."""
        return self.message.executor_id.value

    @property
    def holds_resources(self) -> bool:
        """Whether its resources are in use: the agent has not reported a terminal state, and is not unreachable."""
        return self.message.state not in RELEASED_TASK_STATES


class Executor:
    """A custom or default executor on an agent. Those of command tasks are the agent's own affair."""

    __slots__ = ("agent_id", "framework_id", "id", "info", "resources")

    def __init__(self, framework_id: str, agent_id: str, info: mesos.ExecutorInfo, resources: Resources) -> None:
        self.id: str = info.executor_id.value
        self.framework_id: str = framework_id
        self.agent_id: str = agent_id
        self.info: mesos.ExecutorInfo = info
        self.resources: Resources = resources


class Offer:
    """An outstanding offer. ``message`` is the offer as the master keeps it; what is sent may be in an older format."""

    __slots__ = ("agent_id", "framework_id", "id", "message", "resources", "role", "timer")

    def __init__(self, message: mesos.Offer, resources: Resources) -> None:
        self.message: mesos.Offer = message
        self.id: str = message.id.value
        self.framework_id: str = message.framework_id.value
        self.agent_id: str = message.agent_id.value
        self.role: str = message.allocation_info.role
        self.resources: Resources = resources
        self.timer: Timer | None = None  # of --offer_timeout


class InverseOffer:
    """An outstanding request to give resources back."""

    __slots__ = ("agent_id", "framework_id", "id", "message", "timer")

    def __init__(self, message: mesos.InverseOffer) -> None:
        self.message: mesos.InverseOffer = message
        self.id: str = message.id.value
        self.framework_id: str = message.framework_id.value
        self.agent_id: str = message.agent_id.value
        self.timer: Timer | None = None


class Operation:
    """An offer operation that an agent was asked to apply. ``message`` is what operators are shown."""

    __slots__ = ("agent_id", "framework_id", "id", "message", "uuid")

    def __init__(self, message: mesos.Operation) -> None:
        self.message: mesos.Operation = message
        self.uuid: bytes = message.uuid.value
        self.framework_id: str = message.framework_id.value  # "" for an operator's
        self.agent_id: str = message.agent_id.value
        self.id: str = message.info.id.value  # the framework's name for it, "" if it wants no feedback

    @property
    def state(self) -> mesos.OperationState:
        return self.message.latest_status.state


class Holdings:
    """Resources by key (a framework's by agent, an agent's by framework) and their sum, which is added up when
    asked for.
    """

    __slots__ = ("_sum", "by")

    def __init__(self) -> None:
        self.by: dict[str, Resources] = {}
        self._sum: Resources | None = EMPTY

    def add(self, key: str, resources: Resources) -> None:
        self.by[key] = self.by.get(key, EMPTY) + resources
        self._sum = None

    def subtract(self, key: str, resources: Resources) -> None:
        left = self.by.get(key, EMPTY) - resources
        if left:
            self.by[key] = left
        else:
            self.by.pop(key, None)
        self._sum = None

    @property
    def total(self) -> Resources:
        """The sum over all keys."""
        if self._sum is None:
            self._sum = sum(self.by.values(), EMPTY)
        return self._sum
