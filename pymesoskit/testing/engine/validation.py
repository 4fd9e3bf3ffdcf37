"""Rules that several kinds of messages share: ids, UUIDs, environments, commands, containers, checks.

Source: docs/reference/scheduler-api.md 1.3, 4 (the ID rule) and 4.4 (the paragraph after the list).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pymesoskit.wire import dumps_value, to_json_value
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_ID_BYTES = 255
_FORBIDDEN = frozenset("/\\\x7f") | frozenset(map(chr, range(0x20)))

Variable = mesos.Environment.Variable
Source = mesos.Volume.Source

T = TypeVar("T")


def first(errors: Iterable[str | None]) -> str | None:
    """The first error of a (lazy) sequence of checks."""
    return next((error for error in errors if error is not None), None)


def as_json(resources: Iterable[mesos.Resource]) -> str:
    """How lists of resource messages read in texts: as JSON, with the keys of each in alphabetical order."""
    return dumps_value([_sorted(to_json_value(resource)) for resource in resources])


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return list(map(_sorted, value)) if isinstance(value, list) else value


def id_error(value: str) -> str | None:
    """The rule for ids of tasks, executors, frameworks, agents, containers and persistent volumes."""
    if not value:
        return "ID must not be empty"
    if len(value.encode()) > _MAX_ID_BYTES:
        return f"ID must not be greater than {_MAX_ID_BYTES} characters"
    if value in {".", ".."}:
        return f"'{value}' is disallowed"
    if not _FORBIDDEN.isdisjoint(value):
        return f"'{value}' contains invalid characters"
    return None


def uuid_error(value: bytes) -> str | None:
    """A UUID is 16 bytes with one of the versions of RFC 4122; its variant is not looked at."""
    if len(value) != 16 or not 1 <= value[6] >> 4 <= 5:
        return "Not a valid UUID"
    return None


def command_error(command: mesos.CommandInfo) -> str | None:
    """A command: only its environment is looked at."""
    return first(_variable_error(variable) for variable in command.environment.variables)


def _variable_error(variable: mesos.Environment.Variable) -> str | None:
    named = f"Environment variable '{variable.name}'"
    if variable.type == Variable.SECRET:
        if not variable.HasField("secret"):
            return f"{named} of type 'SECRET' must have a secret set"
        if variable.HasField("value"):
            return f"{named} of type 'SECRET' must not have a value set"
        error = _secret_error(variable.secret)
        if error is not None:
            return f"{named} specifies an invalid secret: {error}"
        if b"\0" in variable.secret.value.data:
            return f"{named} specifies a secret containing null bytes, which is not allowed in the environment"
        return None
    if variable.type == Variable.VALUE:
        if not variable.HasField("value"):
            return f"{named} of type 'VALUE' must have a value set"
        if variable.HasField("secret"):
            return f"{named} of type 'VALUE' must not have a secret set"
        return None
    return "Environment variable of type 'UNKNOWN' is not allowed"


def _secret_error(secret: mesos.Secret) -> str | None:
    if secret.type == mesos.Secret.REFERENCE:
        if not secret.HasField("reference"):
            return "Secret of type REFERENCE must have the 'reference' field set"
        if secret.HasField("value"):
            return f"Secret '{secret.reference.name}' of type REFERENCE must not have the 'value' field set"
    elif secret.type == mesos.Secret.VALUE:
        if not secret.HasField("value"):
            return "Secret of type VALUE must have the 'value' field set"
        if secret.HasField("reference"):
            return "Secret of type VALUE must not have the 'reference' field set"
    return None


#: The field that a volume's source of each type needs, and how an error calls the type.
_VOLUME_SOURCES = {
    Source.DOCKER_VOLUME: ("docker_volume", "DOCKER_VOLUME"),
    Source.HOST_PATH: ("host_path", "HOST_PATH"),
    Source.SANDBOX_PATH: ("sandbox_path", "SANDBOX_PATH"),
    Source.SECRET: ("secret", "SECRET"),
    Source.CSI_VOLUME: ("csi_volume", "CSI"),
}


def _volume_error(volume: mesos.Volume) -> str | None:
    if sum(map(volume.HasField, ("host_path", "image", "source"))) != 1:
        return "Only one of them should be set: 'host_path', 'image' and 'source'"
    if not volume.HasField("source"):
        return None
    if volume.source.type not in _VOLUME_SOURCES:
        return "'source.type' is unknown"
    name, kind = _VOLUME_SOURCES[volume.source.type]
    if not volume.source.HasField(name):
        return f"'source.{name}' is not set for {kind} volume"
    if volume.source.type == Source.CSI_VOLUME and not volume.source.csi_volume.HasField("static_provisioning"):
        return "'source.csi_volume.static_provisioning' is not set for CSI volume"
    return None


def container_error(container: mesos.ContainerInfo) -> str | None:
    """A container: its volumes, and what Docker needs."""
    for volume in container.volumes:
        error = _volume_error(volume)
        if error is not None:
            return f"Invalid volume: {error}"
    if container.type == mesos.ContainerInfo.DOCKER:
        if not container.HasField("docker"):
            return "DockerInfo 'docker' is not set for DOCKER typed ContainerInfo"
        if any(parameter.key == "name" for parameter in container.docker.parameters):
            return "Parameter in DockerInfo must not be 'name'"
    return None


def health_check_error(check: mesos.HealthCheck) -> str | None:
    """A health check."""
    if not check.HasField("type"):
        return "HealthCheck must specify 'type'"
    kinds = mesos.HealthCheck
    error: str | None = None
    if check.type == kinds.COMMAND:
        if not check.HasField("command"):
            return "Expecting 'command' to be set for COMMAND health check"
        error = _check_command_error(check.command, "Command health check", "Health check")
    elif check.type == kinds.HTTP:
        if not check.HasField("http"):
            return "Expecting 'http' to be set for HTTP health check"
        if check.http.HasField("scheme") and check.http.scheme not in {"http", "https"}:
            return f"Unsupported HTTP health check scheme: '{check.http.scheme}'"
        error = _path_error(check.http, "HTTP health check")
    elif check.type == kinds.TCP:
        if not check.HasField("tcp"):
            return "Expecting 'tcp' to be set for TCP health check"
    else:
        return "'UNKNOWN' is not a valid health check type"
    return error or _seconds_error(check, "delay", "grace_period", "interval", "timeout")


def check_error(check: mesos.CheckInfo) -> str | None:
    """A check."""
    if not check.HasField("type"):
        return "CheckInfo must specify 'type'"
    kinds = mesos.CheckInfo
    error: str | None = None
    if check.type == kinds.COMMAND:
        if not check.HasField("command"):
            return "Expecting 'command' to be set for COMMAND check"
        error = _check_command_error(check.command.command, "Command check", "Check")
    elif check.type == kinds.HTTP:
        if not check.HasField("http"):
            return "Expecting 'http' to be set for HTTP check"
        error = _path_error(check.http, "HTTP check")
    elif check.type == kinds.TCP:
        if not check.HasField("tcp"):
            return "Expecting 'tcp' to be set for TCP check"
    else:
        return "'UNKNOWN' is not a valid check type"
    return error or _seconds_error(check, "delay", "interval", "timeout")


def _check_command_error(command: mesos.CommandInfo, kind: str, owner: str) -> str | None:
    if not command.HasField("value"):
        needed = "'shell command'" if command.shell else "'executable path'"
        return f"{kind} must contain {needed}"
    error = command_error(command)
    return f"{owner}'s `CommandInfo` is invalid: {error}" if error is not None else None


def _path_error(http: mesos.HealthCheck.HTTPCheckInfo | mesos.CheckInfo.Http, kind: str) -> str | None:
    if http.HasField("path") and not http.path.startswith("/"):
        return f"The path '{http.path}' of {kind} must start with '/'"
    return None


def _seconds_error(check: mesos.HealthCheck | mesos.CheckInfo, *names: str) -> str | None:
    return next(
        (f"Expecting '{name}_seconds' to be non-negative" for name in names if getattr(check, f"{name}_seconds") < 0),
        None,
    )
