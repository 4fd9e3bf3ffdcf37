"""The environment that executors and their tasks are given.

Source: docs/reference/agent-executor.md 7 (and the lines measured at its top).
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

#: What a command finds its programs by if nobody says otherwise.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: How long the path of a unix domain socket is at most, its end included.
MAX_SOCKET_PATH = 108

#: The isolator with which variables may be secrets.
SECRET_ISOLATOR = "environment_secret"  # noqa: S105 (its name)


class SecretError(Exception):
    """A variable is a secret that cannot be resolved; the text says why."""


@frozen
class AgentSettings:
    """What of an agent shows in its executors' environment. Durations are in Mesos's text syntax."""

    endpoint: Endpoint
    shutdown_grace_period: str
    recovery_timeout: str
    subscription_backoff_max: str
    http_command_executor: bool = False
    environment: Mapping[str, str] = MappingProxyType({})  # --executor_environment_variables
    domain_socket: str | None = None
    secrets: bool = False  # whether variables that are secrets are resolved


def resolves_secrets(flags: AgentFlags) -> bool:
    """Whether the agent gives commands the variables that are secrets."""
    return SECRET_ISOLATOR in flags.isolators


def executor_socket(flags: AgentFlags, work_dir: Path | None) -> Path | None:
    """Where the unix domain socket of executors is. Raises ValueError if its path is too long for one."""
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
    """The variables of a message: the secrets, if they are resolved, and the plain ones, which may replace them.

    Raises ``SecretError``: only secrets that are here by value can be resolved.
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
    """The role that the resources were allocated to."""
    return next((resource.allocation_info.role for resource in resources if resource.allocation_info.role), None)


def of_command_task(executor: Mapping[str, str], task: mesos.TaskInfo) -> dict[str, str]:
    """What a command task sees: its executor's environment (with the secrets of its command), its own variables, and
    the role, which nothing replaces.
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
    """What a container that is no executor's sees: nothing of the machine's environment, but a PATH, its sandbox, its
    own variables; a task of a group also the address and the role, which nothing replaces.

    ``inherited`` is what a session sees: all of its parent's, the sandbox included. Raises ``SecretError``.
    """
    result = {"PATH": DEFAULT_PATH, "MESOS_SANDBOX": directory} if inherited is None else dict(inherited)
    result |= variables(command.environment, secrets=secrets)
    if ip is not None:
        result["MESOS_CONTAINER_IP"] = ip
    if role is not None:
        result["MESOS_ALLOCATION_ROLE"] = role
    return result
