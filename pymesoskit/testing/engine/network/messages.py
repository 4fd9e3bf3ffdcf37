"""What master and agents say to each other inside the cluster.

The names are those of Mesos's internal protocol (messages.proto), with v1 payloads. They never leave the process, so
they are plain frozen values; the protobuf messages in them must not be changed by sender or receiver. Source:
docs/reference/agent-executor.md 2 and 3, docs/reference/failover.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from attrs import frozen

if TYPE_CHECKING:
    from pymesoskit.testing.engine.http.authentication import Credential
    from pymesoskit.wire.v1 import mesos

# From agents to the master


@frozen
class RegisterAgent:
    """An agent that has no id yet."""

    agent_info: mesos.AgentInfo
    version: str
    capabilities: tuple[str, ...]
    checkpointed_resources: tuple[mesos.Resource, ...] = ()
    credential: Credential | None = None  # who it says it is; authentication and registration are one step here


@frozen
class ReregisterAgent:
    """An agent that has an id, with all it knows of."""

    agent_info: mesos.AgentInfo
    version: str
    capabilities: tuple[str, ...]
    checkpointed_resources: tuple[mesos.Resource, ...]
    tasks: tuple[mesos.Task, ...]  # terminal but unacknowledged ones too
    executors: tuple[tuple[str, mesos.ExecutorInfo], ...]  # (framework id, executor); no command executors
    frameworks: tuple[mesos.FrameworkInfo, ...]
    operations: tuple[mesos.Operation, ...] = ()
    credential: Credential | None = None
    completed_tasks: tuple[mesos.Task, ...] = ()  # of frameworks of which nothing is left there


@frozen
class UnregisterAgent:
    """The agent leaves for good (SIGUSR1)."""

    agent_id: str


@frozen
class PongAgent:
    """The answer to a ping."""


@frozen
class UpdateAgent:
    """New oversubscribed resources (an estimator's revocable ones, all of them)."""

    agent_id: str
    oversubscribed: tuple[mesos.Resource, ...]


@frozen
class StatusUpdate:
    """A task's status on its way to its framework; ``uuid`` is empty where none is to be acknowledged."""

    framework_id: str
    status: mesos.TaskStatus
    latest_state: int  # mesos.TaskState known to the agent by now


@frozen
class ExitedExecutor:
    """A custom or default executor has ended; ``status`` is what wait(2) gave, -1 if unknown."""

    agent_id: str
    framework_id: str
    executor_id: str
    status: int


@frozen
class ExecutorToFramework:
    agent_id: str
    framework_id: str
    executor_id: str
    data: bytes


@frozen
class UpdateOperationStatus:
    """The state of an offer operation on the agent."""

    agent_id: str
    framework_id: str  # "" for an operator's operation
    operation_uuid: bytes  # b"" if it is not known: the answer to AskForOperations
    status: mesos.OperationStatus
    latest_status: mesos.OperationStatus | None = None


# From the master to agents


@frozen
class AgentRegistered:
    agent_id: str
    total_ping_timeout: float  # seconds


@frozen
class AgentReregistered:
    """``unknown_tasks`` are those the master has and the agent did not list: (framework id, task id)."""

    agent_id: str
    total_ping_timeout: float  # seconds
    unknown_tasks: tuple[tuple[str, str], ...] = ()
    frameworks: tuple[mesos.FrameworkInfo, ...] = ()  # those of the unknown tasks


@frozen
class ShutdownAgent:
    """The agent must end: it was refused or removed."""

    message: str


@frozen
class PingAgent:
    connected: bool  # whether the master holds the agent for connected


@frozen
class RunTask:
    """``launch_executor`` is whether the master holds the task's executor for not running yet."""

    framework: mesos.FrameworkInfo
    task: mesos.TaskInfo
    launch_executor: bool


@frozen
class RunTaskGroup:
    framework: mesos.FrameworkInfo
    executor: mesos.ExecutorInfo
    tasks: tuple[mesos.TaskInfo, ...]
    launch_executor: bool


@frozen
class KillTask:
    framework_id: str
    task_id: str
    kill_policy: mesos.KillPolicy | None = None


@frozen
class StatusUpdateAcknowledgement:
    agent_id: str
    framework_id: str
    task_id: str
    uuid: bytes


@frozen
class ShutdownFramework:
    framework_id: str


@frozen
class ShutdownExecutor:
    framework_id: str
    executor_id: str


@frozen
class FrameworkToExecutor:
    agent_id: str
    framework_id: str
    executor_id: str
    data: bytes


@frozen
class UpdateFramework:
    """The framework's info has changed, or it has subscribed again."""

    framework: mesos.FrameworkInfo
    after_reregistration: bool = False  # sent because the agent has registered again


@frozen
class ApplyOperation:
    framework_id: str  # "" for an operator's operation
    operation: mesos.Offer.Operation
    operation_uuid: bytes


@frozen
class OperationStatusAcknowledgement:
    framework_id: str
    operation_uuid: bytes
    status_uuid: bytes


@frozen
class ReconcileOperations:
    """The operations (by uuid) that the master has and wants to hear of."""

    operation_uuids: tuple[bytes, ...]


@frozen
class AskForOperations:
    """A framework asks for operations of resource providers that the master does not know: (id, id of the provider)."""

    framework_id: str
    operations: tuple[tuple[str, str], ...]


@frozen
class DrainAgent:
    config: mesos.DrainConfig


Message = Union[
    RegisterAgent,
    ReregisterAgent,
    UnregisterAgent,
    PongAgent,
    UpdateAgent,
    StatusUpdate,
    ExitedExecutor,
    ExecutorToFramework,
    UpdateOperationStatus,
    AgentRegistered,
    AgentReregistered,
    ShutdownAgent,
    PingAgent,
    RunTask,
    RunTaskGroup,
    KillTask,
    StatusUpdateAcknowledgement,
    ShutdownFramework,
    ShutdownExecutor,
    FrameworkToExecutor,
    UpdateFramework,
    ApplyOperation,
    OperationStatusAcknowledgement,
    ReconcileOperations,
    AskForOperations,
    DrainAgent,
]
