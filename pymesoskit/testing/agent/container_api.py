"""The calls on nested and standalone containers: launch, wait, kill, remove.

Source: docs/reference/operator-api.md 4.1. The containers themselves are in ``containers.py``.
"""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from pymesoskit.testing.agent import environment, layout
from pymesoskit.testing.agent.commands import SandboxError, command_of, link_container_volumes, make_sandbox
from pymesoskit.testing.agent.containers import NestedContainer, message_of, path_of
from pymesoskit.testing.api import RECORDIO, answer, refuse
from pymesoskit.testing.http import Request, Responder, Response
from pymesoskit.wire.v1 import agent, mesos

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymesoskit.testing.agent.core import Core
    from pymesoskit.testing.agent.launcher import Exit
    from pymesoskit.testing.agent.state import Executor

#: Longest id of a container.
MAX_ID_LENGTH = 242

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f/\\. ]")


def id_error(container_id: mesos.ContainerID) -> str | None:
    """What is wrong with a container's id, or with that of one around it."""
    for name in path_of(container_id):
        if not name:
            return "'ContainerID.value' must be non-empty"
        if len(name) > MAX_ID_LENGTH:
            return f"'ContainerID.value' must not be longer than {MAX_ID_LENGTH} characters"
        if _FORBIDDEN.search(name):
            return f"'ContainerID.value' '{name}' contains invalid characters"
    return None


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

    def attach_input(self, request: Request, responder: Responder) -> None:  # noqa: ARG002
        """Serves a stream of calls. Raises ``Refused``."""
        raise refuse(501, "Attaching to the input of a container is not supported")

    def streams(self, call: agent.Call) -> bool:
        """Whether the answer to the call is a stream."""
        return call.type in {agent.Call.LAUNCH_NESTED_CONTAINER_SESSION, agent.Call.ATTACH_CONTAINER_OUTPUT}

    def stream(self, call: agent.Call, request: Request, responder: Responder) -> None:  # noqa: ARG002
        """Serves such a call. Raises ``Refused``."""
        raise refuse(501, "Streams of a container's output are not supported")

    def handle(self, call: agent.Call, content_type: str, responder: Responder) -> bool:
        """Serves the call; False if it is not about containers. Raises ``Refused``."""
        kind = agent.Call
        if call.type == kind.LAUNCH_NESTED_CONTAINER:
            nested = call.launch_nested_container
            self._check(nested.container_id, nested=True)
            self._launch(nested.container_id, nested.command, nested.container, responder)
        elif call.type == kind.LAUNCH_CONTAINER:
            launch = call.launch_container
            self._check(launch.container_id, nested=False)
            self._launch(launch.container_id, launch.command, launch.container, responder)
        elif call.type == kind.WAIT_NESTED_CONTAINER:
            self._wait(call.wait_nested_container.container_id, content_type, responder, nested=True)
        elif call.type == kind.WAIT_CONTAINER:
            self._wait(call.wait_container.container_id, content_type, responder, nested=False)
        elif call.type == kind.KILL_NESTED_CONTAINER:
            self._check(call.kill_nested_container.container_id, nested=True)
            self._kill(call.kill_nested_container, responder)
        elif call.type == kind.KILL_CONTAINER:
            self._check(call.kill_container.container_id, nested=False)
            self._kill(call.kill_container, responder)
        elif call.type == kind.REMOVE_NESTED_CONTAINER:
            self._remove(call.remove_nested_container.container_id, responder, nested=True)
        elif call.type == kind.REMOVE_CONTAINER:
            self._remove(call.remove_container.container_id, responder, nested=False)
        else:
            return False
        return True

    def _check(self, container_id: mesos.ContainerID, *, nested: bool) -> None:
        error = id_error(container_id)
        if error is None and nested and not container_id.HasField("parent"):
            error = "Expecting 'container_id.parent' to be present"
        if error is not None:
            raise refuse(400, f"Failed to validate agent::Call: {error}")

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
        top = self._executor(path[0]) if len(path) > 1 else None
        if len(path) > 1 and top is None and self._tree.find(path[:1]) is None:
            raise refuse(400, f"Failed to find parent container {path[0]}")
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
        what = command_of(command, variables, None if sandbox is None else str(sandbox), user=user, container=container)
        self._tree.launch(
            path,
            what,
            lambda: responder.respond(Response(200)),
            lambda _: None,
            lambda why: responder.respond(Response.text(400, why)),
        )

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
        self._check(container_id, nested=nested)
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

    def _remove(self, container_id: mesos.ContainerID, responder: Responder, *, nested: bool) -> None:
        self._check(container_id, nested=nested)
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
