"""The machine that an agent runs on: what is on it goes on when the agent dies.

A ``Host`` holds the work directory with the checkpoints, and the executors' containers: the processes of custom
executors, and the built-in executors, which act in the actor's turn but are no part of any agent. An agent that
starts finds them here again.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define

from pymesoskit.testing.engine.agent.container import Builtin, Callbacks, Container, Kind
from pymesoskit.testing.engine.containers import layout
from pymesoskit.testing.engine.containers.commands import note
from pymesoskit.testing.engine.containers.containers import ContainerTree
from pymesoskit.testing.engine.containers.environment import DEFAULT_PATH
from pymesoskit.testing.engine.containers.store import DiskStore, MemoryStore, Store
from pymesoskit.testing.engine.executors.command import CommandExecutor
from pymesoskit.testing.engine.executors.default import DefaultExecutor
from pymesoskit.testing.engine.executors.docker.client import DockerClient, ImageProvider
from pymesoskit.testing.engine.executors.docker.executor import DockerExecutor
from pymesoskit.testing.engine.executors.docker.options import DockerOptionsError, run_arguments
from pymesoskit.testing.engine.executors.docker.process import DockerProcess
from pymesoskit.testing.engine.executors.simulated import SimulatedExecutor
from pymesoskit.testing.engine.machine.disk_meter import ThreadMeter
from pymesoskit.testing.engine.machine.fetcher import ThreadFetcher
from pymesoskit.testing.engine.machine.launcher import Command, Exit, Launcher, Usage
from pymesoskit.testing.engine.machine.machine import Fetcher, FetchFailure, Machine
from pymesoskit.testing.engine.machine.pace import INSTANT, Pace
from pymesoskit.testing.engine.machine.prober import NetworkProber
from pymesoskit.testing.engine.machine.remover import Remover

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from pymesoskit.testing.engine.agent.container import AgentPort
    from pymesoskit.testing.engine.executors.base import Spec
    from pymesoskit.testing.engine.executors.docker.container import DockerSettings
    from pymesoskit.testing.engine.machine.machine import Prober
    from pymesoskit.testing.runtime.actor import Actor
    from pymesoskit.wire.v1 import executor


#: Signals that end no process.
HARMLESS = frozenset({0, signal.SIGCONT, signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH})


@define(eq=False)
class HostLine:
    """How a built-in executor reaches the world from this machine (``builtin_executor.Line``)."""

    host: Host
    container: Container
    callbacks: Callbacks

    def call(self, call: executor.Call) -> None:
        self.host.call_agent(self.container, call)

    def exit(self, how: Exit) -> None:
        self.host.exited(self.container, how)

    def fail(self, why: str) -> None:
        self.host.give_up(self.container, self.callbacks, why)


class Host:
    """What an agent runs on: its machine, disk and services, which outlive the agent's process.

    ``work_dir`` None: nothing is kept on disk (for simulated launchers). ``environment`` is the agent's own: the docker
    command runs in it, and executors' programs are looked up on its PATH. Executors and tasks do not inherit it.
    """

    def __init__(
        self,
        work_dir: Path | None,
        *,
        actor: Actor,
        launcher: Launcher,
        rng: random.Random,
        environment: Mapping[str, str],
        prober: Prober | None = None,
        fetcher: Fetcher | None = None,
        pace: Pace = INSTANT,
    ) -> None:
        if work_dir is None and launcher.needs_sandbox:
            raise ValueError("a host whose tasks are real processes needs a work directory")
        self.work_dir: Path | None = (
            None if work_dir is None else work_dir.resolve()
        )  # sandboxes have paths without links
        self.environment: dict[str, str] = dict(environment)
        self._own: list[NetworkProber | ThreadFetcher] = []  # what is to be closed with the host
        if prober is None:
            prober = NetworkProber(actor)
            self._own.append(prober)
        if fetcher is None:
            fetcher = ThreadFetcher(actor, self.work_dir)
            self._own.append(fetcher)
        self.machine: Machine = Machine(actor, launcher, prober, fetcher, rng, pace)
        self.meter: ThreadMeter = ThreadMeter(actor)
        self.remover: Remover | None = None if self.work_dir is None else Remover(self.work_dir)
        self.nested: ContainerTree = ContainerTree(launcher)
        self._containers: dict[str, Container] = {}
        self._agent: AgentPort | None = None
        self.store: Store = self._new_store()
        self._boot_id: str | None = None

    @property
    def programs(self) -> str:
        """The directories, separated by colons, where the programs of executors and nested containers are looked up."""
        return self.environment.get("PATH", DEFAULT_PATH)

    @property
    def boot_id(self) -> str:
        """Names the time since the machine was last booted; a new ``Host`` with an old disk has been."""
        if self._boot_id is None:
            self._boot_id = str(int(self.store.read(layout.BOOTS) or b"0") + 1)
            self.store.write(layout.BOOTS, self._boot_id.encode())
        return self._boot_id

    def _new_store(self) -> Store:
        return MemoryStore() if self.work_dir is None else DiskStore(self.work_dir / "meta")

    @property
    def simulates(self) -> bool:
        """Whether nothing here is real: no sandboxes, no processes."""
        return not self.machine.launcher.needs_sandbox

    # The agent

    def attach(self, agent: AgentPort) -> None:
        """An agent runs on this machine now."""
        self._agent = agent
        self.machine.fetches.succeeded = self.machine.fetches.failed = 0

    def detach(self, agent: AgentPort) -> None:
        """The agent is gone; the executors notice."""
        if self._agent is agent:
            self._agent = None
            for container in self._containers.values():
                if container.builtin is not None:
                    self.machine.actor.post(container.builtin.agent_lost)

    def agent_recovered(self, agent: AgentPort) -> None:
        """The agent answers all calls from now on."""
        if self._agent is agent:
            for container in self._containers.values():
                if container.builtin is not None:
                    self.machine.actor.post(container.builtin.agent_recovered)

    def find(self, container_id: str) -> Container | None:
        """The executor's container of that id, if it has not ended."""
        return self._containers.get(container_id)

    def containers(self) -> list[Container]:
        """The executors' containers that have not ended."""
        return list(self._containers.values())

    def reconnect(self, container: Container) -> None:
        """Tells a built-in executor that its agent is back; others look for it themselves."""
        if container.builtin is not None:
            self.machine.actor.post(container.builtin.agent_found)

    # Containers

    def launch(self, kind: Kind, spec: Spec, command: Command | None, callbacks: Callbacks) -> Container:
        """Launches an executor: the process of ``command``, or without one the built-in executor of that kind."""
        container = Container(kind, spec, callbacks.ended)
        self._containers[container.id] = container
        killed = Exit.of_signal(signal.SIGKILL)  # what becomes of the process that waits for the fetcher

        def fetched(failure: FetchFailure | None) -> None:
            container.abandon = None
            if failure is None:
                self._provide_image(container, command, callbacks)
            elif container.id in self._containers:
                if spec.directory is not None:
                    note(Path(spec.directory), failure.detail)
                self.give_up(container, callbacks, failure.text(container.id), killed)

        def abandon() -> None:
            self.give_up(container, callbacks, "Container is being destroyed during fetching", killed)

        container.abandon = abandon
        directory = None if self.simulates else spec.directory
        try:
            self.machine.fetch(spec.info.command, directory, spec.user, fetched)
        except Exception:
            self._containers.pop(container.id, None)
            raise
        return container

    def _provide_image(self, container: Container, command: Command | None, callbacks: Callbacks) -> None:
        docker = container.spec.docker
        if docker is None or container.doomed:
            self._start(container, command, callbacks)
            return

        def provided(error: str | None) -> None:
            container.abandon = None
            if error is None:
                self._start(container, command, callbacks)
            else:
                self.give_up(container, callbacks, error)

        wanted = container.spec.info.container.docker
        client = DockerClient(docker.engine, self.machine)
        images = ImageProvider(client, wanted.image, wanted.force_pull_image, docker.place.sandbox, provided)

        def abandon() -> None:
            images.cancel()
            self.give_up(container, callbacks, "discarded")

        container.abandon = abandon
        images.start()

    def deliver(self, container: Container, event: executor.Event) -> None:
        """Hands an event to a built-in executor, in a later turn."""
        if container.builtin is not None:
            self.machine.actor.post(self._receive, container, event)

    def _receive(self, container: Container, event: executor.Event) -> None:
        if container.builtin is None:
            return
        try:
            container.builtin.receive(event)
        except Exception:  # a process would abort
            container.builtin.destroy()
            self.exited(container, Exit.of_signal(signal.SIGABRT))
            raise

    def destroy(self, container_id: str) -> None:
        """Kills the container with all in it; its end is told like any other. Harmless if it has ended."""
        container = self._containers.get(container_id)
        if container is None or container.doomed:
            return
        container.doomed = True
        if container.process is not None:
            container.process.kill(signal.SIGKILL)
        elif container.builtin is not None:
            container.builtin.destroy()
            container.builtin.when_gone(lambda: self._end(container, Exit.of_signal(signal.SIGKILL)))
        elif container.abandon is not None:
            self.machine.actor.post(container.abandon)

    def signal(self, container: Container, number: int) -> None:
        """Sends a signal to an executor's process. A built-in one lets no signal pass but those that end nothing."""
        if container.builtin is not None and number not in HARMLESS:
            self.destroy(container.id)
        elif container.process is not None:
            container.process.kill(number)

    def usage(self, container: Container) -> Usage | None:
        """What the container and those nested in it use now; None if that is not known."""
        parts = [] if container.process is None else [container.process.usage()]
        if container.builtin is not None:
            parts += container.builtin.usages()
        parts += [nested.usage() for nested in self.nested.below(container.id)]
        known = [part for part in parts if part is not None]
        return sum_usage(known) if known else None

    def _start(self, container: Container, command: Command | None, callbacks: Callbacks) -> None:
        if container.doomed:
            return
        try:
            self._start_now(container, command, callbacks)
        except Exception as error:
            self.give_up(container, callbacks, str(error))
            raise

    def _start_now(self, container: Container, command: Command | None, callbacks: Callbacks) -> None:
        if container.kind is Kind.CUSTOM and not self.simulates:
            assert command is not None

            def started() -> None:
                container.launched = True
                callbacks.launched()

            def failed(why: str) -> None:
                self.give_up(container, callbacks, why)

            def exited(how: Exit) -> None:
                self.exited(container, how)

            if container.spec.docker is not None:
                self._start_in_docker(container, container.spec.docker, started, exited, failed)
            else:
                container.process = self.machine.launcher.launch(command, started, exited, failed)
            return
        container.builtin = self._make_builtin(container, callbacks)
        container.launched = True
        if self.machine.pace.executor_start > 0:
            self.machine.clock.call_later(self.machine.pace.executor_start, self._launched, container, callbacks)
        else:
            self.machine.actor.post(self._launched, container, callbacks)

    def _start_in_docker(
        self,
        container: Container,
        settings: DockerSettings,
        started: Callable[[], None],
        exited: Callable[[Exit], None],
        failed: Callable[[str], None],
    ) -> None:
        info = container.spec.info
        try:
            options = run_arguments(
                info.container, info.command, settings.place, info.resources, environment=container.spec.environment
            )
        except DockerOptionsError as error:
            self.machine.actor.post(failed, str(error))
            return
        process = DockerProcess(settings, self.machine, options, started, exited, failed)
        container.process = process
        process.start()

    def _launched(self, container: Container, callbacks: Callbacks) -> None:
        if container.builtin is not None and not container.builtin.dead:
            callbacks.launched()
            container.builtin.start()

    def _make_builtin(self, container: Container, callbacks: Callbacks) -> Builtin:
        line = HostLine(self, container, callbacks)
        if container.spec.docker is not None:
            return DockerExecutor(container.spec, self.machine, line, container.spec.docker)
        if container.kind is Kind.COMMAND:
            return CommandExecutor(container.spec, self.machine, line)
        if container.kind is Kind.DEFAULT:
            return DefaultExecutor(container.spec, self.machine, line, self.nested)
        return SimulatedExecutor(container.spec, self.machine, line)

    def exited(self, container: Container, how: Exit) -> None:
        """The executor's process has ended."""
        if self.machine.pace.executor_end > 0:
            self.machine.clock.call_later(self.machine.pace.executor_end, self._end, container, how)
        else:
            self.machine.actor.post(self._end, container, how)

    def call_agent(self, container: Container, call: executor.Call) -> None:
        """A built-in executor calls the agent, if there is one."""
        if self._agent is not None:
            self.machine.actor.post(self._deliver_call, self._agent, container, call)

    def _deliver_call(self, agent: AgentPort, container: Container, call: executor.Call) -> None:
        if self._agent is agent:  # else it died with the call on its way
            agent.executor_call(container, call)

    def give_up(self, container: Container, callbacks: Callbacks, why: str, how: Exit | None = None) -> None:
        """The container could not be launched; ``how`` its process ended, if it had one already."""
        if self._containers.pop(container.id, None) is not None:
            if container.builtin is not None:
                container.builtin.destroy()
            callbacks.failed(why, how)

    def _end(self, container: Container, how: Exit) -> None:
        if self._containers.pop(container.id, None) is None:
            return
        for nested in self.nested.below(container.id):
            nested.kill(signal.SIGKILL)
        self.nested.remove((container.id,))
        container.builtin = None
        waiters, container.waiters = container.waiters, []
        try:
            container.on_end(how)
        finally:
            for waiter in waiters:
                waiter(how)

    # The machine itself

    def wipe(self) -> None:
        """Ends all containers and empties the work directory: the next agent is a new one."""
        self._end_all()
        if self.remover is not None:
            self.remover.empty()
        self.store = self._new_store()
        self._boot_id = None

    def reboot(self) -> None:
        """Ends all that runs on the machine; what is on its disk stays. The agent must have ended."""
        self._end_all()
        self._boot_id = None

    def close(self) -> None:
        """Ends everything on the machine; no agent is notified."""
        self._agent = None
        self._end_all()
        for owned in self._own:
            owned.close()
        self.meter.close()
        if self.remover is not None:
            self.remover.close()

    def _end_all(self) -> None:
        for container in self.containers():
            container.on_end = _ignore
            self.destroy(container.id)
        self._containers.clear()  # an agent that starts now finds none of them, even if some are still ending
        for nested in self.nested.all():
            nested.kill(signal.SIGKILL)
            self.nested.remove(nested.path)


def _ignore(_: Exit) -> None:
    """Nobody is there to be told."""


def sum_usage(parts: list[Usage]) -> Usage:
    """What several use together."""
    return Usage(
        cpus_user_time_secs=sum(part.cpus_user_time_secs for part in parts),
        cpus_system_time_secs=sum(part.cpus_system_time_secs for part in parts),
        mem_rss_bytes=sum(part.mem_rss_bytes for part in parts),
        processes=sum(part.processes for part in parts),
        threads=sum(part.threads for part in parts),
    )
