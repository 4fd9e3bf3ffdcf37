"""Which messages are the same to a master, though not every field of theirs may be.

Mesos compares some messages field by field, and leaves out what was added to them later: two executors that differ only
in their labels or in the cache of a URI are the same executor. Source: docs/reference/scheduler-api.md 4.4 (item 13)
and 9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymesoskit.resources import Resources
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def same_executor(new: mesos.ExecutorInfo, known: mesos.ExecutorInfo) -> bool:
    """Whether an executor that comes with a task is the one that is there already."""
    return (
        (new.HasField("type"), new.type) == (known.HasField("type"), known.type)
        and new.executor_id.value == known.executor_id.value
        and new.framework_id.value == known.framework_id.value
        and (new.data, new.name, new.source) == (known.data, known.name, known.source)
        and Resources.from_messages(new.resources) == Resources.from_messages(known.resources)
        and _same_command(new.command, known.command)
        and _same_container(new.container, known.container)
        and _same_discovery(new.discovery, known.discovery)
    )


def same_framework(new: mesos.FrameworkInfo, known: mesos.FrameworkInfo) -> bool:
    """Whether a framework says nothing new of itself: the order of roles and of capabilities does not matter."""
    return _ordered(new) == _ordered(known)


def _ordered(info: mesos.FrameworkInfo) -> mesos.FrameworkInfo:
    ordered = mesos.FrameworkInfo()
    ordered.CopyFrom(info)
    ordered.roles.sort()
    ordered.capabilities.sort(key=lambda capability: capability.type)
    return ordered


def _same_each(new: Iterable[Any], known: Iterable[Any], key: Callable[[Any], object]) -> bool:
    """Whether there are as many, in any order, and each new one is among the known ones."""
    new_keys, known_keys = list(map(key, new)), list(map(key, known))
    return len(new_keys) == len(known_keys) and set(new_keys) <= set(known_keys)


def _same_command(new: mesos.CommandInfo, known: mesos.CommandInfo) -> bool:
    return (
        _same_each(new.uris, known.uris, lambda uri: (uri.value, uri.executable, uri.extract, uri.output_file))
        and list(new.arguments) == list(known.arguments)
        and _same_environment(new.environment, known.environment)
        and (new.value, new.user, new.shell) == (known.value, known.user, known.shell)
    )


def _same_environment(new: mesos.Environment, known: mesos.Environment) -> bool:
    return _same_each(new.variables, known.variables, lambda variable: (variable.name, variable.value))


def _same_container(new: mesos.ContainerInfo, known: mesos.ContainerInfo) -> bool:
    docker, other = new.docker, known.docker
    return (
        _same_each(new.volumes, known.volumes, lambda volume: (volume.container_path, volume.host_path, volume.mode))
        and (new.type, new.hostname) == (known.type, known.hostname)
        and _same_each(
            docker.port_mappings,
            other.port_mappings,
            lambda mapping: (mapping.host_port, mapping.container_port, mapping.protocol),
        )
        and _same_each(docker.parameters, other.parameters, _pair)
        and (docker.image, docker.network, docker.privileged, docker.force_pull_image)
        == (other.image, other.network, other.privileged, other.force_pull_image)
    )


def _same_discovery(new: mesos.DiscoveryInfo, known: mesos.DiscoveryInfo) -> bool:
    return (
        (new.visibility, new.name, new.environment, new.location, new.version)
        == (known.visibility, known.name, known.environment, known.location, known.version)
        and _same_each(
            new.ports.ports,
            known.ports.ports,
            lambda port: (port.number, port.name, port.protocol, port.visibility),
        )
        and _same_each(new.labels.labels, known.labels.labels, _pair)
    )


def _pair(message: Any) -> tuple[str, str]:
    return (message.key, message.value)
