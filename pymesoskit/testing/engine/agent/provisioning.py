"""What an executor is given before it runs: its sandbox with its volumes, its environment, its user, its checkpoints.

Source: docs/reference/agent-executor.md 5.3, 7 and 12.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pymesoskit.testing.engine.agent.host import Kind
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

    from pymesoskit.testing.engine.agent.auth import ExecutorAuthenticator
    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.agent.state import Executor, Framework
    from pymesoskit.testing.engine.containers.sandboxes import Sandboxes
    from pymesoskit.testing.engine.machine.launcher import Command

_NANOSECONDS = 1_000_000_000


class Provisioning:
    """See the module's text."""

    def __init__(self, core: Core, sandboxes: Sandboxes | None, authenticator: ExecutorAuthenticator) -> None:
        self._core = core
        self._sandboxes = sandboxes
        self._authenticator = authenticator

    def open_sandbox(self, framework: Framework, executor: Executor, tasks: Sequence[mesos.TaskInfo]) -> None:
        """Makes the executor's sandbox, and remembers it if it is to be. Raises ``SandboxError``."""
        if executor.directory and not self._core.host.simulates:
            sandbox = Path(executor.directory)
            user = self._user(framework, executor, tasks)
            make_sandbox(sandbox, user, f"Failed to create executor directory '{sandbox}'")
            latest = sandbox.parent / "latest"
            latest.unlink(missing_ok=True)
            latest.symlink_to(sandbox.name)
        if executor.checkpoint:
            store, run = self._core.host.store, executor.run
            store.write(run.executor_info, executor.info.SerializeToString())
            store.write(run.generated, b"1" if executor.is_command else b"0")
            store.write(run.latest, executor.container_id.encode())

    def provide(
        self, framework: Framework, executor: Executor, tasks: Sequence[mesos.TaskInfo]
    ) -> tuple[Spec, Command | None]:
        """All that a host needs to launch the executor; a command only for a custom one. ``tasks`` are its first ones.

        Raises ``SandboxError``.
        """
        core = self._core
        user = self._user(framework, executor, tasks)
        self._prepare(executor, tasks)
        variables = {} if core.host.simulates else self._environment(framework, executor)
        directory = executor.directory or None
        spec = Spec(
            framework=framework.info,
            info=executor.info,
            container_id=executor.container_id,
            directory=directory,
            environment=variables,
            checkpoint=framework.info.checkpoint,
            recovery_timeout=core.flags.recovery_timeout,
            shutdown_grace=self.grace(executor),
            user=user,
            ip=core.endpoint.ip,
            docker=self._docker(executor, tasks),
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

    def _docker(self, executor: Executor, tasks: Iterable[mesos.TaskInfo]) -> DockerSettings | None:
        core = self._core
        if core.host.simulates or not is_docker(executor.info.container):
            return None
        flags = core.flags
        place = Place(
            name=NAME_PREFIX + executor.container_id,
            sandbox=self._mountable(executor),
            mapped=flags.sandbox_directory,
            volumes=tuple(self._mounts(executor, tasks)),
            cfs=flags.cgroups_enable_cfs,
        )
        engine = Engine(flags.docker, flags.docker_socket, core.host.environment)
        private = self._work_dir / "docker"
        return DockerSettings(engine, place, private, flags.docker_stop_timeout, flags.docker_remove_delay)

    def _mountable(self, executor: Executor) -> str:
        """The sandbox by a path without colons, which mean something to ``docker run -v``."""
        if ":" not in executor.directory:
            return executor.directory
        link = self._work_dir / f"slaves/{self._core.agent_id}/docker/links/{executor.container_id}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(executor.directory)
        return str(link)

    def _mounts(self, executor: Executor, tasks: Iterable[mesos.TaskInfo]) -> Iterator[str]:
        """Persistent volumes, as ``docker run -v`` takes them; as in Mesos, only those right below the sandbox."""
        if not executor.is_command:
            return
        for resource in (resource for task in tasks for resource in task.resources):
            path = resource.disk.volume.container_path
            if resource.disk.HasField("persistence") and resource.disk.HasField("volume") and "/" not in path:
                mode = ":ro" if resource.disk.volume.mode == mesos.Volume.RO else ""
                directory = volumes.directory_of(self._work_dir, resource)
                yield f"{directory}:{self._core.flags.sandbox_directory}/{path}{mode}"

    def _environment(self, framework: Framework, executor: Executor) -> dict[str, str]:
        try:
            return environment.of_executor(
                self._settings(),
                executor.info,
                agent_id=self._core.agent_id,
                checkpoint=framework.info.checkpoint,
                directory=executor.directory,
                shutdown_grace_period=print_duration(self.grace(executor)),
                token=self._authenticator.token(framework.id, executor.id, executor.container_id),
            )
        except environment.SecretError as error:
            raise SandboxError(str(error)) from None

    def _settings(self) -> environment.AgentSettings:
        flags = self._core.flags
        return environment.AgentSettings(
            endpoint=self._core.endpoint,
            shutdown_grace_period=print_duration(flags.executor_shutdown_grace_period),
            recovery_timeout=print_duration(flags.recovery_timeout),
            subscription_backoff_max=print_duration(flags.executor_reregistration_timeout),
            http_command_executor=flags.http_command_executor,
            environment=dict(flags.executor_environment_variables or ()),
            domain_socket=None if self._core.executor_socket is None else str(self._core.executor_socket),
            secrets=environment.resolves_secrets(flags),
        )

    def _user(self, framework: Framework, executor: Executor, tasks: Sequence[mesos.TaskInfo]) -> str | None:
        if not self._core.flags.switch_user or self._core.host.simulates:
            return None
        own = tasks[0].command.user if executor.is_command else executor.info.command.user
        return own or framework.info.user or None

    def grace(self, executor: Executor) -> float:
        """How long the executor has between SHUTDOWN and its end, in seconds."""
        if executor.info.HasField("shutdown_grace_period"):
            return executor.info.shutdown_grace_period.nanoseconds / _NANOSECONDS
        return self._core.flags.executor_shutdown_grace_period

    # Volumes

    def _prepare(self, executor: Executor, tasks: Sequence[mesos.TaskInfo]) -> None:
        if self._core.host.simulates or not executor.directory:
            return
        check_supported(executor.info.container, self._core.flags.containerizers)
        held = [*executor.info.resources, *(resource for task in tasks for resource in task.resources)]
        if is_docker(executor.info.container):
            self._create_volumes(executor, held)
        else:
            isolators = self._core.flags.isolators
            volumes.check_volumes(executor.info.container, isolators)
            volumes.link_volumes_of(Path(executor.directory), executor.info.container, None, isolators)
            self._link_volumes(executor, held)

    def add_volumes(self, executor: Executor, tasks: Iterable[mesos.TaskInfo]) -> None:
        """Shows the persistent volumes of further tasks in the executor's sandbox. Raises ``SandboxError``."""
        if self._links_volumes(executor):
            for task in tasks:
                self._link_volumes(executor, task.resources)

    def release_volumes(self, executor: Executor, task: mesos.TaskInfo) -> None:
        """Takes the persistent volumes of a task that has ended out of its executor's sandbox, except those that the
        executor or another task of it still holds.
        """
        if not self._links_volumes(executor):
            return
        kept = {resource.disk.persistence.id for resource in volumes.persistent(executor.resources())}
        for resource in volumes.persistent(task.resources):
            if resource.disk.persistence.id not in kept:
                volumes.unlink_persistent(Path(executor.directory), self._work_dir, resource)

    def _links_volumes(self, executor: Executor) -> bool:
        return bool(executor.directory) and not self._core.host.simulates and not is_docker(executor.info.container)

    def _link_volumes(self, executor: Executor, resources: Iterable[mesos.Resource]) -> None:
        for resource in volumes.persistent(resources):
            directory = volumes.link_persistent(
                Path(executor.directory),
                self._work_dir,
                resource,
                give_away=not self._is_used_by_others(executor, resource),
            )
            if directory is not None and self._sandboxes is not None:
                self._sandboxes.share(directory)

    def _create_volumes(self, executor: Executor, resources: Iterable[mesos.Resource]) -> None:
        for resource in volumes.persistent(resources):
            try:
                volumes.create(self._work_dir, resource)
                if not self._is_used_by_others(executor, resource):
                    volumes.give_to_owner(Path(executor.directory), volumes.directory_of(self._work_dir, resource))
            except OSError as error:
                raise SandboxError(f"Failed to create a persistent volume: {error.strerror}") from error

    def _is_used_by_others(self, executor: Executor, volume: mesos.Resource) -> bool:
        """Whether another executor holds the volume, too, which only shared ones allow."""
        return volume.HasField("shared") and any(
            held.disk.persistence.id == volume.disk.persistence.id
            for _, other in self._core.executors()
            if other is not executor
            for held in volumes.persistent(other.resources())
        )

    @property
    def _work_dir(self) -> Path:
        assert self._core.host.work_dir is not None
        return self._core.host.work_dir
