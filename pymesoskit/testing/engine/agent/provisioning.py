"""What an executor is given before it runs: its sandbox with its volumes, its environment, its user, its checkpoints.

Source: docs/reference/agent-executor.md 5.3, 7 and 12.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pymesoskit.testing.engine.agent.container import Kind
from pymesoskit.testing.engine.containers import environment, volumes
from pymesoskit.testing.engine.containers.commands import (
    SandboxError,
    check_supported,
    command_of,
    is_docker,
    make_sandbox,
)
from pymesoskit.testing.engine.executors.base import Spec
from pymesoskit.testing.engine.executors.docker.client import Engine
from pymesoskit.testing.engine.executors.docker.container import NAME_PREFIX, DockerSettings
from pymesoskit.testing.engine.executors.docker.options import Place
from pymesoskit.testing.runtime.units import print_duration
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.agent.state import Executor, Framework
    from pymesoskit.testing.engine.machine.launcher import Command

_NANOSECONDS = 1_000_000_000


def open_sandbox(core: Core, framework: Framework, executor: Executor, tasks: Sequence[mesos.TaskInfo]) -> None:
    """Makes the executor's sandbox, and checkpoints the executor if its framework does. Raises ``SandboxError``."""
    if executor.directory and not core.host.simulates:
        sandbox = Path(executor.directory)
        user = _user(core, framework, executor, tasks)
        make_sandbox(sandbox, user, f"Failed to create executor directory '{sandbox}'")
        latest = sandbox.parent / "latest"
        latest.unlink(missing_ok=True)
        latest.symlink_to(sandbox.name)
    if executor.checkpoint:
        store, run = core.host.store, executor.run
        store.write(run.executor_info, executor.info.SerializeToString())
        store.write(run.generated, b"1" if executor.is_command else b"0")
        store.write(run.latest, executor.container_id.encode())


def provide(
    core: Core, framework: Framework, executor: Executor, tasks: Sequence[mesos.TaskInfo]
) -> tuple[Spec, Command | None]:
    """Returns what a host needs to launch the executor, with a command for a custom one. ``tasks`` are its first ones.

    Raises ``SandboxError``.
    """
    user = _user(core, framework, executor, tasks)
    _prepare(core, executor, tasks)
    variables = {} if core.host.simulates else _environment(core, framework, executor)
    directory = executor.directory or None
    spec = Spec(
        framework=framework.info,
        info=executor.info,
        container_id=executor.container_id,
        directory=directory,
        environment=variables,
        checkpoint=framework.info.checkpoint,
        recovery_timeout=core.flags.recovery_timeout,
        shutdown_grace=grace(core, executor),
        user=user,
        ip=core.endpoint.ip,
        docker=_docker(core, executor, tasks),
        http=core.flags.http_command_executor,
        secrets=environment.resolves_secrets(core.flags),
        switch_user=core.flags.switch_user,
        isolators=core.flags.isolators,
    )
    if executor.kind is not Kind.CUSTOM:
        return spec, None
    info = executor.info
    path = core.host.programs
    return spec, command_of(info.command, variables, directory, user=user, container=info.container, path=path)


def _docker(core: Core, executor: Executor, tasks: Iterable[mesos.TaskInfo]) -> DockerSettings | None:
    if core.host.simulates or not is_docker(executor.info.container):
        return None
    flags = core.flags
    place = Place(
        name=NAME_PREFIX + executor.container_id,
        sandbox=_mountable(core, executor),
        mapped=flags.sandbox_directory,
        volumes=tuple(_mounts(core, executor, tasks)),
        cfs=flags.cgroups_enable_cfs,
    )
    engine = Engine(flags.docker, flags.docker_socket, core.host.environment)
    private = _work_dir(core) / "docker"
    return DockerSettings(engine, place, private, flags.docker_stop_timeout, flags.docker_remove_delay)


def _mountable(core: Core, executor: Executor) -> str:
    """Returns a path to the sandbox without colons, which mean something to ``docker run -v``."""
    if ":" not in executor.directory:
        return executor.directory
    link = _work_dir(core) / f"slaves/{core.agent_id}/docker/links/{executor.container_id}"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(executor.directory)
    return str(link)


def _mounts(core: Core, executor: Executor, tasks: Iterable[mesos.TaskInfo]) -> Iterator[str]:
    """Yields persistent volumes as ``docker run -v`` takes them; as in Mesos, only those directly below the sandbox."""
    if not executor.is_command:
        return
    for resource in (resource for task in tasks for resource in task.resources):
        path = resource.disk.volume.container_path
        if resource.disk.HasField("persistence") and resource.disk.HasField("volume") and "/" not in path:
            mode = ":ro" if resource.disk.volume.mode == mesos.Volume.RO else ""
            directory = volumes.directory_of(_work_dir(core), resource)
            yield f"{directory}:{core.flags.sandbox_directory}/{path}{mode}"


def _environment(core: Core, framework: Framework, executor: Executor) -> dict[str, str]:
    try:
        return environment.of_executor(
            _settings(core),
            executor.info,
            agent_id=core.agent_id,
            checkpoint=framework.info.checkpoint,
            directory=executor.directory,
            shutdown_grace_period=print_duration(grace(core, executor)),
            token=core.authenticator.token(framework.id, executor.id, executor.container_id),
        )
    except environment.SecretError as error:
        raise SandboxError(str(error)) from None


def _settings(core: Core) -> environment.AgentSettings:
    flags = core.flags
    return environment.AgentSettings(
        endpoint=core.endpoint,
        shutdown_grace_period=print_duration(flags.executor_shutdown_grace_period),
        recovery_timeout=print_duration(flags.recovery_timeout),
        subscription_backoff_max=print_duration(flags.executor_reregistration_timeout),
        http_command_executor=flags.http_command_executor,
        environment=dict(flags.executor_environment_variables or ()),
        domain_socket=None if core.executor_socket is None else str(core.executor_socket),
        secrets=environment.resolves_secrets(flags),
    )


def _user(core: Core, framework: Framework, executor: Executor, tasks: Sequence[mesos.TaskInfo]) -> str | None:
    if not core.flags.switch_user or core.host.simulates:
        return None
    own = tasks[0].command.user if executor.is_command else executor.info.command.user
    return own or framework.info.user or None


def grace(core: Core, executor: Executor) -> float:
    """Returns how long the executor has between SHUTDOWN and its end, in seconds."""
    if executor.info.HasField("shutdown_grace_period"):
        return executor.info.shutdown_grace_period.nanoseconds / _NANOSECONDS
    return core.flags.executor_shutdown_grace_period


# Volumes


def _prepare(core: Core, executor: Executor, tasks: Sequence[mesos.TaskInfo]) -> None:
    if core.host.simulates or not executor.directory:
        return
    check_supported(executor.info.container, core.flags.containerizers)
    held = [*executor.info.resources, *(resource for task in tasks for resource in task.resources)]
    if is_docker(executor.info.container):
        _create_volumes(core, executor, held)
    else:
        isolators = core.flags.isolators
        volumes.check_volumes(executor.info.container, isolators)
        volumes.link_volumes_of(Path(executor.directory), executor.info.container, None, isolators)
        _link_volumes(core, executor, held)


def add_volumes(core: Core, executor: Executor, tasks: Iterable[mesos.TaskInfo]) -> None:
    """Shows the persistent volumes of further tasks in the executor's sandbox. Raises ``SandboxError``."""
    if _links_volumes(core, executor):
        for task in tasks:
            _link_volumes(core, executor, task.resources)


def release_volumes(core: Core, executor: Executor, task: mesos.TaskInfo) -> None:
    """Takes the persistent volumes of a task that has ended out of its executor's sandbox, except those that the
    executor or another task of it still holds.
    """
    if not _links_volumes(core, executor):
        return
    kept = {resource.disk.persistence.id for resource in volumes.persistent(executor.resources())}
    for resource in volumes.persistent(task.resources):
        if resource.disk.persistence.id not in kept:
            volumes.unlink_persistent(Path(executor.directory), _work_dir(core), resource)


def _links_volumes(core: Core, executor: Executor) -> bool:
    return bool(executor.directory) and not core.host.simulates and not is_docker(executor.info.container)


def _link_volumes(core: Core, executor: Executor, resources: Iterable[mesos.Resource]) -> None:
    for resource in volumes.persistent(resources):
        directory = volumes.link_persistent(
            Path(executor.directory),
            _work_dir(core),
            resource,
            give_away=not _is_used_by_others(core, executor, resource),
        )
        if directory is not None and core.sandboxes is not None:
            core.sandboxes.share(directory)


def _create_volumes(core: Core, executor: Executor, resources: Iterable[mesos.Resource]) -> None:
    for resource in volumes.persistent(resources):
        try:
            volumes.create(_work_dir(core), resource)
            if not _is_used_by_others(core, executor, resource):
                volumes.give_to_owner(Path(executor.directory), volumes.directory_of(_work_dir(core), resource))
        except OSError as error:
            raise SandboxError(f"Failed to create a persistent volume: {error.strerror}") from error


def _is_used_by_others(core: Core, executor: Executor, volume: mesos.Resource) -> bool:
    """Whether another executor holds the volume, too, which only shared ones allow."""
    return volume.HasField("shared") and any(
        held.disk.persistence.id == volume.disk.persistence.id
        for _, other in core.executors()
        if other is not executor
        for held in volumes.persistent(other.resources())
    )


def _work_dir(core: Core) -> Path:
    assert core.host.work_dir is not None
    return core.host.work_dir
