"""What an executor is given before it runs: its sandbox with its volumes, its environment, its user, its checkpoints.

Source: docs/reference/agent-executor.md 5.3, 7 and 12.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pymesoskit.testing.engine.agent.host import Kind
from pymesoskit.testing.engine.containers import environment, layout
from pymesoskit.testing.engine.containers.commands import (
    SandboxError,
    check_supported,
    command_of,
    is_docker,
    link_container_volumes,
    link_volume,
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

    def __init__(self, core: Core, sandboxes: Sandboxes, authenticator: ExecutorAuthenticator) -> None:
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
            self._sandboxes.opened(executor.run, sandbox)
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
        self._prepare(executor, tasks, user)
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
        )
        if executor.kind is not Kind.CUSTOM:
            return spec, None
        info = executor.info
        path = core.host.programs
        return spec, command_of(info.command, variables, directory, user=user, container=info.container, path=path)

    def add_volumes(self, executor: Executor, tasks: Iterable[mesos.TaskInfo]) -> None:
        """Shows the volumes of further tasks in the executor's sandbox. Raises ``SandboxError``."""
        if executor.directory and not self._core.host.simulates and not is_docker(executor.info.container):
            for task in tasks:
                self._link_volumes(executor, task.resources, None)

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
        return DockerSettings(engine, place, flags.docker_stop_timeout, flags.docker_remove_delay)

    def _mountable(self, executor: Executor) -> str:
        """The sandbox by a path without colons, which mean something to ``docker run -v``."""
        if ":" not in executor.directory:
            return executor.directory
        assert self._core.host.work_dir is not None
        link = self._core.host.work_dir / f"slaves/{self._core.agent_id}/docker/links/{executor.container_id}"
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
                yield f"{self._volume_of(resource)}:{self._core.flags.sandbox_directory}/{path}{mode}"

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

    def _prepare(self, executor: Executor, tasks: Sequence[mesos.TaskInfo], user: str | None) -> None:
        if self._core.host.simulates or not executor.directory:
            return
        check_supported(executor.info.container, self._core.flags.containerizers)
        held = [*executor.info.resources, *(resource for task in tasks for resource in task.resources)]
        if is_docker(executor.info.container):
            self._make_volumes(held, user)
        else:
            link_container_volumes(Path(executor.directory), executor.info.container, None)
            self._link_volumes(executor, held, user)

    def _make_volumes(self, resources: Iterable[mesos.Resource], user: str | None) -> list[tuple[mesos.Resource, Path]]:
        found = []
        for resource in resources:
            if resource.disk.HasField("persistence") and resource.disk.HasField("volume"):
                volume = self._volume_of(resource)
                make_volume(volume, user)
                found.append((resource, volume))
        return found

    def _volume_of(self, resource: mesos.Resource) -> Path:
        assert self._core.host.work_dir is not None
        role = resource.reservations[-1].role if resource.reservations else resource.role
        return self._core.host.work_dir / layout.volume_path(role, resource.disk.persistence.id)

    def _link_volumes(self, executor: Executor, resources: Iterable[mesos.Resource], user: str | None) -> None:
        for resource, volume in self._make_volumes(resources, user):
            link_volume(Path(executor.directory), resource.disk.volume.container_path, volume)


def make_volume(directory: Path, user: str | None) -> None:
    """Makes a persistent volume's directory when it is first used; later it stays as it is. Raises ``SandboxError``."""
    if not directory.exists():
        make_sandbox(directory, user, f"Failed to create the persistent volume '{directory}'")
