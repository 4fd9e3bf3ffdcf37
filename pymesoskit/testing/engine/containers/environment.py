"""The environment of executors and their tasks. It starts empty: nothing of the agent's own environment is inherited.

Source: docs/reference/agent-executor.md 7.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from attrs import frozen

from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pymesoskit.testing.engine.flags.flags import AgentFlags
    from pymesoskit.testing.engine.network.endpoint import Endpoint

#: The PATH of commands that do not set one.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: The maximum length of the path of a unix domain socket, with the final zero byte.
MAX_SOCKET_PATH = 108

#: The isolator that resolves secret variables.
SECRET_ISOLATOR = "environment_secret"  # noqa: S105 (its name)


class SecretError(Exception):
    """A secret variable cannot be resolved; the text says why."""


@frozen
class AgentSettings:
    """What an agent contributes to the environment of its executors. Durations are in Mesos's text syntax."""

    endpoint: Endpoint
    shutdown_grace_period: str
    recovery_timeout: str
    subscription_backoff_max: str
    http_command_executor: bool = False
    environment: Mapping[str, str] = MappingProxyType({})  # --executor_environment_variables
    domain_socket: str | None = None
    secrets: bool = False  # whether secret variables are resolved


def resolves_secrets(flags: AgentFlags) -> bool:
    """Returns whether the agent resolves secret variables."""
    return SECRET_ISOLATOR in flags.isolators


def executor_socket(flags: AgentFlags, work_dir: Path | None) -> Path | None:
    """Returns the path of the unix domain socket for executors, or None. Raises ValueError if the path is too long."""
    if not flags.http_executor_domain_sockets or work_dir is None:
        return None
    path = Path(flags.domain_socket_location) if flags.domain_socket_location else work_dir / "agent.sock"
    if len(str(path)) >= MAX_SOCKET_PATH:
        raise ValueError(
            f"Domain socket location '{path}' must have less than {MAX_SOCKET_PATH} characters"
            " (see --domain_socket_location)"
        )
    return path


def variables(environment: mesos.Environment, *, secrets: bool) -> dict[str, str]:
    """Returns the variables of a message: the secret ones, if they are resolved, and the plain ones, which win.

    Raises ``SecretError`` for a secret that is given by reference.
    """
    result = {}
    for variable in environment.variables if secrets else ():
        if variable.type == mesos.Environment.Variable.SECRET:
            if not variable.secret.HasField("value"):
                raise SecretError("Default secret resolver cannot resolve references")
            result[variable.name] = variable.secret.value.data.decode(errors="surrogateescape")
    for variable in environment.variables:
        if variable.type != mesos.Environment.Variable.SECRET:
            result[variable.name] = variable.value
    return result


def of_executor(
    settings: AgentSettings,
    executor: mesos.ExecutorInfo,
    *,
    agent_id: str,
    checkpoint: bool,
    directory: str,
    shutdown_grace_period: str | None = None,
    token: str | None = None,
) -> dict[str, str]:
    """Returns the whole environment of an executor: a PATH, the agent's ``--executor_environment_variables``, Mesos's
    variables, and the variables of the executor's command; later ones win.

    The executor inherits nothing from the agent's own environment. Raises ``SecretError``.
    """
    endpoint = settings.endpoint
    result = {"PATH": DEFAULT_PATH, "LIBPROCESS_IP": endpoint.ip, **settings.environment}
    result |= {
        "LIBPROCESS_PORT": "0",
        "MESOS_FRAMEWORK_ID": executor.framework_id.value,
        "MESOS_EXECUTOR_ID": executor.executor_id.value,
        "MESOS_SLAVE_ID": agent_id,
        "MESOS_SLAVE_PID": f"slave(1)@{endpoint.authority}",
        "MESOS_AGENT_ENDPOINT": endpoint.authority,
        "MESOS_DIRECTORY": directory,
        "MESOS_SANDBOX": directory,
        "MESOS_CHECKPOINT": "1" if checkpoint else "0",
        "MESOS_HTTP_COMMAND_EXECUTOR": "1" if settings.http_command_executor else "0",
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": shutdown_grace_period or settings.shutdown_grace_period,
    }
    if checkpoint:
        result["MESOS_RECOVERY_TIMEOUT"] = settings.recovery_timeout
        result["MESOS_SUBSCRIPTION_BACKOFF_MAX"] = settings.subscription_backoff_max
    if settings.domain_socket is not None:
        result["MESOS_DOMAIN_SOCKET"] = settings.domain_socket
    if token is not None:
        result["MESOS_EXECUTOR_AUTHENTICATION_TOKEN"] = token
    return result | variables(executor.command.environment, secrets=settings.secrets)


def allocation_role(resources: Iterable[mesos.Resource]) -> str | None:
    """Returns the role to which the resources were allocated."""
    return next((resource.allocation_info.role for resource in resources if resource.allocation_info.role), None)


def of_command_task(executor: Mapping[str, str], task: mesos.TaskInfo) -> dict[str, str]:
    """Returns the environment of a command task: that of its executor (with the secrets of its command), its own
    variables, and the role, which cannot be replaced.
    """
    result = {**executor, **variables(task.command.environment, secrets=False)}
    role = allocation_role(task.resources)
    if role is not None:
        result["MESOS_ALLOCATION_ROLE"] = role
    return result


def of_nested(
    command: mesos.CommandInfo,
    *,
    directory: str,
    secrets: bool,
    inherited: Mapping[str, str] | None = None,
    role: str | None = None,
    ip: str | None = None,
) -> dict[str, str]:
    """Returns the environment of a nested or standalone container: a PATH, its sandbox and its own variables; for a
    task of a group also the address and the role, which cannot be replaced.

    ``inherited`` is for sessions: the whole environment of the parent, including its sandbox. Raises ``SecretError``.
    """
    result = {"PATH": DEFAULT_PATH, "MESOS_SANDBOX": directory} if inherited is None else dict(inherited)
    result |= variables(command.environment, secrets=secrets)
    if ip is not None:
        result["MESOS_CONTAINER_IP"] = ip
    if role is not None:
        result["MESOS_ALLOCATION_ROLE"] = role
    return result
