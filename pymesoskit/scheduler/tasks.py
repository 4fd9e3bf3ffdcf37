"""TaskInfo, CommandInfo and ExecutorInfo of the usual kinds, made in one line. Rules: docs/reference/scheduler-api.md
4.4.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

from pymesoskit.resources import Resources
from pymesoskit.scheduler import ids
from pymesoskit.scheduler.offers import resource_messages
from pymesoskit.wire.v1 import mesos

ResourcesLike = str | Resources | Iterable[mesos.Resource]


def new_task_id(prefix: str = "task") -> str:
    """An id that no other task has."""
    return f"{prefix}-{uuid.uuid4()}"


def command(value: str | Iterable[str], environment: Mapping[str, str] | None = None) -> mesos.CommandInfo:
    """A command: text for the shell, or a program and its arguments (``["sleep", "10"]``) without one."""
    variables = None
    if environment:
        variable = mesos.Environment.Variable
        variables = mesos.Environment(variables=[variable(name=n, value=v) for n, v in environment.items()])
    if isinstance(value, str):
        return mesos.CommandInfo(shell=True, value=value, environment=variables)  # noqa: S604  # runs on the agent
    arguments = list(value)
    if not arguments:
        raise ValueError("a command needs at least the program's name")
    return mesos.CommandInfo(shell=False, value=arguments[0], arguments=arguments, environment=variables)


def command_task(
    value: str | Iterable[str] | mesos.CommandInfo,
    resources: ResourcesLike,
    agent: mesos.Offer | ids.AgentIDLike,
    *,
    task_id: str | None = None,
    name: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> mesos.TaskInfo:
    """A task that runs a command on an agent (or that of an offer). Without a ``task_id`` it gets a new one.

    ``resources`` is text (``cpus:0.1;mem:32``), or what ``OfferPool.take`` gave.
    """
    identifier = new_task_id() if task_id is None else task_id
    info = value if isinstance(value, mesos.CommandInfo) else command(value, environment)
    return mesos.TaskInfo(
        name=identifier if name is None else name,
        task_id=mesos.TaskID(value=identifier),
        agent_id=agent.agent_id if isinstance(agent, mesos.Offer) else ids.agent_id(agent),
        resources=resource_messages(resources),
        command=info,
    )


def executor_task(
    executor: mesos.ExecutorInfo,
    resources: ResourcesLike,
    agent: mesos.Offer | ids.AgentIDLike,
    *,
    task_id: str | None = None,
    name: str | None = None,
    data: bytes = b"",
) -> mesos.TaskInfo:
    """A task for a custom executor, which gets ``data`` with it."""
    identifier = new_task_id() if task_id is None else task_id
    return mesos.TaskInfo(
        name=identifier if name is None else name,
        task_id=mesos.TaskID(value=identifier),
        agent_id=agent.agent_id if isinstance(agent, mesos.Offer) else ids.agent_id(agent),
        resources=resource_messages(resources),
        executor=executor,
        data=data or None,
    )


def custom_executor(
    executor_id: str,
    value: str | Iterable[str] | mesos.CommandInfo,
    resources: ResourcesLike = (),
    *,
    environment: Mapping[str, str] | None = None,
) -> mesos.ExecutorInfo:
    """An executor of one's own, started by this command. The master fills the framework's id in (4.2)."""
    info = value if isinstance(value, mesos.CommandInfo) else command(value, environment)
    return mesos.ExecutorInfo(
        type=mesos.ExecutorInfo.CUSTOM,
        executor_id=mesos.ExecutorID(value=executor_id),
        command=info,
        resources=resource_messages(resources),
    )


def default_executor(
    executor_id: str, framework_id: str, resources: ResourcesLike = "cpus:0.1;mem:32;disk:10"
) -> mesos.ExecutorInfo:
    """Mesos's own executor of task groups. It needs at least 0.01 cpus, 32 MB of memory and some disk."""
    return mesos.ExecutorInfo(
        type=mesos.ExecutorInfo.DEFAULT,
        executor_id=mesos.ExecutorID(value=executor_id),
        framework_id=mesos.FrameworkID(value=framework_id),
        resources=resource_messages(resources),
    )
