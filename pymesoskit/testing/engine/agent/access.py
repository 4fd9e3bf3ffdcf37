"""Who may do what on an agent: launch tasks, handle containers, look into sandboxes.

What is asked of the authorizer, and about whom. Endpoints and calls that concern nothing in particular are in the
tables of ``authorization/gate.py`` and ``operator_api.py``. Source: docs/authorization.md,
docs/reference/operator-api.md 4.1, agent-executor.md 4.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pymesoskit.testing.engine.authorization import Action, Object
from pymesoskit.testing.engine.formats.text_format import dump
from pymesoskit.testing.engine.http.v1 import refuse
from pymesoskit.wire.v1 import agent, mesos

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.agent.state import Executor, Framework
    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.containers.layout import RunLayout

Type = agent.Call.Type

#: For each call on a container: what it needs if the container is nested in another, and if it is not.
_CONTAINER_ACTIONS: Mapping[int, tuple[Action, Action]] = {
    Type.LAUNCH_NESTED_CONTAINER: (Action.LAUNCH_NESTED_CONTAINER,) * 2,
    Type.LAUNCH_NESTED_CONTAINER_SESSION: (Action.LAUNCH_NESTED_CONTAINER_SESSION,) * 2,
    Type.WAIT_NESTED_CONTAINER: (Action.WAIT_NESTED_CONTAINER,) * 2,
    Type.KILL_NESTED_CONTAINER: (Action.KILL_NESTED_CONTAINER,) * 2,
    Type.REMOVE_NESTED_CONTAINER: (Action.REMOVE_NESTED_CONTAINER,) * 2,
    Type.ATTACH_CONTAINER_INPUT: (Action.ATTACH_CONTAINER_INPUT,) * 2,
    Type.ATTACH_CONTAINER_OUTPUT: (Action.ATTACH_CONTAINER_OUTPUT,) * 2,
    Type.LAUNCH_CONTAINER: (Action.LAUNCH_NESTED_CONTAINER, Action.LAUNCH_STANDALONE_CONTAINER),
    Type.WAIT_CONTAINER: (Action.WAIT_NESTED_CONTAINER, Action.WAIT_STANDALONE_CONTAINER),
    Type.KILL_CONTAINER: (Action.KILL_NESTED_CONTAINER, Action.KILL_STANDALONE_CONTAINER),
    Type.REMOVE_CONTAINER: (Action.REMOVE_NESTED_CONTAINER, Action.REMOVE_STANDALONE_CONTAINER),
}

#: Calls that can only be about containers of executors.
_ATTACHING = frozenset({Type.ATTACH_CONTAINER_INPUT, Type.ATTACH_CONTAINER_OUTPUT})


def launch_error(
    permissions: Permissions, tasks: Iterable[mesos.TaskInfo], framework: mesos.FrameworkInfo
) -> str | None:
    """Why tasks of a framework must not be launched here; None if they may."""
    if permissions.unrestricted:
        return None
    for task in tasks:
        if not permissions.allows(Action.RUN_TASK, Object(task_info=task, framework_info=framework)):
            return f"Framework {framework.id.value} is not authorized to launch task {_printed(task)}"
    return None


def _printed(task: mesos.TaskInfo) -> str:
    """A task as the agent prints it: a message of the older protocol, in which an agent is a slave."""
    return re.sub(r"(?m)^( *)agent_id \{$", r"\1slave_id {", dump(task))


class Access:
    """What depends on which executor something belongs to."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def require_container(self, call: agent.Call, permissions: Permissions) -> None:
        """Raises ``Refused`` for a call on a container that is not allowed; other calls pass."""
        if permissions.unrestricted or call.type not in _CONTAINER_ACTIONS:
            return
        payload = getattr(call, Type.Name(call.type).lower())
        container_id: mesos.ContainerID = payload.container_id
        self._require(call.type, container_id, permissions, payload.command if hasattr(payload, "command") else None)

    def require_input(self, container_id: mesos.ContainerID, permissions: Permissions) -> None:
        """The same for a container that somebody wants to write to."""
        if not permissions.unrestricted:
            self._require(Type.ATTACH_CONTAINER_INPUT, container_id, permissions, None)

    def _require(
        self,
        kind: int,
        container_id: mesos.ContainerID,
        permissions: Permissions,
        command: mesos.CommandInfo | None,
    ) -> None:
        nested, standalone = _CONTAINER_ACTIONS[kind]
        action = nested if container_id.HasField("parent") else standalone
        owner = self._owner(container_id)
        if owner is not None:
            framework, executor = owner
            thing = Object(
                executor_info=executor.info,
                framework_info=framework.info,
                command_info=command,
                container_id=container_id,
            )
        elif kind in _ATTACHING:
            raise refuse(404, f"Container {_text(container_id)} cannot be found")
        else:
            thing = Object(container_id=container_id)
        permissions.require(action, thing)

    def sees_container(self, container_id: mesos.ContainerID, permissions: Permissions) -> bool:
        """Whether a container, an executor's or another, can be seen."""
        if permissions.unrestricted:
            return True
        owner = self._owner(container_id)
        if owner is None:
            return permissions.allows(Action.VIEW_STANDALONE_CONTAINER, Object(container_id=container_id))
        framework, executor = owner
        thing = Object(executor_info=executor.info, framework_info=framework.info)
        return permissions.allows(Action.VIEW_CONTAINER, thing)

    def _owner(self, container_id: mesos.ContainerID) -> tuple[Framework, Executor] | None:
        """The executor whose container it is, or is nested in."""
        root = container_id
        while root.HasField("parent"):
            root = root.parent
        for framework, executor in self._core.executors():
            if executor.container_id == root.value:
                return framework, executor
        return None

    def enters_sandbox(self, run: RunLayout, permissions: Permissions) -> bool:
        """Whether the sandbox of that run can be looked into."""
        framework = self._core.frameworks.get(run.framework_id)
        executor = None if framework is None else framework.executors.get(run.executor_id)
        thing = Object(
            framework_info=None if framework is None else framework.info,
            executor_info=None if executor is None else executor.info,
        )
        return permissions.allows(Action.ACCESS_SANDBOX, thing)


def _text(container_id: mesos.ContainerID) -> str:
    """``parent.child``"""
    above = f"{_text(container_id.parent)}." if container_id.HasField("parent") else ""
    return f"{above}{container_id.value}"
