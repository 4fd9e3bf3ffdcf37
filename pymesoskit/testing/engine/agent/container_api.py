"""The calls on nested and standalone containers: launch, wait, kill, remove.

Source: docs/reference/operator-api.md 4.1. The containers themselves are in ``containers.py``.
"""

from __future__ import annotations

import signal
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from attrs import frozen

from pymesoskit.testing.engine.agent.container_io import InputStream, OutputStream
from pymesoskit.testing.engine.containers import environment, layout, volumes
from pymesoskit.testing.engine.containers.commands import (
    OUTPUT,
    SandboxError,
    check_nested,
    command_of,
    make_sandbox,
)
from pymesoskit.testing.engine.containers.containers import NestedContainer, Path, message_of, path_of
from pymesoskit.testing.engine.containers.switchboard import Switchboard
from pymesoskit.testing.engine.executors.command import CommandExecutor
from pymesoskit.testing.engine.http.handler import Request, Responder, Response
from pymesoskit.testing.engine.http.v1 import answer, refuse
from pymesoskit.wire.v1 import agent, mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.agent.media_types import MediaTypes
    from pymesoskit.testing.engine.machine.launcher import Command, Exit
    from pymesoskit.testing.engine.machine.machine import FetchFailure


class ContainerApi:
    """Answers the calls of the agent's v1 API that concern containers."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._tree = core.host.nested

    # Views

    def others(self, *, nested: bool, standalone: bool) -> Iterator[NestedContainer]:
        """The containers that run and are no executor's: those nested in others, and those that are not."""
        for container in self._tree.all():
            if container.runs and (nested if len(container.path) > 1 else standalone):
                yield container

    # Calls

    def attach_input(
        self,
        request: Request,
        media: MediaTypes,
        responder: Responder,
        check: Callable[[mesos.ContainerID], None],
    ) -> None:
        """Serves a stream of calls; ``check`` refuses a container that must not be written to."""

        def find(container_id: mesos.ContainerID) -> Switchboard:
            check(container_id)
            return self._switchboard(container_id)

        stream = InputStream(find, responder, media)
        if request.body_stream is not None:
            request.body_stream.listen(stream.data, stream.end)
        else:
            stream.data(request.body)
            stream.end()

    def streams(self, call: agent.Call) -> bool:
        """Whether the answer to the call is a stream."""
        return call.type in {agent.Call.LAUNCH_NESTED_CONTAINER_SESSION, agent.Call.ATTACH_CONTAINER_OUTPUT}

    def stream(self, call: agent.Call, media: MediaTypes, responder: Responder) -> None:
        """Serves such a call. Raises ``Refused``."""
        kind, headers = media.records, media.stream_headers
        output = OutputStream(self._core.lifeline, self._core.flags.http_heartbeat_interval)
        if call.type == agent.Call.ATTACH_CONTAINER_OUTPUT:
            output.listen(self._switchboard(call.attach_container_output.container_id))
            output.open(responder, kind, headers)
            return
        session = call.launch_nested_container_session
        path = path_of(session.container_id)
        if self._tree.running(path) is not None:
            responder.respond(Response(202))
            return
        switchboard = Switchboard.of(session.container) or Switchboard(tty=False)

        def started() -> None:
            output.finished = lambda: container.kill(signal.SIGKILL)
            output.open(responder, kind, headers)

        def failed(why: str) -> None:
            responder.respond(Response.text(400, why))

        output.listen(switchboard)
        command = self._command(path, session.command, session.container, switchboard, is_session=True)
        container = self._tree.launch(path, command, started, lambda _: None, failed, switchboard)

    def _switchboard(self, container_id: mesos.ContainerID) -> Switchboard:
        """The switchboard of a container. Raises ``Refused`` if there is none."""
        path = path_of(container_id)
        top = self._core.host.find(path[0])
        if top is None:
            raise refuse(404, f"Container {text_of(container_id)} cannot be found")
        found: Switchboard | None
        if len(path) == 1:
            found = top.builtin.switchboard if isinstance(top.builtin, CommandExecutor) else None
        else:
            nested = self._tree.find(path)
            if nested is None:
                raise refuse(500, f"Unknown container {text_of(container_id)}")
            found = nested.switchboard
        if found is None:
            raise refuse(500, "I/O switchboard server was disabled for this container")
        return found

    def handle(self, call: agent.Call, content_type: str, responder: Responder) -> bool:
        """Serves the call; False if it is not about containers. Raises ``Refused``."""
        kind = agent.Call
        if call.type == kind.LAUNCH_NESTED_CONTAINER:
            nested = call.launch_nested_container
            self._launch(nested.container_id, nested.command, nested.container, responder)
        elif call.type == kind.LAUNCH_CONTAINER:
            launch = call.launch_container
            self._launch(launch.container_id, launch.command, launch.container, responder)
        elif call.type == kind.WAIT_NESTED_CONTAINER:
            self._wait(call.wait_nested_container.container_id, content_type, responder, nested=True)
        elif call.type == kind.WAIT_CONTAINER:
            self._wait(call.wait_container.container_id, content_type, responder, nested=False)
        elif call.type == kind.KILL_NESTED_CONTAINER:
            self._kill(call.kill_nested_container, responder)
        elif call.type == kind.KILL_CONTAINER:
            self._kill(call.kill_container, responder)
        elif call.type == kind.REMOVE_NESTED_CONTAINER:
            self._remove(call.remove_nested_container.container_id, responder)
        elif call.type == kind.REMOVE_CONTAINER:
            self._remove(call.remove_container.container_id, responder)
        else:
            return False
        return True

    # Launching

    def _launch(
        self,
        container_id: mesos.ContainerID,
        command: mesos.CommandInfo,
        container: mesos.ContainerInfo,
        responder: Responder,
    ) -> None:
        path = path_of(container_id)
        if self._tree.running(path) is not None or (len(path) == 1 and self._core.host.find(path[0]) is not None):
            responder.respond(Response(202))
            return

        def failed(why: str) -> None:
            responder.respond(Response.text(400, why))

        def launched() -> None:
            responder.respond(Response(200))

        switchboard = Switchboard.of(container)
        what = self._command(path, command, container, switchboard)

        def fetched(failure: FetchFailure | None) -> None:
            if failure is not None:
                failed(failure.text(text_of(container_id)))
            elif self._tree.running(path) is None:
                self._tree.launch(path, what, launched, lambda _: None, failed, switchboard)
            else:
                responder.respond(Response(202))

        directory = None if what.directory is None else str(what.directory)
        self._core.host.machine.fetch(command, directory, what.user, fetched)

    def _command(
        self,
        path: Path,
        command: mesos.CommandInfo,
        container: mesos.ContainerInfo,
        switchboard: Switchboard | None,
        *,
        is_session: bool = False,
    ) -> Command:
        """What is to run in such a container, in the sandbox that is made for it. Raises ``Refused``.

        A session runs where its parent runs, and sees what that sees; only its output is kept in its own sandbox.
        """
        sandbox = self._sandbox(path)
        if len(path) == 1 and sandbox is not None:  # here this comes first, and is answered otherwise
            try:
                make_sandbox(
                    sandbox, (command.user if self._switches_user else None) or None, "Failed to create sandbox"
                )
            except SandboxError as error:
                raise refuse(500, str(error)) from None
        try:
            check_nested(container)
            parent = self._parent(path)
            user = (command.user or (None if parent is None else parent.user)) if self._switches_user else None
            if sandbox is not None:
                if len(path) > 1:
                    make_sandbox(sandbox, user or None, f"Failed to create nested sandbox '{sandbox}'")
                around = sandbox.parent.parent if len(path) > 1 else None
                volumes.link_volumes_of(sandbox, container, around, self._core.flags.isolators)
            joins = parent if is_session else None
            variables = environment.of_nested(
                command,
                directory=str(sandbox or ""),
                secrets=environment.resolves_secrets(self._core.flags),
                inherited=None if joins is None else joins.environment,
            )
        except (SandboxError, environment.SecretError) as error:
            raise refuse(400, str(error)) from None
        directory = None if sandbox is None else str(sandbox)
        return command_of(
            command,
            variables,
            directory if joins is None else joins.directory,
            user=user or None,
            container=container,
            interaction=None if switchboard is None else switchboard.interaction,
            path=self._core.host.programs,
            output=OUTPUT if joins is None or directory is None else (f"{directory}/stdout", f"{directory}/stderr"),
            whole_tree=False,
        )

    @property
    def _switches_user(self) -> bool:
        return self._core.flags.switch_user and not self._core.host.simulates

    def _parent(self, path: Path) -> Surroundings | None:
        """What the container around one has; None if there is none around it. Raises ``SandboxError``."""
        if len(path) == 1:
            return None
        executor = self._core.host.find(path[0]) if len(path) == 2 else None
        if executor is not None:
            spec = executor.spec
            if spec.docker is not None:
                raise refuse(500, "Nested containers are not supported")
            return Surroundings(spec.environment, spec.user, spec.directory)
        around = self._tree.running(path[:-1])
        if around is None:
            raise SandboxError(f"Parent container {'.'.join(path[:-1])} does not exist")
        command = around.command
        directory = None if command.directory is None else str(command.directory)
        return Surroundings(command.environment, command.user, directory)

    def _sandbox(self, path: Path) -> FilePath | None:
        work_dir = self._core.host.work_dir
        if work_dir is None:
            return None
        executor = self._core.host.find(path[0])
        if executor is not None and executor.spec.directory is not None:
            return layout.nested_sandbox(FilePath(executor.spec.directory), path[1:])
        return layout.nested_sandbox(work_dir / layout.standalone_sandbox(path[0]), path[1:])

    # Waiting, killing, removing

    def _wait(self, container_id: mesos.ContainerID, content_type: str, responder: Responder, *, nested: bool) -> None:
        path = path_of(container_id)
        container = self._tree.find(path)
        executor = self._core.host.find(path[0]) if len(path) == 1 else None

        def ended(how: Exit) -> None:
            kind = agent.Response
            response = agent.Response(type=kind.WAIT_NESTED_CONTAINER if nested else kind.WAIT_CONTAINER)
            result = response.wait_nested_container if nested else response.wait_container
            result.SetInParent()
            result.exit_status = how.status
            responder.respond(answer(response, content_type))

        if container is not None and container.ended is not None:
            ended(container.ended)
            return
        around = container or executor
        if around is None:
            raise refuse(404, f"Container {text_of(container_id)} cannot be found")
        around.waiters.append(ended)
        responder.on_close(lambda: around.waiters.remove(ended) if ended in around.waiters else None)

    def _kill(self, kill: agent.Call.KillContainer | agent.Call.KillNestedContainer, responder: Responder) -> None:
        path = path_of(kill.container_id)
        container = self._tree.running(path)
        executor = self._core.host.find(path[0]) if len(path) == 1 else None
        if container is None and executor is None:
            raise refuse(404, f"Container '{text_of(kill.container_id)}' cannot be found (or is already killed)")
        number = kill.signal if kill.HasField("signal") else signal.SIGKILL
        if not 0 <= number < signal.NSIG:
            raise refuse(500, "Unable to send signal to container: Invalid argument")
        if container is not None:
            container.kill(number)
        elif executor is not None:
            self._core.host.signal(executor, number)
        responder.respond(Response(200))

    def _remove(self, container_id: mesos.ContainerID, responder: Responder) -> None:
        path = path_of(container_id)
        top = self._core.host.find(path[0])
        if self._tree.running(path) is not None or (len(path) == 1 and top is not None):
            raise refuse(500, "Nested container has not terminated yet")
        if len(path) > 1:
            if top is None and self._tree.running(path[:1]) is None:
                raise refuse(500, "Unknown root container")
            sandbox = self._sandbox(path)
            if sandbox is not None and self._core.host.remover is not None and not self._core.host.simulates:
                self._core.host.remover.remove(sandbox)
        self._tree.remove(path)
        responder.respond(Response(200))


@frozen
class Surroundings:
    """What a container has of the one that it is nested in."""

    environment: Mapping[str, str]
    user: str | None
    directory: str | None


def text_of(container_id: mesos.ContainerID) -> str:
    """``parent.child``"""
    return ".".join(path_of(container_id))


def status_of(container: NestedContainer) -> mesos.ContainerStatus:
    """What is known of a container."""
    status = mesos.ContainerStatus()
    status.container_id.CopyFrom(message_of(container.path))
    if container.pid:
        status.executor_pid = container.pid
    return status
