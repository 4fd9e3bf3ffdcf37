"""The environment that executors and their tasks are given.

Source: docs/reference/agent-executor.md 7 (and the lines measured at its top).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pymesoskit.testing.agent.detector import Endpoint
    from pymesoskit.testing.flags import AgentFlags
    from pymesoskit.wire.v1 import mesos

#: What a command finds its programs by if nobody says otherwise.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: How long the path of a unix domain socket is at most, its end included.
MAX_SOCKET_PATH = 108

_OURS = ("MESOS_", "LIBPROCESS_")


@frozen
class AgentSettings:
    """What of an agent shows in its executors' environment. Durations are in Mesos's text syntax."""

    endpoint: Endpoint
    shutdown_grace_period: str
    recovery_timeout: str
    subscription_backoff_max: str
    http_command_executor: bool = False
    environment: Mapping[str, str] | None = None  # --executor_environment_variables: replaces what is inherited
    domain_socket: str | None = None


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


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """What an agent passes on of its own environment; what belongs to an agent around it is not passed on."""
    kept = {name: value for name, value in environment.items() if not name.startswith(_OURS)}
    kept.setdefault("PATH", DEFAULT_PATH)
    return kept


def variables(environment: mesos.Environment) -> Iterable[tuple[str, str]]:
    """The plain variables of a message."""
    return ((variable.name, variable.value) for variable in environment.variables)


def of_executor(
    settings: AgentSettings,
    machine: Mapping[str, str],
    executor: mesos.ExecutorInfo,
    *,
    agent_id: str,
    checkpoint: bool,
    directory: str,
    shutdown_grace_period: str | None = None,
    token: str | None = None,
) -> dict[str, str]:
    """All of an executor's environment: the machine's, then Mesos's variables, then those of its command."""
    endpoint = settings.endpoint
    base = machine if settings.environment is None else {"PATH": DEFAULT_PATH, **settings.environment}
    result = dict(base)
    result |= {
        "LIBPROCESS_IP": endpoint.ip,
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
    result.update(variables(executor.command.environment))
    return result


def allocation_role(resources: Iterable[mesos.Resource]) -> str | None:
    """The role that the resources were allocated to."""
    return next((resource.allocation_info.role for resource in resources if resource.allocation_info.role), None)


def of_command_task(executor: Mapping[str, str], task: mesos.TaskInfo) -> dict[str, str]:
    """What a command task sees: its executor's environment, the role, its own variables."""
    result = dict(executor)
    role = allocation_role(task.resources)
    if role is not None:
        result["MESOS_ALLOCATION_ROLE"] = role
    result.update(variables(task.command.environment))
    return result


def of_nested(
    machine: Mapping[str, str], command: mesos.CommandInfo, *, directory: str, role: str | None, ip: str | None
) -> dict[str, str]:
    """What a nested container sees: of Mesos's variables only the role, the address and its sandbox."""
    result = dict(machine)
    result["MESOS_SANDBOX"] = directory
    if role is not None:
        result["MESOS_ALLOCATION_ROLE"] = role
    if ip is not None:
        result["MESOS_CONTAINER_IP"] = ip
    result.update(variables(command.environment))
    return result
