"""The calls on nested and standalone containers: launch, wait, kill, remove.

Source: docs/reference/operator-api.md 4.1. The containers themselves are in ``containers.py``.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

from pymesoskit.testing.agent import environment, layout
from pymesoskit.testing.agent.command_executor import CommandExecutor
from pymesoskit.testing.agent.commands import (
    SandboxError,
    command_of,
    is_docker,
    link_container_volumes,
    make_sandbox,
)
from pymesoskit.testing.agent.container_io import InputStream, OutputStream, record_type, stream_type
from pymesoskit.testing.agent.containers import NestedContainer, message_of, path_of
from pymesoskit.testing.agent.switchboard import Switchboard
from pymesoskit.testing.api import RECORDIO, answer, refuse
from pymesoskit.testing.http import Request, Responder, Response
from pymesoskit.wire.v1 import agent, mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymesoskit.testing.agent.core import Core
    from pymesoskit.testing.agent.launcher import Exit
    from pymesoskit.testing.agent.state import Executor


class ContainerApi:
    """See the module's text."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._tree = core.host.nested

    # Views

    def nested(self, executor: Executor) -> Iterator[mesos.ContainerStatus]:
        """The status of each container nested in an executor's."""
        for container in self._tree.below(executor.container_id):
            if container.ended is None:
                yield status_of(container)

    def standalone(self) -> Iterator[mesos.ContainerStatus]:
        """The status of each container that belongs to no executor."""
        for container in self._tree.all():
            if container.ended is None and len(container.path) == 1:
                yield status_of(container)

    # Calls

    def takes(self, request: Request) -> bool:
        """Whether the request is a stream of calls."""
        return request.header("content-type") == RECORDIO

    def attach_input(self, request: Request, responder: Responder, check: Callable[[mesos.ContainerID], None]) -> None:
        """Serves a stream of calls; ``check`` refuses a container that must not be written to. Raises ``Refused``."""

        def find(container_id: mesos.ContainerID) -> Switchboard:
            check(container_id)
            return self._switchboard(container_id)

        stream = InputStream(find, responder, record_type(request))
        if request.body_stream is not None:
            request.body_stream.listen(stream.data, stream.end)
        else:
            stream.data(request.body)
            stream.end()

    def streams(self, call: agent.Call) -> bool:
        """Whether the answer to the call is a stream."""
        return call.type in {agent.Call.LAUNCH_NESTED_CONTAINER_SESSION, agent.Call.ATTACH_CONTAINER_OUTPUT}

    def stream(self, call: agent.Call, request: Request, responder: Responder) -> None:
        """Serves such a call. Raises ``Refused``."""
        kind, headers = stream_type(request)
        output = OutputStream(self._core.lifeline, self._core.flags.http_heartbeat_interval)
        if call.type == agent.Call.ATTACH_CONTAINER_OUTPUT:
            output.listen(self._switchboard(call.attach_container_output.container_id))
            output.open(responder, kind, headers)
            return
        session = call.launch_nested_container_session
        switchboard = Switchboard.of(session.container) or Switchboard(tty=False)
        path = path_of(session.container_id)
        if self._tree.find(path) is not None:
            raise refuse(400, f"Container {text_of(session.container_id)} already exists")

        def started() -> None:
            output.finished = lambda: container.kill(signal.SIGKILL)
            output.open(responder, kind, headers)

        def failed(why: str) -> None:
            responder.respond(Response.text(400, why))

        output.listen(switchboard)
        container = self._start(path, session.command, session.container, started, failed, switchboard)

    def _switchboard(self, container_id: mesos.ContainerID) -> Switchboard:
        """The switchboard of a container. Raises ``Refused`` if there is none."""
        path = path_of(container_id)
        found: Switchboard | None
        if len(path) == 1 and (top := self._core.host.find(path[0])) is not None:
            found = top.builtin.switchboard if isinstance(top.builtin, CommandExecutor) else None
        else:
            nested = self._tree.find(path)
            if nested is None:
                raise refuse(404, f"Container {text_of(container_id)} cannot be found")
            found = nested.switchboard
        if found is None:
            text = f"I/O switchboard server was disabled for container '{text_of(container_id)}'"
            raise refuse(400, text)
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

    def _launch(
        self,
        container_id: mesos.ContainerID,
        command: mesos.CommandInfo,
        container: mesos.ContainerInfo,
        responder: Responder,
    ) -> None:
        path = path_of(container_id)
        if self._tree.find(path) is not None:
            responder.respond(Response(202))
            return

        def failed(why: str) -> None:
            responder.respond(Response.text(400, why))

        switchboard = Switchboard.of(container)
        self._start(path, command, container, lambda: responder.respond(Response(200)), failed, switchboard)

    def _start(
        self,
        path: tuple[str, ...],
        command: mesos.CommandInfo,
        container: mesos.ContainerInfo,
        on_start: Callable[[], None],
        on_error: Callable[[str], None],
        switchboard: Switchboard | None,
    ) -> NestedContainer:
        top = self._executor(path[0]) if len(path) > 1 else None
        if len(path) > 1 and top is None and self._tree.find(path[:1]) is None:
            raise refuse(400, f"Failed to find parent container {path[0]}")
        if top is not None and is_docker(top.info.container) and not self._core.host.simulates:
            raise refuse(500, "Nested containers are not supported")
        sandbox = self._sandbox(path, top)
        user = None if self._core.host.simulates else command.user or None
        try:
            if sandbox is not None:
                make_sandbox(sandbox, user)
                link_container_volumes(sandbox, container, sandbox.parent.parent if len(path) > 1 else None)
        except SandboxError as error:
            raise refuse(400, str(error)) from None
        role = None if top is None else environment.allocation_role(top.info.resources)
        variables = environment.of_nested(
            self._core.host.environment, command, directory=str(sandbox or ""), role=role, ip=None
        )
        what = command_of(
            command,
            variables,
            None if sandbox is None else str(sandbox),
            user=user,
            container=container,
            interaction=None if switchboard is None else switchboard.interaction,
        )
        return self._tree.launch(path, what, on_start, lambda _: None, on_error, switchboard)

    def _executor(self, container_id: str) -> Executor | None:
        for _, executor in self._core.executors():
            if executor.container_id == container_id:
                return executor
        return None

    def _sandbox(self, path: tuple[str, ...], executor: Executor | None) -> Path | None:
        work_dir = self._core.host.work_dir
        if work_dir is None:
            return None
        top = Path(executor.directory) if executor is not None else work_dir / layout.standalone_sandbox(path[0])
        return layout.nested_sandbox(top, path[1:])

    def _wait(self, container_id: mesos.ContainerID, content_type: str, responder: Responder, *, nested: bool) -> None:
        container = self._find(container_id, f"Container {text_of(container_id)} cannot be found")

        def ended(how: Exit) -> None:
            kind = agent.Response
            response = agent.Response(type=kind.WAIT_NESTED_CONTAINER if nested else kind.WAIT_CONTAINER)
            result = response.wait_nested_container if nested else response.wait_container
            result.SetInParent()
            result.exit_status = how.status
            responder.respond(answer(response, content_type))

        if container.ended is not None:
            ended(container.ended)
        else:
            container.waiters.append(ended)
            responder.on_close(lambda: container.waiters.remove(ended) if ended in container.waiters else None)

    def _kill(self, kill: agent.Call.KillContainer | agent.Call.KillNestedContainer, responder: Responder) -> None:
        missing = f"Container '{text_of(kill.container_id)}' cannot be found (or is already killed)"
        container = self._find(kill.container_id, missing)
        if container.ended is not None:
            raise refuse(404, missing)
        container.kill(kill.signal if kill.HasField("signal") else signal.SIGKILL)
        responder.respond(Response(200))

    def _remove(self, container_id: mesos.ContainerID, responder: Responder) -> None:
        path = path_of(container_id)
        container = self._tree.find(path)
        if container is not None and container.ended is None:
            raise refuse(500, f"Failed to remove container {text_of(container_id)}: it is still running")
        self._tree.remove(path)
        responder.respond(Response(200))

    def _find(self, container_id: mesos.ContainerID, missing: str) -> NestedContainer:
        container = self._tree.find(path_of(container_id))
        if container is None:
            raise refuse(404, missing)
        return container


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
