"""What ``docker run`` is asked for: from a ``ContainerInfo`` and a ``CommandInfo`` to its arguments.

Mesos puts the variables of a container into the arguments, where every user of the host can read them. Here they reach
docker in the environment of its command, or in a file if they would mean something to that command itself.

Source: docs/reference/agent-executor.md 10.1.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from pymesoskit.testing.engine.containers.environment import allocation_role
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

CPU_SHARES_PER_CPU, MIN_CPU_SHARES = 1024, 2
#: Microseconds of ``--cpu-quota``: for one CPU, and the minimum.
CPU_PERIOD, MIN_CPU_QUOTA = 100_000, 1_000
MEGABYTE = 1 << 20
MIN_MEMORY = 32 * MEGABYTE
#: The range of the OOM scores that are used.
OOM_SCORES = (2, 999)

#: The parameter that sets a variable.
_ENV = "env"

_NETWORKS = {
    mesos.ContainerInfo.DockerInfo.HOST: "host",
    mesos.ContainerInfo.DockerInfo.BRIDGE: "bridge",
    mesos.ContainerInfo.DockerInfo.NONE: "none",
}
_MODES = {mesos.Volume.RW: "rw", mesos.Volume.RO: "ro"}


class DockerOptionsError(Exception):
    """The container cannot be run as asked; the text says why."""


@frozen
class Place:
    """Where a container runs, and what it gets there."""

    name: str
    sandbox: str  # on the host
    mapped: str  # the sandbox as the container sees it
    volumes: tuple[str, ...] = ()  # further arguments of ``-v``
    cfs: bool = False  # --cgroups_enable_cfs


@frozen
class RunOptions:
    """What comes after ``docker run``."""

    before: tuple[str, ...]
    variables: Mapping[str, str]  # of the container, in the environment of the docker command, which passes them on
    file: Mapping[str, str]  # of the container, in a file
    after: tuple[str, ...]

    def arguments(self, env_file: str | None = None) -> tuple[str, ...]:
        """Returns the arguments, with the path of the file if there is one. They show no value of a variable."""
        names = [argument for name in self.variables for argument in ("-e", name)]
        return (*self.before, *(("--env-file", env_file) if env_file is not None else ()), *names, *self.after)

    def file_text(self) -> str:
        """Returns the contents of the file."""
        return "".join(f"{name}={value}\n" for name, value in self.file.items())


#: Variables to which the docker command itself reacts.
_CLIENTS = re.compile(r"PATH|HOME|USER|TMPDIR|(DOCKER|BUILDKIT|COMPOSE|XDG|SSL|SSH|LD|GO)\w*|\w+_proxy", re.IGNORECASE)


def split_variables(variables: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Returns which variables go through the environment of the docker command and which through a file.

    Raises ``DockerOptionsError`` for those that fit into neither.
    """
    through_environment: dict[str, str] = {}
    through_file: dict[str, str] = {}
    for name, value in sorted(variables.items()):
        if not name or "=" in name or "\0" in name + value:
            raise DockerOptionsError(f"Invalid environment variable '{name}'")
        if _CLIENTS.fullmatch(name) is None:
            through_environment[name] = value
        elif "\n" in value or value.endswith("\r"):
            raise DockerOptionsError(f"The environment variable '{name}' of a Docker task has several lines")
        else:
            through_file[name] = value
    return through_environment, through_file


@define
class _Arguments:
    """Collects the arguments of ``docker run``."""

    found: list[str] = field(factory=list)

    def add(self, option: str, *values: object) -> None:
        for value in values:
            self.found += [option, str(value)]


def run_arguments(
    container: mesos.ContainerInfo,
    command: mesos.CommandInfo,
    place: Place,
    resources: Sequence[mesos.Resource],
    *,
    limits: Mapping[str, mesos.Value.Scalar] | None = None,
    environment: Mapping[str, str] | None = None,
) -> RunOptions:
    """Returns what comes after ``docker run``. ``environment`` is set besides the command's, and wins.

    Raises ``DockerOptionsError`` if the container cannot be run.
    """
    if not container.HasField("docker"):
        raise DockerOptionsError("No docker info found in container info")
    docker = container.docker
    network = _network(container)
    arguments = _Arguments()
    if docker.privileged:
        arguments.found.append("--privileged")
    _add_limits(arguments, resources, limits or {}, cfs=place.cfs)
    variables = {variable.name: variable.value for variable in command.environment.variables}
    variables |= environment or {}
    variables |= {"MESOS_SANDBOX": place.mapped, "MESOS_CONTAINER_NAME": place.name}
    if resources:
        variables["MESOS_ALLOCATION_ROLE"] = allocation_role(resources) or ""
    variables |= _variables_of(docker)
    before = tuple(arguments.found)
    arguments = _Arguments()
    arguments.add("-v", *_volumes(container, place), f"{place.sandbox}:{place.mapped}", *place.volumes)
    driver = _volume_driver(container)
    if driver is not None:
        arguments.found.append(f"--volume-driver={driver}")
    arguments.add("--net", network)
    if container.HasField("hostname"):
        if network == "host":
            raise DockerOptionsError("Unable to set hostname with host network mode")
        arguments.add("--hostname", container.hostname)
    arguments.add("-p", *_port_mappings(docker, network, resources))
    if command.shell:
        arguments.add("--entrypoint", "/bin/sh")
    arguments.add("--name", place.name)
    arguments.found += [
        f"--{parameter.key}={parameter.value}" for parameter in docker.parameters if parameter.key != _ENV
    ]
    arguments.found.append(docker.image)
    arguments.found += _command(command)
    through_environment, through_file = split_variables(variables)
    return RunOptions(before, through_environment, through_file, tuple(arguments.found))


def _variables_of(docker: mesos.ContainerInfo.DockerInfo) -> dict[str, str]:
    """Returns the variables among the parameters of a container: they come last, so they win."""
    given = (parameter.value.partition("=") for parameter in docker.parameters if parameter.key == _ENV)
    return {name: value for name, equals, value in given if equals}


def _command(command: mesos.CommandInfo) -> list[str]:
    if command.shell:
        if not command.HasField("value"):
            raise DockerOptionsError("Shell specified but no command value provided")
        return ["-c", command.value]
    return [*([command.value] if command.HasField("value") else []), *command.arguments]


# Resources


def _total(resources: Iterable[mesos.Resource], name: str) -> float | None:
    found = [resource.scalar.value for resource in resources if resource.name == name]
    return round(sum(found), 3) if found else None


def _add_limits(
    arguments: _Arguments,
    resources: Sequence[mesos.Resource],
    limits: Mapping[str, mesos.Value.Scalar],
    *,
    cfs: bool,
) -> None:
    cpus, held = _total(resources, "cpus"), _total(resources, "mem")
    if cpus is not None:
        arguments.add("--cpu-shares", max(int(CPU_SHARES_PER_CPU * cpus), MIN_CPU_SHARES))
    quota = limits["cpus"].value if "cpus" in limits else (cpus if cfs else None)
    if quota is not None and quota != math.inf:
        arguments.add("--cpu-quota", max(int(CPU_PERIOD * quota), MIN_CPU_QUOTA))
    memory = None if held is None else max(int(held) * MEGABYTE, MIN_MEMORY)
    if "mem" not in limits:
        if memory is not None:
            arguments.add("--memory", memory)
        return
    limit = limits["mem"].value
    if memory is not None:
        arguments.add("--memory-reservation", memory)
    if limit != math.inf:
        arguments.add("--memory", max(int(limit) * MEGABYTE, MIN_MEMORY))
    if held is not None and (limit == math.inf or int(held) < int(limit)):
        arguments.add("--oom-score-adj", oom_score(int(held) * MEGABYTE))


def oom_score(held: int) -> int:
    """Returns the OOM score of a container that holds so many bytes and may use more."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    low, high = OOM_SCORES
    return min(high, max(low, 1000 - 1000 * held // total))


# Volumes


def _volumes(container: mesos.ContainerInfo, place: Place) -> Iterator[str]:
    for volume in container.volumes:
        target = str(PurePosixPath(place.mapped, volume.container_path))
        if volume.HasField("host_path"):
            yield f"{_host_path(container.docker, volume, place)}:{target}:{_MODES[volume.mode]}"
        elif not volume.HasField("source"):
            raise DockerOptionsError("Host path or volume source is required")
        elif volume.source.type == mesos.Volume.Source.DOCKER_VOLUME:
            yield f"{volume.source.docker_volume.name}:{target}:{_MODES[volume.mode]}"


def _host_path(docker: mesos.ContainerInfo.DockerInfo, volume: mesos.Volume, place: Place) -> str:
    if volume.host_path.startswith("/"):
        return volume.host_path
    if not volume.container_path.startswith("/"):
        raise DockerOptionsError(
            f"Both host_path '{volume.host_path}' and container_path '{volume.container_path}' of a volume are relative"
        )
    return volume.host_path if docker.HasField("volume_driver") else f"{place.sandbox}/{volume.host_path}"


def _volume_driver(container: mesos.ContainerInfo) -> str | None:
    drivers = {
        volume.source.docker_volume.driver
        for volume in container.volumes
        if volume.source.type == mesos.Volume.Source.DOCKER_VOLUME and volume.source.docker_volume.HasField("driver")
    }
    if len(drivers) > 1:
        raise DockerOptionsError("Only one volume driver is supported")
    if container.docker.HasField("volume_driver"):
        if drivers - {container.docker.volume_driver}:
            raise DockerOptionsError("Only one volume driver per task is supported")
        return container.docker.volume_driver
    return next(iter(drivers), None)


# Network


def _network(container: mesos.ContainerInfo) -> str:
    mode = container.docker.network if container.docker.HasField("network") else mesos.ContainerInfo.DockerInfo.HOST
    if mode in _NETWORKS:
        return _NETWORKS[mode]
    if not container.network_infos:
        raise DockerOptionsError("No network info found in container info")
    if len(container.network_infos) > 1:
        raise DockerOptionsError("Only a single network can be defined in Docker run")
    if not container.network_infos[0].HasField("name"):
        raise DockerOptionsError("No network name found in network info")
    return container.network_infos[0].name


def _port_mappings(
    docker: mesos.ContainerInfo.DockerInfo, network: str, resources: Sequence[mesos.Resource]
) -> Iterator[str]:
    if not docker.port_mappings:
        return
    if network in {"host", "none"}:
        raise DockerOptionsError("Port mappings are only supported for bridge and user-defined networks")
    ranges = [bounds for resource in resources if resource.name == "ports" for bounds in resource.ranges.range]
    if not ranges:
        raise DockerOptionsError("Port mappings require port resources")
    for mapping in docker.port_mappings:
        if not any(bounds.begin <= mapping.host_port <= bounds.end for bounds in ranges):
            raise DockerOptionsError(f"Port [{mapping.host_port}] not included in resources")
        protocol = f"/{mapping.protocol.lower()}" if mapping.HasField("protocol") else ""
        yield f"{mapping.host_port}:{mapping.container_port}{protocol}"
