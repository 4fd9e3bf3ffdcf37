"""Constructors of ``TaskInfo``, ``CommandInfo`` and ``ExecutorInfo`` for the usual cases.

Rules: docs/reference/scheduler-api.md 4.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources.forms import ResourcesLike, as_messages
from pymesoskit.scheduler import ids
from pymesoskit.transport.surroundings import new_uuid
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def new_task_id(prefix: str = "task") -> str:
    """Returns a new unique task id that starts with ``prefix``."""
    return f"{prefix}-{new_uuid()}"


def command(value: str | Iterable[str], environment: Mapping[str, str] | None = None) -> mesos.CommandInfo:
    """Returns a command: text for the shell, or a program with its arguments (``["sleep", "10"]``) without a shell.

    Raises ``ValueError`` if the list is empty, and ``TypeError`` if an argument or an environment variable is not
    text.
    """
    variables = None
    if environment:
        variables = mesos.Environment(variables=[_variable(name, text) for name, text in environment.items()])
    if isinstance(value, str):
        return mesos.CommandInfo(shell=True, value=value, environment=variables)  # noqa: S604  # runs on the agent
    arguments = list(value)
    if not arguments:
        raise ValueError("a command without a shell needs at least the name of the program")
    for argument in arguments:
        if not isinstance(argument, str):
            raise TypeError(f"the arguments of a command must be text, not {type(argument).__name__}: {argument!r}")
    return mesos.CommandInfo(shell=False, value=arguments[0], arguments=arguments, environment=variables)


def _variable(name: object, value: object) -> mesos.Environment.Variable:
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"an environment variable must be text, not {type(value).__name__}: {name}={value!r}")
    return mesos.Environment.Variable(name=name, value=value)


def _command_info(
    value: str | Iterable[str] | mesos.CommandInfo, environment: Mapping[str, str] | None
) -> mesos.CommandInfo:
    if not isinstance(value, mesos.CommandInfo):
        return command(value, environment)
    if environment:
        raise TypeError("give the environment either in the CommandInfo or with a plain command, not beside a message")
    return value


def command_task(
    value: str | Iterable[str] | mesos.CommandInfo,
    resources: ResourcesLike,
    agent: mesos.Offer | ids.AgentIDLike,
    *,
    task_id: str | None = None,
    name: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> mesos.TaskInfo:
    """Returns a task that runs a command on an agent, or on the agent of an offer.

    ``resources`` is text (``cpus:0.1;mem:32``; mem and disk in MB), ``Resources``, or what ``OfferPool.take`` returned.
    Without ``task_id`` the task gets a new id, without ``name`` it is named like its id. A ``CommandInfo`` holds
    its own ``environment``.

    Raises ``ResourcesError`` if the text of the resources is invalid, and ``TypeError`` if the resources are None or
    if ``environment`` is given beside a ``CommandInfo``.
    """
    identifier = new_task_id() if task_id is None else task_id
    info = _command_info(value, environment)
    return mesos.TaskInfo(
        name=identifier if name is None else name,
        task_id=mesos.TaskID(value=identifier),
        agent_id=agent.agent_id if isinstance(agent, mesos.Offer) else ids.agent_id(agent),
        resources=as_messages(resources),
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
    """Returns a task for a custom executor, which receives ``data`` with the task.

    The other arguments are those of ``command_task``.
    """
    identifier = new_task_id() if task_id is None else task_id
    return mesos.TaskInfo(
        name=identifier if name is None else name,
        task_id=mesos.TaskID(value=identifier),
        agent_id=agent.agent_id if isinstance(agent, mesos.Offer) else ids.agent_id(agent),
        resources=as_messages(resources),
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
    """Returns a custom executor that the agent starts with this command.

    ``resources`` is what the executor itself needs, beside its tasks. The master fills in the framework's id.
    """
    info = _command_info(value, environment)
    return mesos.ExecutorInfo(
        type=mesos.ExecutorInfo.CUSTOM,
        executor_id=mesos.ExecutorID(value=executor_id),
        command=info,
        resources=as_messages(resources),
    )


def default_executor(
    executor_id: str, framework_id: str, resources: ResourcesLike = "cpus:0.1;mem:32;disk:10"
) -> mesos.ExecutorInfo:
    """Returns Mesos's built-in executor for task groups.

    Its resources must be at least 0.01 cpus, 32 MB of memory and some disk.
    """
    return mesos.ExecutorInfo(
        type=mesos.ExecutorInfo.DEFAULT,
        executor_id=mesos.ExecutorID(value=executor_id),
        framework_id=mesos.FrameworkID(value=framework_id),
        resources=as_messages(resources),
    )
